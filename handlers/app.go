package handlers

import (
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"

	"gatehouse/internal/openapi"
	"gatehouse/internal/websession"
	"gatehouse/locales"
	"gatehouse/middleware"
	"gatehouse/tokens"
)

// app is every handler over its rooms.
type app struct {
	Deps
	web          *middleware.Set
	discoveryDoc atomic.Pointer[discovered]
	jwksCache    []string
	openapiDoc   document
	// reference is read when somebody looks at it.
	reference func() (openapi.Reference, error)
}

func newApp(d Deps) (*app, error) {
	if d.Log == nil {
		d.Log = slog.New(slog.DiscardHandler)
	}
	a := &app{
		Deps: d, jwksCache: publicFor(d.Keys.CacheFor()),
		openapiDoc: newDocument("application/json", openapi.Document()), reference: sync.OnceValues(openapi.Read),
	}
	store := websession.New(websession.Deps{
		Sessions: d.Tokens.Sessions, Secure: strings.HasPrefix(d.Config.AppURL, "https://"), MaxAge: d.Config.SessionMaxAge,
		// The store is made before the set that knows addresses, and asked after.
		Client: func(r *http.Request) tokens.Client { return a.web.ClientOf(r) },
	})
	web, err := middleware.New(middleware.Deps{
		AppURL: d.Config.AppURL, TrustedProxies: d.Config.TrustedProxies, DevInbox: d.Config.DevInbox, Languages: locales.Languages,
		Clock: d.Clock, Log: d.Log, Metrics: d.Metrics, Verifier: d.Verifier, Sessions: store,
		Services: d.Tokens.Services, Personal: d.Tokens.Personal, Limits: d.Limits,
		Permitted: d.Accounts.Permitted, ProofLevel: d.Accounts.ProofLevel,
		Words: d.Pages.Words, ErrorPage: a.errorPage,
	})
	a.web = web
	return a, err
}
