package cli

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"gatehouse/config"
	"gatehouse/server"
)

func backupCmd() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "backup FILE",
		Short: "Copy the database into a new file, beside a running server",
		Args:  exactArgs(1, "the name of a new file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := config.Load()
			if err != nil {
				return err
			}
			done, err := server.Backup(cmd.Context(), c, args[0], cmd.ErrOrStderr())
			if err != nil {
				return explain(err)
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), done)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s holds the database, %d bytes, checked.\n", done.File, done.Bytes)
			if done.SecretKey != "" {
				fmt.Fprintf(cmd.ErrOrStderr(), "Keep %s with it, in another place: the backup cannot be used without.\n", done.SecretKey)
			}
			return nil
		},
	}
	addJSONFlag(cmd, &asJSON)
	return cmd
}

// restoreOptions are what was typed.
type restoreOptions struct {
	server.Restore
	yes, asJSON bool
}

func restoreCmd() *cobra.Command {
	var o restoreOptions
	cmd := &cobra.Command{
		Use:   "restore [FILE]",
		Short: "Put a backup back, and end all that would come back to life with it",
		Long: `Restore puts a backup in the place of the database (SQLite; the server must be stopped) and ends every session,
token, link and signing key in it, because some of them have been ended since the backup. Everybody signs in again.
Without FILE it does that to the database as it is: with MySQL after a dump was loaded, or after a copy by hand.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usageError{fmt.Errorf("%s takes one file: see %q", cmd.CommandPath(), cmd.CommandPath()+" --help")}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				if o.File = args[0]; o.File == "" {
					return usageError{errors.New("the name of the file is empty")}
				}
			}
			return restore(cmd, o)
		},
	}
	addJSONFlag(cmd, &o.asJSON)
	cmd.Flags().BoolVar(&o.yes, "yes", false, "do not ask")
	cmd.Flags().BoolVar(&o.KeepSessions, "keep-sessions", false, "keep sessions, refresh and personal tokens: those that were ended since the backup come back to life")
	return cmd
}

const keepWarning = "warning: sessions, refresh and personal tokens are kept as they were in the backup. Whoever was signed out, disabled or robbed since then is signed in again."

func restore(cmd *cobra.Command, o restoreOptions) error {
	c, err := config.Load()
	if err != nil {
		return err
	}
	if o.KeepSessions {
		fmt.Fprintln(cmd.ErrOrStderr(), keepWarning)
	}
	if !o.yes {
		if err := confirm(cmd, question(c, o)); err != nil {
			return err
		}
	}
	done, err := server.RestoreDatabase(cmd.Context(), c, o.Restore, cmd.ErrOrStderr())
	if err != nil {
		return explain(err)
	}
	if o.asJSON {
		return printJSON(cmd.OutOrStdout(), done)
	}
	out := cmd.OutOrStdout()
	if o.File != "" {
		fmt.Fprintf(out, "%s is what %s held.\n", done.Database, o.File)
	}
	if done.Aside != "" {
		fmt.Fprintf(out, "The database of before is %s.\n", done.Aside)
	}
	if done.SessionsKept {
		fmt.Fprintf(out, "Ended: %d links and %d signing keys. Sessions were kept.\n", done.Ended["links"], done.Ended["keys"])
		return nil
	}
	fmt.Fprintf(out, "Ended: %d sessions, %d refresh tokens, %d personal tokens, %d links, %d signing keys. Everybody signs in again.\n",
		done.Ended["sessions"], done.Ended["refresh_families"], done.Ended["personal_tokens"], done.Ended["links"], done.Ended["keys"])
	return nil
}

func question(c config.Config, o restoreOptions) string {
	where := "the MySQL database"
	if c.UsesSQLite() {
		where = c.SQLitePath()
	}
	what := "This ends what " + where + " may have brought back to life."
	if o.File != "" {
		what = fmt.Sprintf("This puts %s in the place of %s.", o.File, where)
	}
	if !o.KeepSessions {
		what += " Everybody has to sign in again."
	}
	return what + " Go on? [y/N] "
}

// confirm asks at the terminal. A script has to say --yes.
func confirm(cmd *cobra.Command, text string) error {
	f, ok := cmd.InOrStdin().(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return usageError{errors.New("no terminal to ask for a confirmation: use --yes")}
	}
	fmt.Fprint(cmd.ErrOrStderr(), text)
	line, err := bufio.NewReader(io.LimitReader(f, 64)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	switch strings.ToLower(strings.TrimSpace(line)) {
	case "y", "yes":
		return nil
	}
	return errors.New("nothing was changed")
}
