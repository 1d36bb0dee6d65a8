package templates

import (
	"html/template"
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

// LoginView is the sign-in page. POST /login takes username, password and
// return_to. A refusal is Form.Wrong["password"], which NewForm makes.
type LoginView struct {
	Layout
	Form
	ReturnTo string // a checked local path, or ""
	// SignupClosed hides the way to the register page.
	SignupClosed bool
	// Passkeys is whether there can be any. RPID and Unknown name one that a
	// browser may forget.
	Passkeys      bool
	RPID, Unknown string
	// Domains are those of before a move that people still have passkeys of.
	Domains []string
	// EmailCode shows the way to a mailed code.
	EmailCode bool
	Work      *Work
}

// Work is a proof of work that a form asks for; nil asks for none. A script puts
// the answer into the field work. Ticket is what a browser without script
// sends in its place, once its wait is over.
type Work struct {
	Challenge string
	Bits      int
	Ticket    string
}

// StepView is the second step of a sign-in. POST to its own address takes code.
type StepView struct {
	Layout
	Form
	Login string // who is signing in
	// Trust is for how long the box lets this browser not be asked; 0 is no box.
	Trust time.Duration
	// Ways are the other methods that would do, by name.
	Ways []string
	// Domains are those of passkeys that were made before a move; each has a
	// button of its own.
	Domains []string
}

// LostView takes lost factors away. POST /login/reset takes token, username and
// password.
type LostView struct {
	Layout
	Form
	Token string
}

// SeedView makes a code app known: a button first, then the seed and the field
// for its first code. POST to its own address takes nothing for a seed, or code.
type SeedView struct {
	Layout
	Form
	// Asked is whether the button was pressed. Secret and QR are there on that
	// one page only.
	Asked  bool
	Secret string
	QR     template.HTML
}

// EnrolView makes a second factor within a sign-in: a passkey where Passkey says
// so, whose form the script shows, or a code app, which needs none.
type EnrolView struct {
	SeedView
	Passkey bool
}

// CodesView shows recovery codes, once.
type CodesView struct {
	Layout
	Codes []string
	// Site is our address, for the print.
	Site string
	// File is the download, in the page itself: the codes have no address.
	File template.URL
	Back string
}

// RegisterView is the sign-up page. POST /register takes email, name, username
// and password.
type RegisterView struct {
	Layout
	Form
	MinLength int // of a password
	Work      *Work
}

// VerifyView confirms an address. POST /verify takes code or token, password
// behind a link that was opened elsewhere, and username when another has to be
// chosen. POST /verify/resend takes nothing: the web session knows the attempt.
type VerifyView struct {
	Layout
	Form
	Email string
	// Token is that of the mailed link; "" shows the field for the code.
	Token string
	// AskPassword is for a link that is opened in another browser than the one
	// that signed up.
	AskPassword bool
	// AskUsername is for a username that somebody else has by now.
	AskUsername bool
	// CodeTTL is how long a code works; 0 leaves the line out.
	CodeTTL time.Duration
}

// SetupView makes the first administrator. POST /setup takes token, email,
// username and password.
type SetupView struct {
	Layout
	Form
	Token     string
	MinLength int
}

// ForgotView asks whose password is to be reset. POST /forgot takes username.
type ForgotView struct {
	Layout
	Form
	Work *Work
}

// ResetView chooses a new password, behind a link or with the code of a mail.
// POST /reset takes token or code, and new_password.
type ResetView struct {
	Layout
	Form
	// Token is that of the mailed link; "" shows the field for the code.
	Token string
	// Login is the account, for password managers; before the code was given
	// it is what was typed, of which nobody knows whether it is one.
	Login            string
	MinLength        int
	CodeTTL, LinkTTL time.Duration
}

// UndoView takes a change of an address back. POST /undo takes token and
// new_password.
type UndoView struct {
	Layout
	Form
	Token     string
	Email     string // the address that comes back
	Login     string // the account, for password managers
	MinLength int
}

// EmailCodeView signs in with a mailed code. POST /login/emailcode takes username
// to ask for one, and code when it was Asked for.
type EmailCodeView struct {
	Layout
	Form
	Asked   bool
	Login   string // what was typed, of which nobody knows whether it is an account
	CodeTTL time.Duration
	Work    *Work
}

// InvitationView makes an account of an invitation. POST /invitation takes token,
// name, username and password.
type InvitationView struct {
	Layout
	Form
	Token     string
	Email     string // who was invited
	MinLength int
}

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

// DataView offers the download of one's data. POST /account/data answers it.
type DataView struct {
	Layout
}

// CloseView closes the account. POST /account/close takes nothing.
type CloseView struct {
	Layout
	TTL     time.Duration // how long a sign-in takes it back
	EraseAt time.Time
}

// ReauthView asks for one factor once more. POST /account/reauth takes method,
// password or code, and return_to.
type ReauthView struct {
	Layout
	Form
	Login    string
	ReturnTo string
	Method   string
	// Ways are the other methods that would do, by name.
	Ways []string
	// Domains are those of passkeys that were made before a move; each has a
	// button of its own.
	Domains []string
	// NoWay says that nothing of the account can prove it here: a fresh sign-in
	// does, or with NeedPassword a password that has to be set first.
	NoWay, NeedPassword bool
}

// ContinueView shows a form that waited for a proof: its button posts Fields to
// Path, as they were typed.
type ContinueView struct {
	Layout
	Path   string
	Fields []ContinueField
}

// ContinueField is one field of the form.
type ContinueField struct{ Name, Value string }

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

// AccountView is the overview.
type AccountView struct {
	Layout
	Name, Username, Email string
	Methods               []string // amr values of this session
	PasswordChangedAt     time.Time
	Sessions              int // open ones, this one included
	// Offer is whether to offer a passkey.
	Offer bool
}

// ProfileView changes name and username. POST /account/profile takes both.
type ProfileView struct {
	Layout
	Form
	Email    string
	Verified bool
}

// EmailView asks for another address. POST /account/email takes email.
type EmailView struct {
	Layout
	Form
	Email string // the one of now
}

// EmailVerifyView confirms another address. POST /account/email/verify takes
// code or token.
type EmailVerifyView struct {
	Layout
	Form
	Email string // the new one
	// Token is that of the mailed link; "" shows the field for the code.
	Token   string
	CodeTTL time.Duration
}

// SecurityView changes the password. POST /account/security takes
// current_password and new_password.
type SecurityView struct {
	Layout
	Form
	Login             string
	PasswordChangedAt time.Time
	MinLength         int
	// Proved is whether the form can be sent at once. Who has to show another
	// factor first does that before two passwords are typed: they are never kept
	// for after the proof.
	Proved bool
	// TOTP is whether there is a code app; RecoveryCodes is how many are left.
	TOTP                    bool
	Passkeys, RecoveryCodes int64
	Health                  string // a word of signin.Held
	// Trusted are browsers that are not asked for the second factor. POST to
	// "trusted" below takes id, or all.
	Trusted []TrustedRow
}

// TrustedRow is a browser that is not asked for a second factor.
type TrustedRow struct {
	ID, UserAgent         string
	Since, Ends, LastUsed time.Time
}

// PasskeysView lists passkeys. POST to its own address takes credential and
// name; below it, change takes id and name, and remove takes id.
type PasskeysView struct {
	Layout
	Form
	Passkeys []PasskeyRow
	// Off is whether there can be none, because APP_URL names no domain.
	Off bool
	// Proved is whether one can be added at once, without another proof.
	Proved bool
	// Signals are for the device's own list.
	Signals []PasskeySignal
}

// PasskeyRow is one passkey.
type PasskeyRow struct {
	ID, Name string
	Synced   bool   // it may be copied to other devices
	Domain   string // of another one than ours; "" for ours
	Since    time.Time
	LastUsed time.Time // zero for one that was never used
	// Typed is a name that was refused; Wrong says why.
	Typed string
	Wrong bool
}

// PasskeySignal is one call of the Signal API.
type PasskeySignal struct {
	RPID, UserID, Name, DisplayName string
	IDs                             []string
}

// SessionsView lists where somebody is signed in. POST /account/sessions takes
// id to end one, or others to end all but this one.
type SessionsView struct {
	Layout
	Current SessionRow
	Others  []SessionRow
	// IdleTTL and AbsoluteTTL say when sessions end by themselves.
	IdleTTL, AbsoluteTTL time.Duration
}

// SessionRow is one session.
type SessionRow struct {
	ID        string
	UserAgent string
	Methods   []string // amr values
	Since     time.Time
	LastSeen  time.Time
	IP        string
}

// TokensView lists personal tokens, makes one, and offers to show an access
// token. POST /account/tokens takes id to end one, all to end them all, show to
// show an access token, and otherwise what the form asks for.
type TokensView struct {
	Layout
	Form
	Tokens []PersonalRow
	// Proved is whether the form can be sent at once: without a fresh proof it
	// is not shown, so that nothing is typed twice.
	Proved bool
	// First and Last are the days between which an end may lie (2026-12-24).
	First, Last string
	TTL         time.Duration // how long an access token works
}

// PersonalRow is one personal token.
type PersonalRow struct {
	ID, Name string
	Scopes   []string
	Ends     time.Time
	LastUsed time.Time // zero for one that was never used
	IP, Via  string    // from where, or at which service
}

// PersonalView shows a personal token, once.
type PersonalView struct {
	Layout
	Token  string
	Name   string
	Scopes []string
	Ends   time.Time
	AppURL string
}

// TokenView shows an access token. Make it with NewTokenView.
type TokenView struct {
	Layout
	Header, Payload, Signature string // as sent
	HeaderClaims, Claims       []Claim
	KeyID                      string
	SignatureBytes             int
	IssuedAt, ExpiresAt        time.Time
	AppURL                     string
}

// Claim is one member of a decoded part.
type Claim struct {
	Name, Value string
	At          time.Time // for the ones that are times
}

// InboxView is the development inbox.
type InboxView struct {
	Layout
	Messages []InboxMessage
}

// InboxMessage is one mail that did not leave.
type InboxMessage struct {
	To, Subject, Purpose, Code string
	Text, HTML                 string
	Links                      []string
	At                         time.Time
}

// DocsView is the API reference. Group is the one that is shown in full; "" is
// the list of all calls.
type DocsView struct {
	Layout
	Title, Version, Description string
	Groups                      []DocsGroup
	Group                       string // slug
}

// DocsGroup is the calls of one tag.
type DocsGroup struct {
	Slug, Name, Description string
	Operations              []DocsOperation
}

// DocsOperation is one call.
type DocsOperation struct {
	ID                   string // operationId, the anchor
	Method, Path         string
	Summary, Description string
	Bearer               bool // needs an access token
	Parameters           []DocsField
	BodyType             string // its content type, "" for none
	Body                 []DocsField
	Answers              []DocsAnswer
}

// DocsField is one parameter, or one member of a JSON object.
type DocsField struct {
	Name, Type, Description string
	In                      string // "path", "query", "header"; "" in a body
	Required                bool
}

// DocsAnswer is one answer of a call.
type DocsAnswer struct {
	Status      string
	Description string
	Fields      []DocsField
}
