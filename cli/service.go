package cli

import (
	"context"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"gatehouse/models"
	"gatehouse/server"
)

func serviceCmd() *cobra.Command {
	return group("service", "Programs that check tokens and follow what is ended",
		serviceAddCmd(), serviceListCmd(), serviceRemoveCmd())
}

func serviceAddCmd() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "add NAME",
		Short: "Make a credential and print it, once",
		Args:  exactArgs(1, "a name"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withRooms(cmd, func(ctx context.Context, r *server.Rooms) error {
				raw, err := r.Tokens.Services.Add(ctx, args[0], operator)
				if err != nil {
					return explain(err)
				}
				if asJSON {
					return printJSON(cmd.OutOrStdout(), map[string]string{"name": args[0], "secret": raw.Reveal()})
				}
				fmt.Fprintf(cmd.ErrOrStderr(), "The credential of %s is shown this once. Give it to the service as a secret.\n", args[0])
				fmt.Fprintln(cmd.OutOrStdout(), raw.Reveal())
				return nil
			})
		},
	}
	addJSONFlag(cmd, &asJSON)
	return cmd
}

func serviceListCmd() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List services and how many instances follow",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withRooms(cmd, func(ctx context.Context, r *server.Rooms) error {
				return listServices(ctx, cmd, r, asJSON)
			})
		},
	}
	addJSONFlag(cmd, &asJSON)
	return cmd
}

// shownService is a service as --json prints it.
type shownService struct {
	Name       string     `json:"name"`
	Instances  int        `json:"instances"`
	CreatedAt  time.Time  `json:"created_at"`
	LastSeenAt *time.Time `json:"last_seen_at,omitempty"`
}

func listServices(ctx context.Context, cmd *cobra.Command, r *server.Rooms, asJSON bool) error {
	list, err := r.Tokens.Services.List(ctx)
	if err != nil {
		return explain(err)
	}
	running, err := r.Tokens.Feed.Followers(ctx)
	if err != nil {
		return explain(err)
	}
	instances := map[models.ID]int{}
	for _, f := range running {
		instances[f.ServiceID]++
	}
	w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	if !asJSON {
		fmt.Fprintln(w, "NAME\tINSTANCES\tCREATED\tLAST SEEN")
	}
	for _, s := range list {
		v := shownService{Name: s.Name, Instances: instances[s.ID], CreatedAt: s.CreatedAt.Time}
		last := "never"
		if !s.LastSeenAt.IsZero() {
			v.LastSeenAt, last = &s.LastSeenAt.Time, s.LastSeenAt.Format(time.DateTime)+" UTC"
		}
		if asJSON {
			if err := printJSON(cmd.OutOrStdout(), v); err != nil {
				return err
			}
			continue
		}
		fmt.Fprintf(w, "%s\t%d\t%s UTC\t%s\n", v.Name, v.Instances, v.CreatedAt.Format(time.DateTime), last)
	}
	return w.Flush()
}

func serviceRemoveCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "remove NAME",
		Short: "End the credential of a service",
		Args:  exactArgs(1, "a name"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withRooms(cmd, func(ctx context.Context, r *server.Rooms) error {
				removed, err := r.Tokens.Services.Remove(ctx, args[0], operator)
				if err != nil {
					return explain(err)
				}
				if !removed {
					return fmt.Errorf("no service has the name %q", args[0])
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%s is removed.\n", args[0])
				return nil
			})
		},
	}
}
