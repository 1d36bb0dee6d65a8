package cli

import (
	"context"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"gatehouse/accounts"
	"gatehouse/models"
	"gatehouse/server"
)

func userCloseCmd() *cobra.Command {
	var w waiting
	cmd := personCmd("close WHO", "Close an account: everything ends now, and in 14 days it is erased unless its owner signs in", func(p person) error {
		return w.ending(p.ctx, p.cmd, p.rooms, func(ctx context.Context) (string, error) {
			at, err := p.rooms.Accounts.CloseUser(ctx, p.ID, operator)
			return fmt.Sprintf("%s is closed and will be erased on %s UTC.\n", p.Email, at.UTC().Format(time.DateTime)), explain(err)
		})
	})
	addWaitFlags(cmd, &w)
	return cmd
}

func userKeepCmd() *cobra.Command {
	return personCmd("keep WHO", "Take back that an account is being closed", func(p person) error {
		if err := p.rooms.Accounts.KeepUser(p.ctx, p.ID, operator); err != nil {
			return explain(err)
		}
		fmt.Fprintf(p.out, "%s stays.\n", p.Email)
		return nil
	})
}

func userEraseCmd() *cobra.Command {
	var yes bool
	var w waiting
	cmd := personCmd("erase WHO --yes", "Erase a person now and for good", func(p person) error {
		return w.ending(p.ctx, p.cmd, p.rooms, func(ctx context.Context) (string, error) {
			err := p.rooms.Accounts.EraseUser(ctx, p.ID, operator)
			return fmt.Sprintf("%s is erased.\n", p.ID), explain(err)
		})
	})
	cmd.Long = "Erase a person now and for good: names, addresses, password, factors, sessions, tokens and mails.\n" +
		"The audit log keeps an id that says nothing. There is no way back."
	cmd.PreRunE = func(*cobra.Command, []string) error {
		if !yes {
			return usageError{fmt.Errorf("this cannot be undone: add --yes, or use \"user close\", which can be for 14 days")}
		}
		return nil
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "I know that there is no way back")
	addWaitFlags(cmd, &w)
	return cmd
}

func userDataCmd() *cobra.Command {
	return personCmd("data WHO", "Print everything that is known of a person, signed (JSON)", func(p person) error {
		return explain(p.rooms.Accounts.DataOf(p.ctx, p.ID, p.out, operator))
	})
}

func userInviteCmd() *cobra.Command {
	var in accounts.Invite
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "invite EMAIL",
		Short: "Mail an invitation that works once, for 7 days",
		Long: "Mail an invitation that works once, for 7 days. An open one for the same address ends.\n" +
			"Without SMTP_URL the link is printed, to be handed over.",
		Args: exactArgs(1, "an address"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withRooms(cmd, func(ctx context.Context, r *server.Rooms) error {
				in.Email = args[0]
				inv, link, err := r.Accounts.InviteByOperator(ctx, in, operator)
				if err != nil {
					return explain(err)
				}
				if asJSON {
					return printJSON(cmd.OutOrStdout(), invitationView(inv, r.Clock()))
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%s is invited until %s UTC.\n", inv.Email, inv.ExpiresAt.Format(time.DateTime))
				if !r.Mail.Configured() {
					fmt.Fprintf(cmd.OutOrStdout(), "Mail is not set up: hand over this link.\n  %s\n", link.Reveal())
				}
				return nil
			})
		},
	}
	cmd.Flags().StringSliceVar(&in.Roles, "role", nil, "a role that the account will have; may be given again")
	cmd.Flags().StringVar(&in.Locale, "locale", "", "the language of the mail, such as de")
	addJSONFlag(cmd, &asJSON)
	return cmd
}

type shownInvitation struct {
	ID        string    `json:"id"`
	Email     string    `json:"email"`
	Roles     []string  `json:"roles"`
	State     string    `json:"state"`
	CreatedAt time.Time `json:"created_at"`
	ExpiresAt time.Time `json:"expires_at"`
}

func invitationView(inv *models.Invitation, now time.Time) shownInvitation {
	return shownInvitation{
		ID: inv.ID.String(), Email: inv.Email, Roles: inv.Roles.List(), State: accounts.InvitationState(inv, now),
		CreatedAt: inv.CreatedAt.Time, ExpiresAt: inv.ExpiresAt.Time,
	}
}

func userInvitationsCmd() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "invitations",
		Short: "List invitations, the newest first",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withRooms(cmd, func(ctx context.Context, r *server.Rooms) error {
				list, err := r.Accounts.Invitations(ctx)
				if err != nil {
					return explain(err)
				}
				w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
				if !asJSON {
					fmt.Fprintln(w, "ID\tADDRESS\tROLES\tSTATE\tUNTIL (UTC)")
				}
				for i := range list {
					v := invitationView(&list[i], r.Clock())
					if asJSON {
						if err := printJSON(cmd.OutOrStdout(), v); err != nil {
							return err
						}
						continue
					}
					fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", v.ID, v.Email, list[i].Roles, v.State, v.ExpiresAt.Format(time.DateTime))
				}
				return w.Flush()
			})
		},
	}
	addJSONFlag(cmd, &asJSON)
	return cmd
}

func userUninviteCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "uninvite ID",
		Short: "Withdraw an invitation",
		Args:  exactArgs(1, "the id of an invitation (user invitations lists them)"),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := models.ParseID(args[0])
			if err != nil {
				return usageError{fmt.Errorf("%q is not an id: user invitations lists them", args[0])}
			}
			return withRooms(cmd, func(ctx context.Context, r *server.Rooms) error {
				if err := r.Accounts.WithdrawInvitation(ctx, models.ID{}, id, operator); err != nil {
					return explain(err)
				}
				fmt.Fprintln(cmd.OutOrStdout(), "The invitation is withdrawn.")
				return nil
			})
		},
	}
}
