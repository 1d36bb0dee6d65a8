package cli

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"gatehouse/config"
	"gatehouse/internal/secrets"
	"gatehouse/server"
)

func secretCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "secret",
		Short: "Print a good SECRET_KEY",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			fmt.Fprintln(cmd.OutOrStdout(), hex.EncodeToString(secrets.Random(32)))
			return nil
		},
	}
	cmd.AddCommand(secretRotateCmd())
	return cmd
}

func secretRotateCmd() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "rotate",
		Short: "Seal everything under SECRET_KEY that SECRET_KEY_OLD sealed; nobody is signed out",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withRooms(cmd, func(ctx context.Context, r *server.Rooms) error {
				done, err := r.Reseal(ctx)
				if err != nil {
					return explain(err)
				}
				if asJSON {
					return printJSON(cmd.OutOrStdout(), done)
				}
				fmt.Fprintf(cmd.OutOrStdout(), "Sealed anew: %d keys, %d mails, data of %d sessions. Nothing needs SECRET_KEY_OLD any more.\n",
					done.Keys, done.Mails, done.Sessions)
				if done.Lost > 0 {
					fmt.Fprintf(cmd.ErrOrStderr(), "warning: %d values open with neither key and were left as they are\n", done.Lost)
				}
				return nil
			})
		},
	}
	addJSONFlag(cmd, &asJSON)
	return cmd
}

func configCmd() *cobra.Command {
	check := &cobra.Command{
		Use:   "check",
		Short: "Say whether the settings are right, and where they lead",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := config.Load()
			if err != nil {
				return err
			}
			if _, err := server.OpenBreached(c); err != nil {
				return err
			}
			database := "MySQL"
			if c.UsesSQLite() {
				database = c.SQLitePath()
			}
			fmt.Fprintf(cmd.OutOrStdout(), "The settings are right.\n  address   %s, listening on %s\n  database  %s\n", c.AppURL, c.ListenAddr, database)
			return nil
		},
	}
	return group("config", "Settings", check)
}

func versionCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			version, goVersion := "(devel)", ""
			if info, ok := debug.ReadBuildInfo(); ok {
				version, goVersion = info.Main.Version, info.GoVersion
			}
			fmt.Fprintf(cmd.OutOrStdout(), "gatehouse %s %s\n", version, goVersion)
			return nil
		},
	}
}

// oneLine keeps an error on one line, as scripts and people want it.
func oneLine(err error) string {
	return strings.Join(strings.Fields(strings.ReplaceAll(err.Error(), "\n", "; ")), " ")
}

func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}
