package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"gatehouse/internal/apperr"
	"gatehouse/mail"
	"gatehouse/models"
	"gatehouse/server"
)

func mailCmd() *cobra.Command {
	return group("mail", "Mails that wait, were sent or failed (never their text)", mailListCmd(), mailShowCmd(), mailRetryCmd())
}

func mailListCmd() *cobra.Command {
	var state string
	var limit int
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List mails, newest first",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if state != "" && !slices.Contains(mail.States(), state) {
				return usageError{fmt.Errorf("--state: %q is unknown: want one of %s", state, strings.Join(mail.States(), ", "))}
			}
			if limit < 1 || limit > mail.MostListed {
				return usageError{fmt.Errorf("--limit: want 1 to %d", mail.MostListed)}
			}
			return withRooms(cmd, func(ctx context.Context, r *server.Rooms) error {
				list, err := r.Mail.List(ctx, state, limit)
				if err != nil {
					return explain(err)
				}
				return printMails(cmd, list, asJSON)
			})
		},
	}
	cmd.Flags().StringVar(&state, "state", "", "queued, sent or failed")
	cmd.Flags().IntVar(&limit, "limit", 50, "how many at most")
	addJSONFlag(cmd, &asJSON)
	return cmd
}

func printMails(cmd *cobra.Command, list []mail.Entry, asJSON bool) error {
	w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	if !asJSON {
		fmt.Fprintln(w, "ID\tSTATE\tTO\tPURPOSE\tTRIES\tWRITTEN (UTC)\tLAST ANSWER")
	}
	for _, e := range list {
		if asJSON {
			if err := printJSON(cmd.OutOrStdout(), e); err != nil {
				return err
			}
			continue
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%s\t%s\n", e.ID, e.State, e.To, e.Purpose, e.Attempts, e.CreatedAt.Format(time.DateTime), shortened(lastWord(e)))
	}
	return w.Flush()
}

// lastWord is what the server said, or why it could not be asked.
func lastWord(e mail.Entry) string {
	if e.Answer != "" {
		return e.Answer
	}
	return e.LastError
}

func shortened(s string) string {
	if r := []rune(s); len(r) > 60 {
		return string(r[:59]) + "…"
	}
	return s
}

func mailShowCmd() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "show ID",
		Short: "Show what became of one mail",
		Args:  exactArgs(1, "the id of a mail"),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := mailID(args[0])
			if err != nil {
				return err
			}
			return withRooms(cmd, func(ctx context.Context, r *server.Rooms) error {
				e, err := r.Mail.Show(ctx, id)
				if err != nil {
					return explainMail(err)
				}
				if asJSON {
					return printJSON(cmd.OutOrStdout(), e)
				}
				return printMail(cmd, e)
			})
		},
	}
	addJSONFlag(cmd, &asJSON)
	return cmd
}

func mailID(s string) (models.ID, error) {
	id, err := models.ParseID(s)
	if err != nil {
		return id, usageError{fmt.Errorf("%q is not the id of a mail: see \"mail list\"", s)}
	}
	return id, nil
}

func explainMail(err error) error {
	if apperr.Reason(err) == "not_found" {
		return errors.New("there is no such mail: see \"mail list\"")
	}
	return explain(err)
}

func printMail(cmd *cobra.Command, e mail.Entry) error {
	w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(w, "%s\t%s\n", name, value)
		}
	}
	when := func(t *time.Time) string {
		if t == nil {
			return ""
		}
		return t.Format(time.DateTime) + " UTC"
	}
	line("id", e.ID)
	line("to", e.To)
	line("purpose", e.Purpose)
	line("language", e.Locale)
	line("state", e.State)
	line("tries", fmt.Sprint(e.Attempts))
	line("written", when(&e.CreatedAt))
	line("sent", when(e.SentAt))
	line("next try", when(e.NextAt))
	line("server's answer", e.Answer)
	line("last error", e.LastError)
	if e.CanRetry {
		line("once more", "mail retry "+e.ID)
	}
	return w.Flush()
}

func mailRetryCmd() *cobra.Command {
	var failed bool
	cmd := &cobra.Command{
		Use:   "retry ID | --failed",
		Short: "Send a mail that failed once more, or all of them",
		Args: func(cmd *cobra.Command, args []string) error {
			if failed == (len(args) == 1) || len(args) > 1 {
				return usageError{errors.New("mail retry needs the id of one mail, or --failed: see \"mail list --state failed\"")}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if failed {
				return withRooms(cmd, func(ctx context.Context, r *server.Rooms) error { return retryFailed(ctx, cmd, r) })
			}
			id, err := mailID(args[0])
			if err != nil {
				return err
			}
			return withRooms(cmd, func(ctx context.Context, r *server.Rooms) error { return retryMail(ctx, cmd, r, id) })
		},
	}
	cmd.Flags().BoolVar(&failed, "failed", false, "all that failed and still have their text")
	return cmd
}

func retryFailed(ctx context.Context, cmd *cobra.Command, r *server.Rooms) error {
	n, err := r.Mail.RetryFailed(ctx)
	if err != nil {
		return explain(err)
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%d mails are queued again. A running server sends them.\n", n)
	return nil
}

func retryMail(ctx context.Context, cmd *cobra.Command, r *server.Rooms, id models.ID) error {
	done, err := r.Mail.Retry(ctx, id)
	if err != nil {
		return explain(err)
	}
	if done {
		fmt.Fprintln(cmd.OutOrStdout(), "The mail is queued again. A running server sends it.")
		return nil
	}
	e, err := r.Mail.Show(ctx, id)
	if err != nil {
		return explainMail(err)
	}
	if e.State != "failed" {
		return fmt.Errorf("the mail is %s: only a failed one can be sent once more", e.State)
	}
	return errors.New("the text of the mail is gone: texts of failed mails are kept for a week")
}
