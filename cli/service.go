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
	Name       string          `json:"name"`
	Instances  int             `json:"instances"`
	CreatedAt  time.Time       `json:"created_at"`
	LastSeenAt *time.Time      `json:"last_seen_at,omitempty"`
	Running    []shownInstance `json:"running"`
}

// shownInstance is a running instance: what it does when it knows nothing new
// for longer than its bound, and when it was last noted, once a minute.
type shownInstance struct {
	ID          string    `json:"id"`
	Mode        string    `json:"mode"`
	Bound       string    `json:"bound"`
	Since       time.Time `json:"since"`
	LastHeardAt time.Time `json:"last_heard_at"`
}

func instanceView(f models.Follower) shownInstance {
	return shownInstance{
		ID: f.ID.String(), Mode: f.Mode, Bound: (time.Duration(f.Bound) * time.Microsecond).String(),
		Since: f.RegisteredAt.Time, LastHeardAt: f.SeenAt.Time,
	}
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
	instances := map[models.ID][]shownInstance{}
	for _, f := range running {
		instances[f.ServiceID] = append(instances[f.ServiceID], instanceView(f))
	}
	w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	if !asJSON {
		fmt.Fprintln(w, "NAME\tINSTANCES\tCREATED\tLAST SEEN")
	}
	for _, s := range list {
		v := shownService{Name: s.Name, Instances: len(instances[s.ID]), CreatedAt: s.CreatedAt.Time, Running: instances[s.ID]}
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
		for _, one := range v.Running {
			fmt.Fprintf(w, "  %s\t%ss beyond %s\tsince %s UTC\theard %s UTC\n",
				one.ID, one.Mode, one.Bound, one.Since.Format(time.DateTime), one.LastHeardAt.Format(time.DateTime))
		}
	}
	return w.Flush()
}

func serviceRemoveCmd() *cobra.Command {
	var w waiting
	cmd := &cobra.Command{
		Use:   "remove NAME",
		Short: "End the credential of a service",
		Args:  exactArgs(1, "a name"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withRooms(cmd, func(ctx context.Context, r *server.Rooms) error {
				return w.ending(ctx, cmd, r, func(ctx context.Context) (string, error) {
					removed, err := r.Tokens.Services.Remove(ctx, args[0], operator)
					if err == nil && !removed {
						err = fmt.Errorf("no service has the name %q", args[0])
					}
					return args[0] + " is removed.\n", explain(err)
				})
			})
		},
	}
	addWaitFlags(cmd, &w)
	return cmd
}
