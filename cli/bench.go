package cli

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"gatehouse/config"
	"gatehouse/server"
)

// The lengths of a measurement. Below the least nothing is measured but noise.
const (
	benchLength                     = 1500 * time.Millisecond
	leastBenchLength                = 50 * time.Millisecond
	defaultTarget                   = "250ms"
	leastTarget, mostTarget         = 10 * time.Millisecond, 5 * time.Second
	leastSignInRate, mostSignInRate = 0.1, 10_000
)

func benchCmd() *cobra.Command {
	var asJSON bool
	var target string
	o := server.BenchOptions{For: benchLength}
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure sign-ins, refreshes and token checks on this machine, and propose PASSWORD_HASH",
		Long: "Measures for some seconds, on a database of its own in the folder for temporary files,\n" +
			"what this machine does, and proposes the dearest password hash for a target: the time of one\n" +
			"hash while all slots are busy (250ms), or sign-ins a second (20/s). Nothing is changed.\n" +
			"Run it while nothing else runs.",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := readTarget(target, &o); err != nil {
				return usageError{err}
			}
			if o.For < leastBenchLength || o.For > time.Minute {
				return usageError{fmt.Errorf("--for: want %s to 1m", leastBenchLength)}
			}
			c, err := config.Load()
			if err != nil {
				return err
			}
			o.Step = stepsOn(cmd.ErrOrStderr())
			b, err := server.RunBench(cmd.Context(), c, o)
			o.Step("")
			switch {
			case err != nil:
				return explain(err)
			case asJSON:
				return printJSON(cmd.OutOrStdout(), b)
			}
			return printBench(cmd.OutOrStdout(), b)
		},
	}
	cmd.Flags().StringVar(&target, "target", defaultTarget, "time of one hash, such as 250ms, or sign-ins a second, such as 20/s")
	cmd.Flags().DurationVar(&o.For, "for", o.For, "length of one measurement; there are about eight")
	addJSONFlag(cmd, &asJSON)
	return cmd
}

// readTarget reads "250ms" or "20/s".
func readTarget(s string, o *server.BenchOptions) (err error) {
	if rate, ok := strings.CutSuffix(s, "/s"); ok {
		o.Rate, err = strconv.ParseFloat(rate, 64)
		if err == nil && o.Rate >= leastSignInRate && o.Rate <= mostSignInRate {
			return nil
		}
	} else {
		o.Target, err = time.ParseDuration(s)
		if err == nil && o.Target >= leastTarget && o.Target <= mostTarget {
			return nil
		}
	}
	return fmt.Errorf("--target: %q is no target: want a time of %s to %s such as 250ms, or sign-ins a second such as 20/s", s, leastTarget, mostTarget)
}

// stepsOn says on a terminal what is being measured, in one line that goes
// away; elsewhere it says nothing.
func stepsOn(errOut io.Writer) func(string) {
	f, ok := errOut.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return func(string) {}
	}
	return func(what string) {
		fmt.Fprint(f, "\r\x1b[K")
		if what != "" {
			fmt.Fprintf(f, "measuring %s ...", what)
		}
	}
}

func printBench(out io.Writer, b server.Bench) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "sign-ins\t%.0f/s\t\n", b.SignIns)
	fmt.Fprintf(w, "refreshes\t%.0f/s\t\n", b.Refreshes)
	fmt.Fprintf(w, "checks of a token seen before\t%.0f/s\t\n", b.Checks)
	fmt.Fprintf(w, "checks of a new token\t%.0f/s\t\n", b.New)
	for _, s := range b.Slots {
		fmt.Fprintf(w, "hashes, HASH_CONCURRENCY=%d\t%.1f/s\t%.0f MB\t\n", s.Slots, s.PerSecond, s.MemoryMB)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(out, "\nToday: PASSWORD_HASH=%s, %.0f ms a hash when it is alone, on %d processors.\n", b.Cost, b.HashMS, b.Processors)
	p := b.Proposal
	if p.Floor {
		fmt.Fprintf(out, "For %.0f ms a hash this machine is too slow: even the least cost takes %.0f ms.\n", p.TargetMS, p.HashMS)
	}
	fmt.Fprintf(out, "For %.0f ms a hash: PASSWORD_HASH=%s (%.0f ms with all slots busy, %.1f sign-ins a second at most, %.0f MB)\n",
		p.TargetMS, p.Cost, p.HashMS, p.PerSecond, p.MemoryMB)
	if p.Concurrency == 0 {
		fmt.Fprintf(out, "HASH_CONCURRENCY: leave the default, one a processor; fewer keep more of the machine for everything else in a rush.\n")
	} else {
		fmt.Fprintf(out, "HASH_CONCURRENCY=%d brings as many hashes as more slots do.\n", p.Concurrency)
	}
	return nil
}
