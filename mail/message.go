package mail

import (
	"time"

	"gatehouse/models"
)

// The purposes of mails. They are words of the contract: the development inbox
// shows them, and operators count by them.
const (
	VerifyEmail       = "verify_email"
	AlreadyRegistered = "already_registered"
	ResetPassword     = "reset_password"
	ChangeEmail       = "change_email" // to the new address
	EmailCode         = "email_code"   // signs in
	Invitation        = "invitation"
	NewDevice         = "new_device"
	Notice            = "notice"
)

// The kinds of notice, in Message.Data["kind"]. Another kind becomes a notice
// that says no more than that something changed: a mail must never be the
// reason why a reaction to a theft is rolled back.
const (
	KindPasswordChanged = "password_changed"
	KindPasswordReset   = "password_reset"
	KindRefreshReused   = "refresh_reused"
	// KindEmailChanged goes to the old address; its Link takes the change back.
	KindEmailChanged    = "email_changed"
	KindEmailRestored   = "email_restored"
	KindUsernameChanged = "username_changed"
	KindFactorAdded     = "factor_added"
	KindFactorRemoved   = "factor_removed"
	// KindRecoveryUsed and KindRecoveryMade are about recovery codes.
	KindRecoveryUsed = "recovery_used"
	KindRecoveryMade = "recovery_made"
	// KindDeviceTrusted tells of a browser that is not asked for a second factor
	// any more.
	KindDeviceTrusted = "device_trusted"
	// KindPersonalMade tells of a new personal access token.
	KindPersonalMade = "personal_made"
	// KindAccountClosing says that the account is erased in Data["erase_in"];
	// its Link leads to where signing in keeps it.
	KindAccountClosing = "account_closing"
	// KindFactorReset has a link of an operator that takes lost factors away.
	KindFactorReset   = "factor_reset"
	KindAccountKept   = "account_kept"
	KindAccountErased = "account_erased"
)

// Message is a mail to write. Nothing in it may have been typed by somebody
// else than the recipient: a mail that carries a stranger's words is spam sent
// by us.
type Message struct {
	// To is a plain address (RFC 5321, section 4.1.2), one recipient.
	To string
	// Locale is "en", "de" or anything close to them; English otherwise.
	Locale string
	// Purpose is one of the constants above.
	Purpose string
	// Code is the bare code, without spaces; Link is an absolute address.
	Code, Link string
	// Data holds "kind" for notices, and "code_ttl", "link_ttl" and "erase_in"
	// (as of time.Duration.String) for the sentences that say how long. Every
	// letter that tells of something done may have "device" (in words, as
	// templates.Device says it) and "ip", the network address it was done from;
	// factor notices may have "factor": totp, passkey or recovery.
	Data map[string]string
	// Allowance holds the mail back when its cap is reached; nil is no cap.
	Allowance *Allowance
	// ByOwner says that the owner of the address asked for it, in a browser that
	// the account knows; such mails are counted apart from those of strangers.
	ByOwner bool
}

// InboxMessage is a mail as the development inbox shows it.
type InboxMessage struct {
	To        string    `json:"to"`
	Subject   string    `json:"subject"`
	Purpose   string    `json:"purpose"`
	Text      string    `json:"text"`
	HTML      string    `json:"html"`
	Code      string    `json:"code"`
	Links     []string  `json:"links"`
	CreatedAt time.Time `json:"created_at"`
}

// content is what the sealed column holds.
type content struct {
	Subject string   `json:"subject"`
	Text    string   `json:"text"`
	HTML    string   `json:"html"`
	Code    string   `json:"code,omitempty"`
	Links   []string `json:"links,omitempty"`
}

// The states of a row.
const (
	queued = "queued" // waits for the worker, or is being sent until NextAt
	sent   = "sent"
	failed = "failed"
	inbox  = "inbox" // of the development inbox, never sent
)

// The place of the sealed column, see secrets.Box.
const (
	table  = "mail_outbox"
	column = "body"
)

func inboxMessage(row *models.OutboxMail, c content) InboxMessage {
	links := c.Links
	if links == nil {
		links = []string{}
	}
	return InboxMessage{
		To: row.Recipient, Subject: c.Subject, Purpose: row.Purpose, Text: c.Text, HTML: c.HTML,
		Code: c.Code, Links: links, CreatedAt: row.CreatedAt.Time,
	}
}
