package server

import (
	"context"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"gatehouse/handlers"
	"gatehouse/templates"
	"gatehouse/verify"
)

// Handler is the whole product over HTTP.
func (r *Rooms) Handler() (http.Handler, error) {
	verifier, err := r.verifier()
	if err != nil {
		return nil, err
	}
	c := r.Config
	gin.SetMode(gin.ReleaseMode)
	engine := gin.New()
	err = handlers.Routes(engine, handlers.Deps{
		Accounts: r.Accounts, Audit: r.Audit, SignIn: r.SignIn, Passkeys: r.Passkeys, Tokens: r.Tokens, Keys: r.Keys, Mail: r.Mail, Limits: r.Limits,
		Verifier: verifier, Pages: templates.New(), Metrics: r.Metrics, Log: r.Logger, Clock: r.Clock, Wall: time.Now,
		Parts: []handlers.Part{
			{Name: "database", Ready: r.DB.Ready},
			{Name: "serving", Ready: r.stays},
			{Name: "revocations", Ready: func(context.Context) error { return r.Tokens.Log.Ready() }},
		},
		Config: handlers.Config{
			AppURL: c.AppURL, TrustedProxies: c.TrustedProxies, DevInbox: r.devInbox(),
			SignupClosed: c.Signup != "open", EmailCode: c.EmailCodeLogin == "on", SessionMaxAge: c.SessionAbsoluteTTL, PasswordMinLength: c.PasswordMinLength,
			TrustedDeviceTTL: c.TrustedDeviceTTL,
			Operator:         c.AppName, SessionIdleTTL: c.SessionIdleTTL, AccessTokenTTL: c.AccessTokenTTL,
		},
	})
	return engine, err
}

// verifier checks our own access tokens: keys and endings in memory, so that a
// token is judged without the database.
func (r *Rooms) verifier() (*verify.Verifier, error) {
	set := verify.NewKeySet()
	fill := func() {
		var list []verify.Key
		for _, k := range r.Keys.Public() {
			list = append(list, verify.Key{KID: k.KID, Alg: k.Alg, Public: k.Key})
		}
		if err := set.Set(list); err != nil {
			r.Logger.Error("a signing key cannot be used", "error", err)
		}
	}
	fill()
	r.Keys.OnChange(fill)
	// A token under a key that another node made a moment ago is looked up once.
	set.OnMissing(r.Keys.Missing)
	return verify.New(verify.Options{
		Issuer: r.Config.AppURL, Audience: r.Config.AppURL, Keys: set, Revocations: r.Tokens.Log, Fresh: r.Tokens.Log.Fresh, Personal: r.Tokens.Personal, Clock: r.Clock,
	})
}
