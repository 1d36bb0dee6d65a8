package cli

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"gatehouse/config"
	"gatehouse/internal/secrets"
)

func secretCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "secret",
		Short: "Print a good SECRET_KEY",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			fmt.Fprintln(cmd.OutOrStdout(), hex.EncodeToString(secrets.Random(32)))
			return nil
		},
	}
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
