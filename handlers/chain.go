package handlers

import (
	"net/http"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"

	"gatehouse/accounts"
	"gatehouse/middleware"
	"gatehouse/signin"
)

// Routes puts the table on an engine that gin.New made.
func Routes(engine *gin.Engine, d Deps) error {
	a, err := newApp(d)
	if err != nil {
		return err
	}
	prepare(engine)
	for _, r := range append(slices.Clone(table), a.stepRoutes()...) {
		chain := a.chain(r)
		engine.Handle(r.Method, r.Path, chain...)
		if r.Method == get {
			engine.Handle(http.MethodHead, r.Path, chain...)
		}
	}
	engine.NoRoute(append(a.web.Unmatched(), middleware.Handle(a.notFound))...)
	engine.NoMethod(append(a.web.Unmatched(), middleware.Handle(a.notAllowed))...)
	return nil
}

// stepRoutes are the pages and calls of second factors that are a code in a field
// and have no rows of their own above: a method that is added in signin needs none.
func (a *app) stepRoutes() (rows []Route) {
	for _, m := range a.SignIn.Methods {
		path := stepPage(m.Name())
		known := slices.ContainsFunc(table, func(r Route) bool { return r.Path == path })
		if known || m.Uses()&signin.Second == 0 {
			continue
		}
		rows = append(rows,
			Route{get, path, Page, nil, stepForm(m.Name())}, Route{post, path, Page, nil, step(m.Name())},
			Route{post, "/api/v1" + path, API, nil, apiStep(m.Name())})
	}
	return rows
}

// prepare turns off what Gin does by itself: believing forwarding headers, and
// redirects before any of our checks ran, which also believe a header.
func prepare(engine *gin.Engine) {
	_ = engine.SetTrustedProxies(nil) // an empty list cannot be malformed
	engine.ForwardedByClientIP = false
	engine.HandleMethodNotAllowed = true
	engine.RedirectTrailingSlash = false
	engine.RedirectFixedPath = false
	// A path has one spelling: "/%61dmin" and "/admin%2Finvitations" are no
	// rows of the table. A proxy that guards a path by its letters would let
	// them through to a handler that it was told to keep them from.
	engine.UseRawPath = true
}

func (a *app) chain(r Route) []gin.HandlerFunc {
	chain := a.group(r.Group)
	limit := a.limit(r)
	for i, g := range r.Guards {
		chain = append(chain, a.guard(g))
		if i == 0 && limit != nil { // as soon as it is known who asks
			chain = append(chain, limit)
		}
	}
	if len(r.Guards) == 0 && limit != nil {
		chain = append(chain, limit)
	}
	return append(chain, middleware.Handle(func(c *gin.Context) error { return r.run(a, c) }))
}

func (a *app) group(g Group) []gin.HandlerFunc {
	switch g {
	case Page:
		return a.web.Page()
	case Either:
		return a.web.Either()
	case API, OAuth:
		return a.web.API()
	case Lean:
		return a.web.Lean()
	case Public:
		return a.web.Public()
	case Feed:
		return a.web.Feed()
	case Asset:
		return a.web.Asset()
	}
	panic("handlers: a route of no group: " + string(g))
}

func (a *app) guard(g Guard) gin.HandlerFunc {
	if scope, ok := strings.CutPrefix(string(g), scopeGuard); ok {
		return a.web.RequireScope(scope)
	}
	if p, ok := strings.CutPrefix(string(g), permissionGuard); ok {
		return a.web.RequirePermission(accounts.Permission(p))
	}
	switch g {
	case Session:
		return a.web.RequireSession
	case Recent:
		return a.web.RequireRecent
	case StepUp:
		return a.web.RequireStepUp
	case Second:
		return a.web.RequireSecond
	case AAL2:
		return a.web.RequireAAL(2)
	case Bearer:
		return a.web.Bearer
	case Service:
		return a.web.RequireService
	case DevInbox:
		return a.web.RequireDevInbox
	}
	panic("handlers: an unknown guard: " + string(g))
}
