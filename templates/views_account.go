package templates

import (
	"html/template"
	"time"
)

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
