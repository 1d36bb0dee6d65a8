package handlers

import (
	"maps"
	"slices"

	"github.com/gin-gonic/gin"

	"gatehouse/accounts"
	"gatehouse/middleware"
	"gatehouse/models"
	"gatehouse/signin"
	"gatehouse/templates"
	"gatehouse/tokens"
)

// The pages before the door.

func (a *app) drawLogin(c *gin.Context, status int, typed loginTyped, p middleware.Problem) error {
	old, err := a.Passkeys.OldDomains(c.Request.Context())
	if err != nil {
		return err
	}
	return a.draw(c, status, templates.PageLogin, templates.LoginView{
		Layout: a.layout(c, nil), Form: formOf(p, "username", typed.Username), Work: a.work(c, tokens.WorkLogin, p),
		ReturnTo: typed.ReturnTo, SignupClosed: a.Config.SignupClosed, EmailCode: a.Config.EmailCode,
		Passkeys: a.Passkeys.Available(), RPID: a.Passkeys.RPID(), Unknown: typed.Unknown, Domains: old,
		Throttled: p.Reason == "too_many_attempts",
	})
}

// drawStep draws the page of a second factor that is a code.
func (a *app) drawStep(c *gin.Context, status int, method string, w signin.Waiting, p middleware.Problem) error {
	return a.draw(c, status, "login_"+method, templates.StepView{
		Layout: a.layout(c, nil), Form: formOf(p), Login: loginName(w.User), Ways: otherWays(w.Next, method),
		Trust: a.Config.TrustedDeviceTTL,
	})
}

// drawPasskeyStep draws the page of a passkey after a password. Passkeys of
// another domain have a button of their own: a browser takes one at a time.
func (a *app) drawPasskeyStep(c *gin.Context, status int, w signin.Waiting, p middleware.Problem) error {
	others, err := a.otherDomains(c, w.User.ID)
	if err != nil {
		return err
	}
	return a.draw(c, status, templates.PageLoginPasskey, templates.StepView{
		Layout: a.layout(c, nil), Form: formOf(p), Login: loginName(w.User), Ways: otherWays(w.Next, "passkey"), Domains: others,
	})
}

func (a *app) drawLost(c *gin.Context, status int, page lostTyped, p middleware.Problem) error {
	return a.draw(c, status, templates.PageLoginReset, templates.LostView{
		Layout: a.layout(c, nil), Form: formOf(p, "username", page.Username), Token: page.Token,
	})
}

// enrolDrawing is the step in which a second factor is made: seed is nil before
// the button, and empty when it was shown already; offer says that a passkey will
// do as well.
type enrolDrawing struct {
	seed  *signin.Enrolment
	offer bool
}

func (a *app) drawEnrol(c *gin.Context, status int, d enrolDrawing, p middleware.Problem) error {
	view, err := seedView(a.layout(c, nil), d.seed, p)
	if err != nil {
		return err
	}
	return a.draw(c, status, templates.PageLoginEnrol, templates.EnrolView{SeedView: view, Passkey: d.offer})
}

func seedView(l templates.Layout, seed *signin.Enrolment, p middleware.Problem) (view templates.SeedView, err error) {
	view = templates.SeedView{Layout: l, Form: formOf(p), Asked: seed != nil}
	if seed != nil && !seed.URI.IsZero() {
		view.Secret = seed.Secret.Reveal()
		view.QR, err = templates.QR(seed.URI.Reveal())
	}
	return view, err
}

func (a *app) drawRegister(c *gin.Context, status int, typed registerTyped, p middleware.Problem) error {
	return a.draw(c, status, templates.PageRegister, templates.RegisterView{
		Layout: a.layout(c, nil), Form: formOf(p, "email", typed.Email, "username", typed.Username, "name", typed.Name),
		MinLength: a.Config.PasswordMinLength, Work: a.work(c, tokens.WorkSignup, p),
	})
}

func (a *app) drawVerify(c *gin.Context, status int, page verifyTyped, p middleware.Problem) error {
	return a.draw(c, status, templates.PageVerify, templates.VerifyView{
		Layout: a.layout(c, nil), Form: formOf(p, "username", page.Username), Email: page.Email, Token: page.Token,
		AskPassword: page.AskPassword, AskUsername: page.AskUsername, CodeTTL: accounts.CodeTTL,
	})
}

func (a *app) drawSetup(c *gin.Context, status int, typed setupTyped, p middleware.Problem) error {
	return a.draw(c, status, templates.PageSetup, templates.SetupView{
		Layout: a.layout(c, nil), Form: formOf(p, "email", typed.Email, "username", typed.Username),
		Token: typed.Token, MinLength: a.Config.PasswordMinLength,
	})
}

func (a *app) drawForgot(c *gin.Context, status int, login string, p middleware.Problem) error {
	return a.draw(c, status, templates.PageForgot, templates.ForgotView{
		Layout: a.layout(c, nil), Form: formOf(p, "username", login), Work: a.work(c, tokens.WorkForgot, p),
	})
}

func (a *app) drawReset(c *gin.Context, status int, page resetTyped, p middleware.Problem) error {
	return a.draw(c, status, templates.PageReset, templates.ResetView{
		Layout: a.layout(c, nil), Form: formOf(p), Token: page.Token, Login: page.Login,
		MinLength: a.Config.PasswordMinLength, CodeTTL: accounts.CodeTTL, LinkTTL: accounts.LinkTTL,
	})
}

func (a *app) drawUndo(c *gin.Context, status int, token string, undo accounts.EmailUndo, p middleware.Problem) error {
	return a.draw(c, status, templates.PageUndo, templates.UndoView{
		Layout: a.layout(c, nil), Form: formOf(p), Token: token, Email: undo.Email, Login: undo.Login, MinLength: a.Config.PasswordMinLength,
	})
}

func (a *app) drawReauth(c *gin.Context, status int, u *models.User, typed reauthTyped, ways []string, p middleware.Problem) error {
	view := templates.ReauthView{
		Layout: a.layout(c, u), Form: formOf(p), Login: loginName(u), ReturnTo: typed.Back, Method: typed.Method, Ways: ways,
	}
	var err error
	switch typed.Method {
	case "passkey":
		view.Domains, err = a.otherDomains(c, u.ID)
	case "":
		var level string
		level, err = a.Accounts.ProofLevel(c.Request.Context(), u.ID)
		view.NoWay, view.NeedPassword = true, level == signin.AAL2
	}
	if err != nil {
		return err
	}
	return a.draw(c, status, templates.PageReauth, view)
}

func (a *app) drawContinue(c *gin.Context, u *models.User, pending middleware.Pending) error {
	view := templates.ContinueView{Layout: a.layout(c, u), Path: pending.Path}
	for _, name := range slices.Sorted(maps.Keys(pending.Fields)) {
		for _, value := range pending.Fields[name] {
			view.Fields = append(view.Fields, templates.ContinueField{Name: name, Value: value})
		}
	}
	return a.draw(c, ok200, templates.PageContinue, view)
}

func (a *app) drawPublic(c *gin.Context, u *models.User) error {
	return a.draw(c, ok200, templates.PagePublic, templates.PublicView{
		Layout: a.layout(c, u), DevInbox: a.Config.DevInbox,
	})
}

func (a *app) drawCode(c *gin.Context, status int, page codeTyped, p middleware.Problem) error {
	view := templates.EmailCodeView{
		Layout: a.layout(c, nil), Form: formOf(p, "username", page.Login), Asked: page.Asked, Login: page.Login, CodeTTL: accounts.CodeTTL,
	}
	if !page.Asked { // only the mail has a price
		view.Work = a.work(c, tokens.WorkCode, p)
	}
	return a.draw(c, status, templates.PageLoginEmailCode, view)
}
