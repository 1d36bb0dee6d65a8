package middleware

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/gin-gonic/gin"

	"gatehouse/accounts"
	"gatehouse/internal/metrics"
	"gatehouse/internal/ratelimit"
	"gatehouse/internal/websession"
	"gatehouse/models"
	"gatehouse/tokens"
	"gatehouse/verify"
)

// Metrics is the collectors that requests are counted in. The name is here for
// handlers, which hand them on and count nothing themselves.
type Metrics = metrics.Metrics

// Deps is what the middleware works with.
type Deps struct {
	// AppURL is the one address of the server (rule 7).
	AppURL string
	// TrustedProxies are the networks whose forwarding headers are believed.
	TrustedProxies []netip.Prefix
	// DevInbox is whether APP_URL and LISTEN_ADDR are both loopback and mail
	// goes to the development inbox; the peer is judged for each request.
	DevInbox bool
	// Languages are the languages of the pages, the default one first.
	Languages []string
	Clock     func() time.Time
	Log       *slog.Logger
	Metrics   *Metrics
	Verifier  *verify.Verifier
	Sessions  *websession.Store
	Services  *tokens.Services
	// Limits are the limits that the route table asks for.
	Limits *ratelimit.Limits
	// Personal is told of every use of a personal token.
	Personal *tokens.Personal
	// Permitted reads from the database whether somebody has a permission now.
	Permitted func(ctx context.Context, user models.ID, p accounts.Permission) (bool, error)
	// ProofLevel is how strong a proof has to be that changes an account.
	ProofLevel func(ctx context.Context, user models.ID) (string, error)
	// Words gives the sentence of a locale key, "" when there is none.
	Words func(lang, key string, params map[string]any) string
	// ErrorPage draws the page of a failure. It must not write the status.
	ErrorPage func(c *gin.Context, p Problem) ([]byte, error)
}

// Set is every middleware, built once.
type Set struct {
	Deps
	app       *url.URL
	hosts     hosts
	origins   *http.CrossOriginProtection
	languages languageMatcher
}

// New checks what it is given: a mistake here stops the start.
func New(d Deps) (*Set, error) {
	app, err := url.Parse(d.AppURL)
	if err != nil || app.Host == "" || app.Scheme != "http" && app.Scheme != "https" {
		return nil, fmt.Errorf("middleware: APP_URL %q is no address of a server", d.AppURL)
	}
	if d.Log == nil {
		d.Log = slog.New(slog.DiscardHandler)
	}
	s := &Set{Deps: d, app: app, hosts: newHosts(app), origins: http.NewCrossOriginProtection()}
	if err := s.origins.AddTrustedOrigin(originOf(app)); err != nil {
		return nil, fmt.Errorf("middleware: APP_URL %q is no origin: %w", d.AppURL, err)
	}
	s.languages = newLanguageMatcher(d.Languages)
	return s, nil
}

// https reports whether people reach the server over https, which APP_URL
// decides and no header does.
func (s *Set) https() bool { return s.app.Scheme == "https" }

// Page is the chain of the pages: session, language, cross-origin check. Here
// and in every other chain the headers come before the first refusal, so that
// the page of a 421 is no less guarded than others (rule 20).
func (s *Set) Page() []gin.HandlerFunc {
	return []gin.HandlerFunc{
		s.edge(asPage), s.answer, s.recover, s.pageHeaders(), s.knownHost(redirectAlias),
		s.bodyLimit(AuthBody), s.deadline, s.crossOrigin, s.session(), s.loadSession,
	}
}

// Either is Page for a form that also answers as the JSON API does when it is
// asked with Accept: application/json.
func (s *Set) Either() []gin.HandlerFunc {
	chain := s.Page()
	chain[0] = s.edge(asAccepted)
	return chain
}

// API is the chain of the JSON API. It knows no session and reads no cookie,
// so there is nothing that another site could borrow.
func (s *Set) API() []gin.HandlerFunc {
	return []gin.HandlerFunc{
		s.edge(asJSON), s.answer, s.recover, s.apiHeaders(), s.knownHost(serveAlias),
		s.bodyLimit(AuthBody), s.deadline,
	}
}

// Lean is API without what a call that touches neither body nor database
// needs: the hot path.
func (s *Set) Lean() []gin.HandlerFunc {
	return []gin.HandlerFunc{s.edge(asJSON), s.answer, s.recover, s.apiHeaders(), s.knownHost(serveAlias)}
}

// Public is Lean under any Host: health, keys, discovery and the feed of
// endings, which services reach by an address of the inside (rule 7).
func (s *Set) Public() []gin.HandlerFunc {
	return []gin.HandlerFunc{s.edge(asJSON), s.answer, s.recover, s.apiHeaders()}
}

// Feed is Public for a call with a body.
func (s *Set) Feed() []gin.HandlerFunc { return append(s.Public(), s.bodyLimit(AuthBody), s.deadline) }

// Asset is the chain of files that are the same for everybody. No person reads
// what is said about a missing one, and a page there would lack its style.
func (s *Set) Asset() []gin.HandlerFunc {
	return []gin.HandlerFunc{s.edge(asJSON), s.answer, s.recover, s.apiHeaders(), s.knownHost(serveAlias)}
}

// Unmatched is the chain behind which no route was found. It answers JSON
// below /api/ and to who asks for it.
func (s *Set) Unmatched() []gin.HandlerFunc {
	return []gin.HandlerFunc{
		s.edge(asAccepted), s.answer, s.recover, s.pageHeaders(), s.knownHost(redirectAlias), s.deadline, s.session(), s.loadSession,
	}
}
