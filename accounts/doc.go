// Package accounts owns the people who can sign in: their names and
// addresses, their passwords at rest, their roles and whether they are
// enabled.
//
// It owns the tables users, pending_signups, reserved_names, email_changes,
// known_devices and invitations and the view admissions. It
// decides what a name or an address is (names.go), signs people up without
// telling a stranger who is already there (register.go, verify.go), makes the
// first owner (setup.go), invites (invite.go, invited.go), changes profiles and
// passwords, tells people what is known of them (data.go), closes and erases
// accounts (close.go, erase.go), and does what an operator may do to one (admin.go).
//
// It hands over:
//
//   - to tokens, through server/wire.go: [Admit], the one decision whether a
//     subject may have a session, code or token now;
//   - to signin: [Service.ByLogin] and [Service.RecordSignIn], the row that a
//     sign-in and an ending both write, so that they cannot both succeed;
//   - to handlers and cli: everything else.
//
// Every ending (disable, role change, password change) raises the user's
// epochs, writes the revocation entry and the audit event in one transaction.
package accounts
