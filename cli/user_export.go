package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"gatehouse/accounts/moving"
	"gatehouse/server"
)

func userExportCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "export [FILE]",
		Short: "Write everybody as JSON lines, with password hashes and second factors",
		Long: "Write everybody as JSON lines, ordered by id, with password hashes, seeds of authenticators and passkeys.\n" +
			"The file opens accounts: it is made for its owner alone, and must be kept like the database.\n" +
			"user import reads it back.",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return exactArgs(1, "at most one file")(cmd, args)
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return withRooms(cmd, func(ctx context.Context, r *server.Rooms) error {
				if len(args) == 0 || args[0] == "-" {
					_, err := exportUsers(ctx, r, cmd.OutOrStdout(), &progress{})
					return err
				}
				return exportFile(ctx, cmd, r, args[0])
			})
		},
	}
}

// exportFile writes a new file that only its owner can read. One that is there
// is not overwritten: it may be the only copy, and its mode may be wide.
func exportFile(ctx context.Context, cmd *cobra.Command, r *server.Rooms, path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	bar := newProgress(cmd.ErrOrStderr(), -1)
	n, err := exportUsers(ctx, r, f, bar)
	bar.finish()
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		_ = os.Remove(path) // half a file would look like a whole one
		return explain(err)
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "%d people written. The file holds password hashes and second factors: keep it as safe as the database, and delete it when it has served.\n", n)
	return nil
}

func exportUsers(ctx context.Context, r *server.Rooms, out io.Writer, bar *progress) (int64, error) {
	w := bufio.NewWriterSize(out, 1<<20)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	n, err := r.Accounts.Export(ctx, func(u *moving.User) error {
		bar.add(1)
		return enc.Encode(u)
	})
	if err != nil {
		return n, err
	}
	return n, w.Flush()
}
