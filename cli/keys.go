package cli

import (
	"context"
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"gatehouse/internal/apperr"
	"gatehouse/keys"
	"gatehouse/models"
	"gatehouse/server"
)

func keysCmd() *cobra.Command {
	var asJSON bool
	list := &cobra.Command{
		Use:   "list",
		Short: "List the signing keys (never their private halves)",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withRooms(cmd, func(ctx context.Context, r *server.Rooms) error {
				return listKeys(ctx, cmd, r, asJSON)
			})
		},
	}
	addJSONFlag(list, &asJSON)
	return group("keys", "Signing keys", list, keysRotateCmd(), keysRevokeCmd())
}

type shownKey struct {
	KID       string     `json:"kid"`
	Purpose   string     `json:"purpose"`
	Alg       string     `json:"alg"`
	State     string     `json:"state"`
	CreatedAt time.Time  `json:"created_at"`
	SignsFrom *time.Time `json:"signs_from,omitempty"`
	RetiredAt *time.Time `json:"retired_at,omitempty"`
	RevokedAt *time.Time `json:"revoked_at,omitempty"`
}

func keyView(k models.SigningKey) shownKey {
	v := shownKey{KID: k.KID, Purpose: k.Purpose, Alg: k.Alg, State: k.State, CreatedAt: k.CreatedAt.Time}
	for _, t := range []struct {
		from models.Time
		to   **time.Time
	}{{k.SignsFrom, &v.SignsFrom}, {k.RetiredAt, &v.RetiredAt}, {k.RevokedAt, &v.RevokedAt}} {
		if !t.from.IsZero() {
			*t.to = &t.from.Time
		}
	}
	return v
}

// since says what the times of a key mean in its state.
func since(k models.SigningKey) string {
	switch k.State {
	case keys.StateNext:
		return "signs at the earliest " + k.SignsFrom.Format(time.DateTime)
	case keys.StateRetiring:
		return "signed until " + k.RetiredAt.Format(time.DateTime)
	case keys.StateRevoked:
		return "revoked " + k.RevokedAt.Format(time.DateTime)
	}
	return "signs since " + k.SignsFrom.Format(time.DateTime)
}

func listKeys(ctx context.Context, cmd *cobra.Command, r *server.Rooms, asJSON bool) error {
	list, err := r.Keys.List(ctx)
	if err != nil {
		return explain(err)
	}
	w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	if !asJSON {
		fmt.Fprintln(w, "KID\tPURPOSE\tALG\tSTATE\tCREATED (UTC)\tTIMES (UTC)")
	}
	for _, k := range list {
		if asJSON {
			if err := printJSON(cmd.OutOrStdout(), keyView(k)); err != nil {
				return err
			}
			continue
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", k.KID, k.Purpose, k.Alg, k.State, k.CreatedAt.Format(time.DateTime), since(k))
	}
	return w.Flush()
}

func keysRotateCmd() *cobra.Command {
	var now bool
	cmd := &cobra.Command{
		Use:   "rotate",
		Short: "Let the next keys sign now and publish new next ones",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withRooms(cmd, func(ctx context.Context, r *server.Rooms) error { return rotateKeys(ctx, cmd, r, now) })
		},
	}
	cmd.Flags().BoolVar(&now, "now", false, "do not wait until every service can know the next key")
	return cmd
}

func rotateKeys(ctx context.Context, cmd *cobra.Command, r *server.Rooms, now bool) error {
	done, err := r.Keys.Rotate(ctx, now)
	if err != nil {
		return explain(err)
	}
	if len(done) == 0 {
		fmt.Fprintln(cmd.OutOrStdout(), "Another process rotated the keys at the same moment.")
	}
	for _, d := range done {
		fmt.Fprintf(cmd.OutOrStdout(), "%s: %s (%s) signs from now on.\n", d.Purpose, d.Current, d.Alg)
		if d.Early {
			fmt.Fprintf(cmd.ErrOrStderr(), "warning: for %s, services that keep the key set may refuse new tokens of %q until they read it again\n", d.Wait, d.Purpose)
		}
	}
	return nil
}

func keysRevokeCmd() *cobra.Command {
	var w waiting
	cmd := &cobra.Command{
		Use:   "revoke KID...",
		Short: "End keys that were stolen: all that they ever signed is refused at once and for ever",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageError{fmt.Errorf("%s needs the id of a key: see %q", cmd.CommandPath(), "keys list")}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return withRooms(cmd, func(ctx context.Context, r *server.Rooms) error {
				return w.ending(ctx, cmd, r, func(ctx context.Context) (string, error) { return revokeKeys(ctx, r, args) })
			})
		},
	}
	addWaitFlags(cmd, &w)
	return cmd
}

func revokeKeys(ctx context.Context, r *server.Rooms, kids []string) (said string, err error) {
	err = r.Tokens.RevokeKeys(ctx, kids)
	switch apperr.Reason(err) {
	case "":
	case "no_such_key":
		return "", errors.New("there is no such signing key: see \"keys list\"")
	case "key_revoked":
		return "", errors.New("the key is revoked already: see \"keys list\"")
	default:
		return "", explain(err)
	}
	for _, kid := range kids {
		said += kid + " is revoked: what it signed is refused.\n"
	}
	signer := r.Keys.Signer()
	return said + fmt.Sprintf("Access tokens are now signed by %s (%s). People stay signed in.\n", signer.KID, signer.Alg), nil
}
