package cli

import (
	"errors"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"gatehouse/config"
	"gatehouse/mail"
	"gatehouse/server"
)

func doctorCmd() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check settings, data folder, database, SMTP server and the sender's DNS; changes and sends nothing",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := config.Load()
			if err != nil {
				list := []mail.Finding{{Check: "config", Level: mail.Fail, Text: oneLine(err), Todo: "see .env.example"}}
				return printFindings(cmd, list, asJSON)
			}
			return printFindings(cmd, server.Doctor(cmd.Context(), c), asJSON)
		},
	}
	addJSONFlag(cmd, &asJSON)
	return cmd
}

// printFindings prints one line for each and fails when one of them does.
func printFindings(cmd *cobra.Command, list []mail.Finding, asJSON bool) error {
	failed := 0
	w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	for _, f := range list {
		if f.Level == mail.Fail {
			failed++
		}
		if asJSON {
			if err := printJSON(cmd.OutOrStdout(), f); err != nil {
				return err
			}
			continue
		}
		text := f.Text
		if f.Todo != "" {
			text += ". To do: " + f.Todo
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", f.Level, f.Check, text)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	switch failed {
	case 0:
		return nil
	case 1:
		return errors.New("one check failed")
	}
	return fmt.Errorf("%d checks failed", failed)
}
