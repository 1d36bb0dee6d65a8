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

	"gatehouse/audit"
	"gatehouse/models"
	"gatehouse/server"
)

// reading is what audit list was asked.
type reading struct {
	since, until, user, by, action, outcome string
	asJSON                                  bool
}

func auditListCmd() *cobra.Command {
	var q reading
	cmd := &cobra.Command{
		Use:   "list",
		Short: "Print events, the oldest first",
		Long: "Print events, the oldest first.\n\n" +
			"The whole log as JSON, one event a line: audit list --since all --json > audit.jsonl",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withRooms(cmd, func(ctx context.Context, r *server.Rooms) error { return q.run(ctx, cmd, r) })
		},
	}
	f := cmd.Flags()
	f.StringVar(&q.since, "since", "24h", "for how long back, or from when: 24h, 2026-12-24, 2026-12-24T18:00:00Z, all")
	f.StringVar(&q.until, "until", "", "until when, likewise")
	f.StringVar(&q.user, "user", "", "what was done to this person (id, username or address)")
	f.StringVar(&q.by, "by", "", "what this person did")
	f.StringVar(&q.action, "action", "", "one action, such as signin; factor.* for all that begin so")
	f.StringVar(&q.outcome, "outcome", "", "success or failure")
	addJSONFlag(cmd, &q.asJSON)
	return cmd
}

func (q reading) run(ctx context.Context, cmd *cobra.Command, r *server.Rooms) error {
	filter, err := q.filter(ctx, r)
	if err != nil {
		return err
	}
	if q.asJSON {
		err := r.Audit.Export(ctx, filter, func(e audit.Record) error { return printJSON(cmd.OutOrStdout(), e) })
		return explain(err)
	}
	w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "WHEN (UTC)\tACTION\tOUTCOME\tWHO\tBY\tFROM\tDETAIL")
	page := make([]audit.Record, 0, logPage)
	err = r.Audit.Export(ctx, filter, func(e audit.Record) error {
		if page = append(page, e); len(page) < logPage {
			return nil
		}
		err := printEvents(ctx, w, r, page)
		page = page[:0]
		return err
	})
	if err == nil {
		err = printEvents(ctx, w, r, page)
	}
	return errors.Join(explain(err), w.Flush())
}

// logPage is how many lines are put under each other at once: names are looked up,
// and columns made as wide as they must be, for so many.
const logPage = 200

func printEvents(ctx context.Context, w *tabwriter.Writer, r *server.Rooms, page []audit.Record) error {
	var ids []models.ID
	for _, e := range page {
		ids = append(ids, e.Subject, e.Actor)
	}
	names, err := r.Accounts.Logins(ctx, ids)
	if err != nil {
		return err
	}
	name := func(id models.ID) string {
		switch {
		case id.IsZero():
			return "-"
		case names[id] != "":
			return names[id]
		}
		return id.String()
	}
	for _, e := range page {
		outcome := string(e.Outcome)
		if e.Reason != "" {
			outcome += " (" + e.Reason + ")"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", e.At.Format(time.DateTime), e.Action, outcome,
			name(e.Subject), name(e.Actor), from(e), shortened(printable(strings.Join(audit.Words(e.Detail), " "))))
	}
	return w.Flush()
}

func from(e audit.Record) string {
	if e.Erased {
		return "erased"
	}
	if ip := e.Personal["ip"]; ip != "" {
		return printable(ip)
	}
	return "-"
}

// printable keeps what a stranger wrote from steering the terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return '?'
		}
		return r
	}, s)
}

func (q reading) filter(ctx context.Context, r *server.Rooms) (f audit.Filter, err error) {
	f = audit.Filter{Action: q.action, Outcome: audit.Outcome(q.outcome)}
	if !slices.Contains([]audit.Outcome{"", audit.Success, audit.Failure}, f.Outcome) {
		return f, usageError{fmt.Errorf("--outcome: %q is unknown: want success or failure", q.outcome)}
	}
	if f.Since, err = moment("--since", q.since, r.Clock()); err != nil {
		return f, err
	}
	if f.Until, err = moment("--until", q.until, r.Clock()); err != nil {
		return f, err
	}
	if f.About, err = somebody(ctx, r, q.user); err != nil {
		return f, err
	}
	f.By, err = somebody(ctx, r, q.by)
	return f, err
}

// moment reads a duration back from now, a day or a time; "all" and "" are none.
func moment(flag, s string, now time.Time) (time.Time, error) {
	if s == "" || s == "all" {
		return time.Time{}, nil
	}
	if d, err := time.ParseDuration(s); err == nil && d >= 0 {
		return now.Add(-d), nil
	}
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if at, err := time.Parse(layout, s); err == nil {
			return at, nil
		}
	}
	return time.Time{}, usageError{fmt.Errorf("%s: %q is no time: want 24h, 2026-12-24, 2026-12-24T18:00:00Z or all", flag, s)}
}

// somebody is a person by id, also one who was erased, username or address.
func somebody(ctx context.Context, r *server.Rooms, who string) (models.ID, error) {
	if who == "" {
		return models.ID{}, nil
	}
	if id, err := models.ParseID(who); err == nil {
		return id, nil
	}
	u, err := r.Accounts.ByLogin(ctx, who)
	if err == nil && u == nil {
		err = fmt.Errorf("nobody has the address, username or id %q", who)
	}
	if err != nil {
		return models.ID{}, explain(err)
	}
	return u.ID, nil
}
