package handlers

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/gin-contrib/sessions"
	"github.com/gin-gonic/gin"

	"gatehouse/internal/apperr"
	"gatehouse/internal/secrets"
	"gatehouse/middleware"
	"gatehouse/signin"
)

// A challenge for somebody who has said nothing about themselves is given to a
// holder: a browser has it in a cookie, a program is told it.
const (
	holderPrefix = "gh_pc_"
	holderAge    = 10 * 60 // seconds; a challenge lasts half of it
)

// stepSecond is what the second step of a sign-in says to begin and finish.
const stepSecond = "second"

// optionsJSON is what a browser is asked for (WebAuthn Level 3, section 5.1).
type optionsJSON struct {
	Attempt   string                `json:"attempt,omitempty"` // of a program
	PublicKey signin.PasskeyOptions `json:"publicKey"`
}

// passkeyForm answers GET /login/passkey, the second step. It changes nothing.
func (a *app) passkeyForm(c *gin.Context) error {
	w, here, err := a.waiting(c, "passkey")
	if err != nil || !here {
		return err
	}
	return a.drawPasskeyStep(c, ok200, w, none)
}

// passkeyBegin answers POST /login/passkey/begin to the script of the page.
func (a *app) passkeyBegin(c *gin.Context) error {
	form, err := middleware.ParseForm(c.Request, "step", "rp_id", "trust")
	if err != nil {
		return err
	}
	ctx := c.Request.Context()
	if form.Get("step") == stepSecond {
		w, err := a.SignIn.Waiting(ctx, kept(c, keptSignIn), true)
		if err != nil {
			return err
		}
		return options(c, "")(a.Passkeys.BeginSecond(ctx, w, form.Get("rp_id")))
	}
	return options(c, "")(a.Passkeys.BeginSignIn(ctx, a.holder(c), a.by(c).IP, form.Get("rp_id")))
}

// options writes what a browser is asked for.
func options(c *gin.Context, attempt string) func(signin.PasskeyOptions, error) error {
	return func(o signin.PasskeyOptions, err error) error {
		if err != nil {
			return err
		}
		return ok(c, optionsJSON{attempt, o})
	}
}

func (a *app) holderCookie() (name string, secure bool) {
	if strings.HasPrefix(a.Config.AppURL, "https://") {
		return "__Host-gatehouse_passkey", true
	}
	return "gatehouse_passkey", false
}

// heldBy is the value that this browser was given; "" when it has none.
func (a *app) heldBy(c *gin.Context) string {
	name, _ := a.holderCookie()
	cookie, err := c.Request.Cookie(name)
	if err != nil || len(cookie.Value) != len(holderPrefix)+43 || !strings.HasPrefix(cookie.Value, holderPrefix) {
		return ""
	}
	return cookie.Value
}

// holder gives a browser a value of its own, or leaves it the one it has: two
// login pages in two tabs share it. An answer that somebody else made is none
// in this browser, so that nobody is signed in to a stranger's account.
func (a *app) holder(c *gin.Context) string {
	value := a.heldBy(c)
	if value == "" {
		value = secrets.NewToken(holderPrefix).Reveal()
	}
	name, secure := a.holderCookie()
	http.SetCookie(c.Writer, &http.Cookie{
		Name: name, Value: value, Path: "/", MaxAge: holderAge, Secure: secure, HttpOnly: true, SameSite: http.SameSiteStrictMode,
	})
	return value
}

// passkeyLogin answers POST /login/passkey: the first step from the login page,
// or the second one.
func (a *app) passkeyLogin(c *gin.Context) error {
	form, err := middleware.ParseForm(c.Request, "credential", "return_to", "step", "trust")
	if err != nil {
		return err
	}
	answer := &signin.PasskeyAnswer{Credential: []byte(form.Get("credential")), Bound: a.heldBy(c)}
	if form.Get("step") == stepSecond {
		return a.passkeySecond(c, signin.Step{Method: "passkey", Response: answer, Trust: form.Has("trust")})
	}
	typed := loginTyped{ReturnTo: middleware.LocalPath(form.Get("return_to"), "")}
	next, err := a.loginBrowser(c, signin.Input{Method: "passkey", Response: answer}, typed.ReturnTo)
	if apperr.Reason(err) == "passkey_unknown" {
		typed.Unknown, _ = apperr.From(err).Params["ID"].(string)
	}
	return a.loggedIn(c, next, typed, middleware.WithCode("invalid_credentials", err))
}

func (a *app) passkeySecond(c *gin.Context, in signin.Step) error {
	return a.stepBrowser(c, in, func(status int, p middleware.Problem) error {
		w, here, err := a.waiting(c, "passkey")
		if err != nil || !here {
			return err
		}
		return a.drawPasskeyStep(c, status, w, p)
	})
}

// offerPasskey remembers in a session that has just begun with a password to
// offer a passkey on the account page. What fails here is no reason to hide
// that the sign-in worked.
func (a *app) offerPasskey(c *gin.Context, done signin.Result) {
	offer, err := a.Passkeys.Offer(c.Request.Context(), done.User.ID)
	if err == nil && offer {
		s := sessions.Default(c)
		s.Set(keptOffer, "1")
		err = s.Save()
	}
	if err != nil {
		a.Log.DebugContext(c.Request.Context(), "no passkey was offered", "request_id", a.web.RequestID(c), "error", err)
	}
}

const keptOffer = "passkey_offer"

// takeOffer reports whether to offer a passkey on this page, once.
func (a *app) takeOffer(c *gin.Context) bool {
	if kept(c, keptOffer) == "" {
		return false
	}
	s := sessions.Default(c)
	s.Delete(keptOffer)
	return s.Save() == nil
}

type passkeyBeginBody struct {
	Attempt string `json:"attempt"`
	// Username is read and not used: the answer is the same for every name.
	Username string `json:"username"`
	// RPID is a domain of before a move; "" is ours.
	RPID string `json:"rp_id"`
}

type passkeyFinishBody struct {
	Attempt    string          `json:"attempt"`
	Credential json.RawMessage `json:"credential"`
}

// apiPasskeyBegin answers POST /api/v1/login/passkey/begin.
func (a *app) apiPasskeyBegin(c *gin.Context) error {
	var in passkeyBeginBody
	if err := middleware.DecodeOptionalJSON(c.Request, &in); err != nil {
		return err
	}
	ctx := c.Request.Context()
	if in.Attempt == "" {
		holder := secrets.NewToken(holderPrefix).Reveal()
		return options(c, holder)(a.Passkeys.BeginSignIn(ctx, holder, a.by(c).IP, in.RPID))
	}
	w, err := a.SignIn.Waiting(ctx, in.Attempt, false)
	if err != nil {
		return middleware.WithCode("invalid_credentials", err)
	}
	return options(c, in.Attempt)(a.Passkeys.BeginSecond(ctx, w, in.RPID))
}

// apiPasskeyFinish answers POST /api/v1/login/passkey/finish.
func (a *app) apiPasskeyFinish(c *gin.Context) error {
	var in passkeyFinishBody
	if err := middleware.DecodeJSON(c.Request, &in); err != nil {
		return err
	}
	if err := required("attempt", in.Attempt, "credential", string(in.Credential)); err != nil {
		return err
	}
	answer := &signin.PasskeyAnswer{Credential: in.Credential, Bound: in.Attempt}
	if !strings.HasPrefix(in.Attempt, holderPrefix) {
		return a.stepProgram(c, signin.Step{Attempt: in.Attempt, Method: "passkey", Response: answer})
	}
	return middleware.WithCode("invalid_credentials", a.programIn(c, signin.Input{Method: "passkey", Response: answer}))
}
