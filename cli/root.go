package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"gatehouse/config"
	"gatehouse/server"
)

// Exit codes.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

// Main runs one command and returns the exit code of the process.
func Main(args []string, in io.Reader, out, errOut io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	root := newRoot()
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errOut)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitDone
	}
	fmt.Fprintln(errOut, "gatehouse:", oneLine(err))
	if errors.As(err, new(usageError)) {
		return exitUsage
	}
	return exitFailed
}

// usageError marks what the caller typed wrong.
type usageError struct{ error }

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:           "gatehouse",
		Short:         "Sign-in pages and tokens for your own apps",
		Long:          "Gatehouse is a sign-in page and token service. Without a command it serves.",
		Args:          noArgs,
		RunE:          runServe,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.AddCommand(serveCmd(), secretCmd(), configCmd(), versionCmd(), migrateCmd(), userCmd(), serviceCmd(), keysCmd(), mailCmd(), doctorCmd(), benchCmd(), auditCmd(), backupCmd(), restoreCmd(), healthcheckCmd())
	return root
}

// noArgs refuses arguments that nobody reads; for a group of commands it is a
// command that does not exist.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usageError{fmt.Errorf("unknown command %q: see %q", args[0], cmd.CommandPath()+" --help")}
	}
	return nil
}

func exactArgs(n int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != n {
			return usageError{fmt.Errorf("%s needs %s: see %q", cmd.CommandPath(), what, cmd.CommandPath()+" --help")}
		}
		return nil
	}
}

// group is a command that only holds others.
func group(use, short string, subs ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short, Args: noArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		return usageError{fmt.Errorf("%s needs a command: see %q", cmd.CommandPath(), cmd.CommandPath()+" --help")}
	}}
	c.AddCommand(subs...)
	return c
}

func serveCmd() *cobra.Command {
	return &cobra.Command{Use: "serve", Short: "Serve pages and API (the same as no command)", Args: noArgs, RunE: runServe}
}

func runServe(cmd *cobra.Command, _ []string) error {
	c, err := config.Load()
	if err != nil {
		return err
	}
	return server.Serve(cmd.Context(), c, cmd.OutOrStdout(), cmd.ErrOrStderr())
}

// withRooms runs one command over the rooms of the configured database.
func withRooms(cmd *cobra.Command, run func(ctx context.Context, r *server.Rooms) error) error {
	c, err := config.Load()
	if err != nil {
		return err
	}
	rooms, err := server.OpenRooms(cmd.Context(), c, cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	defer rooms.Close()
	return run(cmd.Context(), rooms)
}
