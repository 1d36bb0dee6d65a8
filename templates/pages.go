package templates

import (
	"time"
)

// The pages, by the name of their file in pages/, each with its view.
const (
	PageLogin    = "login"    // LoginView
	PageRegister = "register" // RegisterView
	PageVerify   = "verify"   // VerifyView
	PageSetup    = "setup"    // SetupView
	PageForgot   = "forgot"   // ForgotView
	PageReset    = "reset"    // ResetView
	PageUndo     = "undo"     // UndoView
	PageReauth   = "reauth"   // ReauthView
	PageContinue = "continue" // ContinueView

	PageLoginPasskey  = "login_passkey"  // StepView
	PageLoginTOTP     = "login_totp"     // StepView
	PageLoginRecovery = "login_recovery" // StepView
	PageLoginEnrol    = "login_enrol"    // EnrolView
	PageLoginReset    = "login_reset"    // LostView

	PagePublic = "public" // PublicView
	PageError  = "error"  // ErrorView

	PageAccount  = "account"  // AccountView
	PageProfile  = "profile"  // ProfileView
	PageSecurity = "security" // SecurityView

	PageTOTP  = "totp"  // SeedView
	PageCodes = "codes" // CodesView

	PageEmail       = "email"        // EmailView
	PageEmailVerify = "email_verify" // EmailVerifyView

	PagePasskeys = "passkeys" // PasskeysView

	PageSessions = "sessions" // SessionsView
	PageTokens   = "tokens"   // TokensView
	PageToken    = "token"    // TokenView
	PagePersonal = "personal" // PersonalView

	PageLoginEmailCode = "login_emailcode" // EmailCodeView

	PageInvitation  = "invitation"  // InvitationView
	PageInvitations = "invitations" // InvitationsView
	PageAudit       = "audit"       // AuditView

	PageFactorCounts = "factor_counts" // FactorCountsView
	PageData         = "data"          // DataView
	PageClose        = "close"         // CloseView

	PageInbox = "inbox" // InboxView
	PageDocs  = "docs"  // DocsView
)

// Layout is what every page has around its content. Embed it first.
type Layout struct {
	// Path and Query are those of the request, without "?": the language
	// switch leads back to them. After a POST they are those of the form.
	Path, Query string
	// Operator is who runs this server, in a few words; "" leaves the line out.
	Operator string
	// Now is the time of the request. Its location is the one in which all
	// times on the page are shown.
	Now time.Time
	// User is who is signed in; nil for everybody else.
	User *Who
	// Flash are the messages that the request before left.
	Flash []Flash
}

// Who is the person whose page it is.
type Who struct {
	Name  string // what to call them: name, else username, else address
	Login string // the address or username that they sign in with
	// Invites shows the way to the invitations, Audits that to the record, Counts
	// that to the counts of factors.
	Invites, Audits, Counts bool
}

// Kind colours a message.
type Kind string

// The kinds. Bad and Warn are announced at once to who cannot see them.
const (
	Good    Kind = "good"
	Neutral Kind = "neutral"
	Warn    Kind = "warn"
	Bad     Kind = "bad"
)

// Flash is a message above the content: at most two sentences, the first of
// which is bold, and a line of small print. Make one of the locales with
// Renderer.Flash.
type Flash struct {
	Kind                Kind
	Title, Text, Detail string
}

// PublicView is the page that is open to all.
type PublicView struct {
	Layout
	// DevInbox shows the way to the development inbox.
	DevInbox bool
}

// ErrorView is the page of a failure. Title and Text come from the locales
// (middleware.Problem has them).
type ErrorView struct {
	Layout
	Status      int
	Reason      string
	Title, Text string
	RequestID   string
	// RetryAfter is how long to wait; 0 when that would not help.
	RetryAfter time.Duration
	// Retry is the address that the button "Try again" opens; "" when the
	// request cannot be repeated, as after a POST.
	Retry string
}
