package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"gatehouse/accounts"
	"gatehouse/accounts/moving"
	"gatehouse/server"
)

// importFlags are the flags of "user import".
type importFlags struct {
	moving.Options
	dryRun, verified, json bool
}

func userImportCmd() *cobra.Command {
	var f importFlags
	cmd := &cobra.Command{
		Use:   "import FILE",
		Short: "Take people in from a file (- is standard input)",
		Long: "Take people in from CSV with a header, from JSON lines, or from the export of another system.\n" +
			"Accounts that are there already are left as they are, so that the command can be stopped and run again.",
		Args: exactArgs(1, "a file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.From != "" && !slices.Contains(moving.Systems(), f.From) {
				return usageError{fmt.Errorf("--from %q is unknown: want %s", f.From, strings.Join(moving.Systems(), ", "))}
			}
			return withRooms(cmd, func(ctx context.Context, r *server.Rooms) error {
				if err := r.DB.Bulk(ctx); err != nil {
					return explain(err)
				}
				// What a row needs is garbage after its batch. Collected twice as
				// often, it leaves the memory to the pages of the database.
				debug.SetGCPercent(50)
				return importUsers(ctx, cmd, r.Accounts, args[0], f)
			})
		},
	}
	cmd.Flags().StringVar(&f.From, "from", "", "the system that made the file: "+strings.Join(moving.Systems(), ", "))
	cmd.Flags().BoolVar(&f.dryRun, "dry-run", false, "write nothing, say what would happen and what would be lost")
	cmd.Flags().BoolVar(&f.verified, "email-verified", false, "take every address of the file as verified")
	cmd.Flags().StringVar(&f.Firebase.SignerKey, "firebase-signer-key", "", "base64_signer_key of the Firebase project")
	cmd.Flags().StringVar(&f.Firebase.SaltSeparator, "firebase-salt-separator", "Bw==", "base64_salt_separator of the Firebase project")
	cmd.Flags().IntVar(&f.Firebase.Rounds, "firebase-rounds", 8, "rounds of the Firebase project")
	cmd.Flags().IntVar(&f.Firebase.MemCost, "firebase-mem-cost", 14, "mem_cost of the Firebase project")
	addJSONFlag(cmd, &f.json)
	return cmd
}

func importUsers(ctx context.Context, cmd *cobra.Command, a *accounts.Service, path string, f importFlags) error {
	file, bar, err := openImport(cmd, path)
	if err != nil {
		return err
	}
	defer file.Close()
	source, err := moving.Open(bar.over(file), f.Options)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	done, err := a.Import(ctx, accounts.Import{
		Source: source, DryRun: f.dryRun, Verified: f.verified, By: operator,
		Refused: func(wrong *moving.RowError) { bar.clear(); printRefused(cmd, wrong, f.json) },
	})
	bar.finish()
	if printErr := printImported(cmd.OutOrStdout(), done, f); printErr != nil {
		return printErr
	}
	switch {
	case err != nil && ctx.Err() != nil:
		return errors.New("stopped: what was stored stays; run the same command again to go on")
	case err != nil:
		return fmt.Errorf("%s: %w", path, explain(err))
	case done.Refused > 0:
		return fmt.Errorf("%d of %d rows were refused", done.Refused, done.Rows)
	}
	return nil
}

func openImport(cmd *cobra.Command, path string) (io.ReadCloser, *progress, error) {
	if path == "-" {
		return io.NopCloser(cmd.InOrStdin()), newProgress(cmd.ErrOrStderr(), -1), nil
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	info, err := file.Stat()
	if err == nil && info.IsDir() {
		err = fmt.Errorf("%s is a folder", path)
	}
	if err != nil {
		_ = file.Close()
		return nil, nil, err
	}
	return file, newProgress(cmd.ErrOrStderr(), info.Size()), nil
}

// printRefused says which row, and why: on the error output for people, as an
// object a line for machines.
func printRefused(cmd *cobra.Command, wrong *moving.RowError, asJSON bool) {
	if asJSON {
		_ = printJSON(cmd.OutOrStdout(), map[string]any{
			"refused": map[string]any{"row": wrong.Row, "which": wrong.Which, "field": wrong.Field, "why": wrong.Why},
		})
		return
	}
	fmt.Fprintln(cmd.ErrOrStderr(), wrong)
}

// lostWords explain what cannot be carried.
var lostWords = map[string]string{
	moving.LostPasswordKind:  "password hashes of a kind that cannot be checked: a reset sets a new password",
	moving.LostPassword:      "accounts without a password in the file: a reset sets one",
	moving.LostPhone:         "telephone numbers",
	moving.LostSocial:        "links to other sign-in services",
	moving.LostAttributes:    "attributes and other columns",
	moving.LostGroups:        "groups",
	moving.LostRoles:         "roles and permissions: give them with user role",
	moving.LostUsername:      "usernames that look like an address",
	moving.LostSecondFactor:  "second factors of a kind that is not known here",
	moving.LostPasskeyDomain: "passkeys of another domain",
	moving.LostPasskey:       "passkeys that cannot be read",
	moving.LostRecoveryCodes: "recovery codes",
	moving.LostActions:       "required actions",
	moving.LostPicture:       "pictures",
	moving.LostNoEmail:       "further addresses",
}

func printImported(out io.Writer, done accounts.Imported, f importFlags) error {
	if f.json {
		return printJSON(out, done)
	}
	verb := "taken in"
	if f.dryRun {
		verb = "would be taken in"
	}
	fmt.Fprintf(out, "%d rows: %d %s, %d already there, %d refused.\n", done.Rows, done.Created, verb, done.Present, done.Refused)
	if done.Factors > 0 {
		fmt.Fprintf(out, "%d have a second factor.\n", done.Factors)
	}
	if done.Weak > 0 {
		fmt.Fprintf(out, "%d have to change their password at the next sign-in, because its hash is weak.\n", done.Weak)
	}
	if done.NoPassword > 0 {
		fmt.Fprintf(out, "%d have no password: a reset sets the first.\n", done.NoPassword)
	}
	if len(done.Lost) > 0 {
		fmt.Fprintln(out, "Not carried:")
	}
	for _, what := range slices.Sorted(maps.Keys(done.Lost)) {
		fmt.Fprintf(out, "  %d\t%s\n", done.Lost[what], lostWords[what])
	}
	return nil
}

// progress is a bar on a terminal, and nothing elsewhere.
type progress struct{ bar *progressbar.ProgressBar }

func newProgress(errOut io.Writer, size int64) *progress {
	f, ok := errOut.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return &progress{}
	}
	return &progress{progressbar.NewOptions64(size, progressbar.OptionSetWriter(f), progressbar.OptionShowBytes(true),
		progressbar.OptionSetWidth(30), progressbar.OptionClearOnFinish())}
}

// over counts what is read.
func (p *progress) over(r io.Reader) io.Reader {
	if p.bar == nil {
		return r
	}
	return io.TeeReader(r, p.bar)
}

func (p *progress) add(n int) {
	if p.bar != nil {
		_ = p.bar.Add(n)
	}
}

func (p *progress) clear() {
	if p.bar != nil {
		_ = p.bar.Clear()
	}
}

func (p *progress) finish() {
	if p.bar != nil {
		_ = p.bar.Finish()
	}
}
