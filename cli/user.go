package cli

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"gatehouse/accounts"
	"gatehouse/models"
	"gatehouse/server"
	"gatehouse/tokens"
)

// operator is who acts in the audit log when a command did it.
var operator = tokens.Client{UserAgent: "command line"}

func userCmd() *cobra.Command {
	return group("user", "People who can sign in",
		userAddCmd(), userListCmd(), userShowCmd(),
		userSwitchCmd("disable", "End every session and token of a person and let nobody in", true),
		userSwitchCmd("enable", "Let a disabled person in again", false),
		userRoleCmd(), userResetLinkCmd(), userResetFactorsCmd(), userImportCmd(), userExportCmd(),
		userInviteCmd(), userInvitationsCmd(), userUninviteCmd(),
		userDataCmd(), userCloseCmd(), userKeepCmd(), userEraseCmd())
}

func userAddCmd() *cobra.Command {
	var in accounts.NewUser
	var stdin, asJSON bool
	var roles []string
	cmd := &cobra.Command{
		Use:   "add EMAIL",
		Short: "Add a person whose address is taken as verified",
		Args:  exactArgs(1, "an address"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withRooms(cmd, func(ctx context.Context, r *server.Rooms) error {
				password, err := readPassword(cmd, stdin, r.Passwords.MinLength())
				if err != nil {
					return err
				}
				in.Email, in.Password, in.Roles, in.Verified = args[0], password, roles, true
				u, err := r.Accounts.CreateUser(ctx, in, operator)
				if err != nil {
					return explain(err)
				}
				return printUser(cmd.OutOrStdout(), *u, asJSON)
			})
		},
	}
	cmd.Flags().StringVar(&in.Username, "username", "", "a name to sign in with beside the address")
	cmd.Flags().StringVar(&in.Name, "name", "", "what to call the person")
	cmd.Flags().StringSliceVar(&roles, "role", nil, "a role; may be given again")
	addPasswordFlag(cmd, &stdin)
	addJSONFlag(cmd, &asJSON)
	return cmd
}

func userListCmd() *cobra.Command {
	var asJSON bool
	var search string
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List people, oldest first",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withRooms(cmd, func(ctx context.Context, r *server.Rooms) error {
				return listUsers(ctx, r, cmd.OutOrStdout(), search, asJSON)
			})
		},
	}
	cmd.Flags().StringVar(&search, "search", "", "only addresses, usernames and names that contain this")
	addJSONFlag(cmd, &asJSON)
	return cmd
}

// listUsers reads page by page, so that a million people need no more memory
// than a hundred.
func listUsers(ctx context.Context, r *server.Rooms, out io.Writer, search string, asJSON bool) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	if !asJSON {
		fmt.Fprintln(w, "ID\tADDRESS\tUSERNAME\tROLES\tSTATE")
	}
	page := accounts.Page{Limit: 500, Search: search}
	for {
		list, err := r.Accounts.List(ctx, page)
		if err != nil {
			return explain(err)
		}
		for _, u := range list {
			if asJSON {
				if err := printJSON(out, userView(u)); err != nil {
					return err
				}
				continue
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", u.ID, u.Email, username(u), u.Roles, state(u))
		}
		if err := w.Flush(); err != nil || len(list) < page.Limit {
			return err
		}
		page.After = list[len(list)-1].ID
	}
}

func userShowCmd() *cobra.Command {
	var asJSON bool
	cmd := personCmd("show WHO", "Show a person (address, username or id)", func(p person) error {
		return printUser(p.out, *p.User, asJSON)
	})
	addJSONFlag(cmd, &asJSON)
	return cmd
}

func userSwitchCmd(use, short string, disable bool) *cobra.Command {
	var w waiting
	cmd := personCmd(use+" WHO", short, func(p person) error {
		return w.ending(p.ctx, p.cmd, p.rooms, func(ctx context.Context) (string, error) {
			err := p.rooms.Accounts.SetDisabled(ctx, p.ID, disable, operator)
			return fmt.Sprintf("%s is %sd.\n", p.Email, use), explain(err)
		})
	})
	if disable {
		addWaitFlags(cmd, &w)
	}
	return cmd
}

func userRoleCmd() *cobra.Command {
	var add, remove []string
	var w waiting
	cmd := personCmd("role WHO", "Give roles to a person or take them away", func(p person) error {
		roles := changeRoles(p.Roles.List(), add, remove)
		return w.ending(p.ctx, p.cmd, p.rooms, func(ctx context.Context) (string, error) {
			err := p.rooms.Accounts.SetRoles(ctx, p.ID, roles, operator)
			return fmt.Sprintf("%s has the roles: %s\n", p.Email, strings.Join(roles, ", ")), explain(err)
		})
	})
	cmd.PreRunE = func(*cobra.Command, []string) error {
		if len(add)+len(remove) == 0 {
			return usageError{fmt.Errorf("want --add ROLE or --remove ROLE")}
		}
		return nil
	}
	cmd.Flags().StringSliceVar(&add, "add", nil, "a role to give; may be given again")
	cmd.Flags().StringSliceVar(&remove, "remove", nil, "a role to take away; may be given again")
	addWaitFlags(cmd, &w)
	return cmd
}

// changeRoles keeps the order of what stays and adds what is new at the end.
func changeRoles(have, add, remove []string) []string {
	gone := map[string]bool{}
	for _, r := range remove {
		gone[r] = true
	}
	out := []string{}
	seen := map[string]bool{}
	for _, r := range append(have, add...) {
		if !gone[r] && !seen[r] {
			seen[r] = true
			out = append(out, r)
		}
	}
	return out
}

func userResetLinkCmd() *cobra.Command {
	return personCmd("reset-link WHO", "Print a one-time link with which a person sets a new password", func(p person) error {
		link, err := p.rooms.Accounts.ResetLink(p.ctx, p.ID, operator)
		if err != nil {
			return explain(err)
		}
		fmt.Fprintln(p.out, link.Reveal())
		return nil
	})
}

func userResetFactorsCmd() *cobra.Command {
	cmd := personCmd("reset-factors WHO", "Mail a person who lost every second factor a one-time link that takes them away", func(p person) error {
		if err := p.rooms.SignIn.MailReset(p.ctx, p.User, p.rooms.Config.AppURL, operator); err != nil {
			return explain(err)
		}
		fmt.Fprintln(p.out, "A mail is on its way to", p.Email)
		return nil
	})
	cmd.Long = "The link goes to the stored address, works once within an hour, and opens nothing without the password.\n" +
		"Make sure that it is the person who asks."
	return cmd
}

// person is somebody whom a command is about, and what it works with.
type person struct {
	*models.User
	ctx   context.Context
	cmd   *cobra.Command
	rooms *server.Rooms
	out   io.Writer
}

// personCmd is a command about one person, who is named by its only argument.
func personCmd(use, short string, run func(person) error) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Args: exactArgs(1, "an address, a username or an id"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withRooms(cmd, func(ctx context.Context, r *server.Rooms) error {
				u, err := findUser(ctx, r.Accounts, args[0])
				if err != nil {
					return explain(err)
				}
				if u == nil {
					return fmt.Errorf("nobody has the address, username or id %q", args[0])
				}
				return run(person{u, ctx, cmd, r, cmd.OutOrStdout()})
			})
		},
	}
}

func findUser(ctx context.Context, a *accounts.Service, who string) (*models.User, error) {
	if id, err := models.ParseID(who); err == nil {
		return a.Get(ctx, id)
	}
	return a.ByLogin(ctx, who)
}

// shownUser is a person as --json prints it. No hash is ever part of it.
type shownUser struct {
	ID            string     `json:"id"`
	Email         string     `json:"email"`
	EmailVerified bool       `json:"email_verified"`
	Username      string     `json:"username,omitempty"`
	Name          string     `json:"name,omitempty"`
	Roles         []string   `json:"roles"`
	Disabled      bool       `json:"disabled"`
	EraseAt       *time.Time `json:"erase_at,omitempty"`
	CreatedAt     time.Time  `json:"created_at"`
	LastSignInAt  *time.Time `json:"last_sign_in_at,omitempty"`
}

func userView(u models.User) shownUser {
	v := shownUser{
		ID: u.ID.String(), Email: u.Email, EmailVerified: !u.EmailVerifiedAt.IsZero(), Username: username(u),
		Name: u.Name, Roles: u.Roles.List(), Disabled: !u.DisabledAt.IsZero(), CreatedAt: u.CreatedAt.Time,
	}
	if !u.LastSignInAt.IsZero() {
		v.LastSignInAt = &u.LastSignInAt.Time
	}
	if !u.EraseAt.IsZero() {
		v.EraseAt = &u.EraseAt.Time
	}
	return v
}

func printUser(out io.Writer, u models.User, asJSON bool) error {
	if asJSON {
		return printJSON(out, userView(u))
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	last := "never"
	if !u.LastSignInAt.IsZero() {
		last = u.LastSignInAt.Format(time.DateTime)
	}
	fmt.Fprintf(w, "id\t%s\naddress\t%s\nusername\t%s\nname\t%s\nroles\t%s\nstate\t%s\ncreated\t%s UTC\nlast sign-in\t%s\n",
		u.ID, u.Email, username(u), u.Name, strings.Join(u.Roles.List(), ", "), state(u), u.CreatedAt.Format(time.DateTime), last)
	return w.Flush()
}

func username(u models.User) string {
	if u.Username == nil {
		return ""
	}
	return *u.Username
}

func state(u models.User) string {
	switch {
	case !u.EraseAt.IsZero():
		return "closing"
	case !u.DisabledAt.IsZero():
		return "disabled"
	case u.EmailVerifiedAt.IsZero():
		return "unverified"
	}
	return "active"
}
