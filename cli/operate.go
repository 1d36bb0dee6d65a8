package cli

import (
	"context"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"gatehouse/config"
	"gatehouse/internal/database"
	"gatehouse/server"
)

func migrateCmd() *cobra.Command {
	return group("migrate", "The tables of the database",
		migrateStep("up", "Bring the tables up to this version (serve does it too)", func(ctx context.Context, cmd *cobra.Command, db *database.DB) error {
			if err := db.Migrate(ctx); err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), "The tables are up to date.")
			return nil
		}),
		migrateStep("down", "Take back the newest migration, with its data", func(ctx context.Context, cmd *cobra.Command, db *database.DB) error {
			if err := db.MigrateDown(ctx); err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), "The newest migration was taken back.")
			return nil
		}),
		migrateStep("status", "List the migrations", showMigrations))
}

func migrateStep(use, short string, run func(context.Context, *cobra.Command, *database.DB) error) *cobra.Command {
	return &cobra.Command{Use: use, Short: short, Args: noArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		c, err := config.Load()
		if err != nil {
			return err
		}
		db, err := server.OpenDatabase(cmd.Context(), c, cmd.ErrOrStderr())
		if err != nil {
			return err
		}
		defer db.Close()
		return run(cmd.Context(), cmd, db)
	}}
}

func showMigrations(ctx context.Context, cmd *cobra.Command, db *database.DB) error {
	list, err := db.Migrations(ctx)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	for _, m := range list {
		when := "pending"
		if !m.AppliedAt.IsZero() {
			when = m.AppliedAt.UTC().Format(time.DateTime) + " UTC"
		}
		fmt.Fprintf(w, "%d\t%s\t%s\n", m.Version, m.Name, when)
	}
	return w.Flush()
}
