package cli

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"gatehouse/server"
	"gatehouse/tokens"
)

// waiting are the flags of a command that ends something.
type waiting struct {
	timeout time.Duration // 0 does not wait
	asJSON  bool
}

func addWaitFlags(cmd *cobra.Command, w *waiting) {
	cmd.Flags().DurationVar(&w.timeout, "wait", 0, "wait until it is in force everywhere, at most this long (up to 30s), and print a receipt")
	cmd.Flags().Lookup("wait").NoOptDefVal = tokens.DefaultWait.String()
	cmd.Flags().BoolVar(&w.asJSON, "json", false, "print the receipt as JSON, without other words; waits as --wait does")
}

// ending runs what ends something, prints what it says, and waits for the
// receipt if that was asked for.
func (w waiting) ending(ctx context.Context, cmd *cobra.Command, r *server.Rooms, end func(context.Context) (string, error)) error {
	timeout := w.timeout
	if w.asJSON && timeout == 0 {
		timeout = tokens.DefaultWait
	}
	if timeout < 0 || timeout > tokens.MostWait {
		return usageError{fmt.Errorf("--wait takes a duration such as 5s, at most %s", tokens.MostWait)}
	}
	var want *tokens.Want
	if timeout > 0 {
		ctx, want = tokens.WithReceipt(ctx)
	}
	said, err := end(ctx)
	if err != nil {
		return err
	}
	if !w.asJSON {
		fmt.Fprint(cmd.OutOrStdout(), said)
	}
	if want == nil {
		return nil
	}
	receipt := r.Tokens.Feed.Wait(ctx, want, timeout)
	if w.asJSON {
		return printJSON(cmd.OutOrStdout(), receipt)
	}
	return printReceipt(cmd.OutOrStdout(), receipt)
}

// printReceipt says it in words: whether it is in force everywhere, and if not,
// whom to look at and until when at the latest.
func printReceipt(out io.Writer, r tokens.Receipt) error {
	seconds := r.Elapsed().Seconds()
	switch {
	case r.Revoked == 0:
		fmt.Fprintln(out, "There was nothing to end: no receipt is needed.")
		return nil
	case r.Complete:
		fmt.Fprintf(out, "In force everywhere after %.1f s: %s.\n", seconds, answered(r))
		return nil
	case r.Nodes+r.Subscribers == 0:
		fmt.Fprintln(out, "It stands, but who is running could not be read in time: ask again later.")
		return nil
	}
	fmt.Fprintf(out, "It stands. After %.1f s: %s; %d not heard from yet:\n", seconds, answered(r), len(r.Pending))
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, p := range r.Pending {
		until := "never by itself"
		if p.Until != nil {
			until = "at the latest " + p.Until.UTC().Format(time.DateTime) + " UTC"
		}
		fmt.Fprintf(w, "  %s\t%s\t%s\trefuses %s\n", p.Kind, p.Name, p.Instance, until)
	}
	return w.Flush()
}

// answered counts who is in order.
func answered(r tokens.Receipt) string {
	parts := []string{fmt.Sprintf("%d of %d have confirmed", r.Acknowledged, r.Nodes+r.Subscribers)}
	if r.Nodes+r.Subscribers == 0 {
		parts[0] = "no server and no service is running"
	}
	if r.Fenced > 0 {
		parts = append(parts, fmt.Sprintf("%d silent for so long that they refuse everything", r.Fenced))
	}
	return strings.Join(parts, ", ")
}
