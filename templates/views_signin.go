package templates

import (
	"time"
)

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
	// Throttled shows what works without waiting. It is the same for every name.
	Throttled bool
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

// EnrolView makes a second factor within a sign-in: a passkey where Passkey says
// so, whose form the script shows, or a code app, which needs none.
type EnrolView struct {
	SeedView
	Passkey bool
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
