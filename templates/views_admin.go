package templates

import (
	"time"
)

// InvitationsView invites people and lists who was invited. POST
// /admin/invitations takes email and roles, or id to withdraw one.
type InvitationsView struct {
	Layout
	Form
	List []InvitationRow
	TTL  time.Duration // how long an invitation waits
}

// InvitationRow is one invitation. State is open, accepted, withdrawn or expired.
type InvitationRow struct {
	ID, Email, State string
	Roles            []string
	Open             bool
	Sent, Ends       time.Time
}

// AuditView is the record of who did what. GET /admin/audit takes user, by, action,
// since and outcome.
type AuditView struct {
	Layout
	Form
	Asked    bool // something was asked for: the form is open
	Failures bool // only those
	Older    bool // not the newest
	List     []AuditRow
	Next     string // the address of what is older; "" for none
}

// AuditRow is one event.
type AuditRow struct {
	ID, Action, Reason string
	Failed             bool
	At                 time.Time
	Subject            AuditPerson
	Actor              AuditPerson // nobody when it is the same person
	Detail             []string    // name=value
	IP, UserAgent      string
	Erased             bool
}

// AuditPerson is somebody in the record; without an ID it is nobody.
type AuditPerson struct{ ID, Name string }

// FactorCountsView is how many accounts have which factors, and the names of
// administrators without one.
type FactorCountsView struct {
	Layout
	Accounts, None, One, Several int64
	Passkey, TOTP, Recovery      int64
	Admins, AdminsNone           int64
	Without                      []string
}
