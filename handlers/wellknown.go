package handlers

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"gatehouse/keys"
)

// document is a body that is the same for everybody, ready to be sent.
type document struct {
	body []byte
	etag []string
	kind []string
}

func newDocument(kind string, body []byte) document {
	sum := sha256.Sum256(body)
	return document{body: body, etag: []string{`"` + hex.EncodeToString(sum[:12]) + `"`}, kind: []string{kind}}
}

// What changes with a release only may be kept for a while.
var publicFor5Minutes = []string{"public, max-age=300"}

// publicFor is for the key set: caches may keep it for as long as the ring
// publishes a new key before it signs.
func publicFor(d time.Duration) []string {
	return []string{fmt.Sprintf("public, max-age=%d", int(d.Seconds()))}
}

// serve answers 304 to who has it already (RFC 9110, section 13.1.2).
func (d document) serve(c *gin.Context) { d.serveFor(c, publicFor5Minutes) }

func (d document) serveFor(c *gin.Context, cache []string) {
	h := c.Writer.Header()
	h["Cache-Control"] = cache
	h["Etag"] = d.etag
	if match := c.Request.Header["If-None-Match"]; len(match) > 0 && matches(match, d.etag[0]) {
		c.Status(http.StatusNotModified)
		return
	}
	h["Content-Type"] = d.kind
	_, _ = c.Writer.Write(d.body) // a failed write means that nobody reads it
}

// matches compares weakly (RFC 9110, section 13.1.2).
func matches(header []string, etag string) bool {
	for _, line := range header {
		for one := range strings.SplitSeq(line, ",") {
			one = strings.TrimSpace(one)
			if one == "*" || strings.TrimPrefix(one, "W/") == etag {
				return true
			}
		}
	}
	return false
}

// crossSite lets any page and any service read public documents.
func crossSite(c *gin.Context) {
	c.Writer.Header()["Access-Control-Allow-Origin"] = anyOrigin
}

var anyOrigin = []string{"*"}

// jwks answers GET /.well-known/jwks.json (RFC 7517, section 5). The ring
// holds the bytes ready.
func (a *app) jwks(c *gin.Context) error {
	body, etag := a.Keys.JWKS()
	crossSite(c)
	document{body: body, etag: []string{etag}, kind: jwksType}.serveFor(c, a.jwksCache)
	return nil
}

var jwksType = []string{"application/jwk-set+json"}

// discoveryJSON says what is true now and no more (OpenID Connect Discovery
// 1.0, section 3; RFC 8414): there is no authorization endpoint yet, so none
// is named.
type discoveryJSON struct {
	Issuer                 string   `json:"issuer"`
	JWKSURI                string   `json:"jwks_uri"`
	ResponseTypes          []string `json:"response_types_supported"`
	GrantTypes             []string `json:"grant_types_supported"`
	SubjectTypes           []string `json:"subject_types_supported"`
	AccessTokenSigningAlgs []string `json:"access_token_signing_alg_values_supported"`
	IntrospectionEndpoint  string   `json:"introspection_endpoint"`
	IntrospectionAuth      []string `json:"introspection_endpoint_auth_methods_supported"`
	RevocationEndpoint     string   `json:"revocation_endpoint"`
	RevocationAuth         []string `json:"revocation_endpoint_auth_methods_supported"`
	ServiceDocumentation   string   `json:"service_documentation"`
}

func discoveryOf(cfg Config, algs []string) document {
	body, err := json.Marshal(discoveryJSON{
		Issuer: cfg.AppURL, JWKSURI: cfg.AppURL + "/.well-known/jwks.json",
		ResponseTypes: []string{}, GrantTypes: []string{}, SubjectTypes: []string{"public"},
		AccessTokenSigningAlgs: algs,
		// RFC 8414, section 2: a credential as a bearer token has the name of its type.
		IntrospectionEndpoint: cfg.AppURL + "/oauth/introspect", IntrospectionAuth: []string{"client_secret_basic", "Bearer"},
		RevocationEndpoint: cfg.AppURL + "/oauth/revoke", RevocationAuth: []string{"none", "client_secret_basic", "Bearer"},
		ServiceDocumentation: cfg.AppURL + "/docs",
	})
	if err != nil {
		panic(err) // strings always marshal
	}
	return newDocument("application/json", body)
}

// discovered is the discovery document for one set of published keys.
type discovered struct {
	set string // its entity tag
	document
}

// discovery answers GET /.well-known/openid-configuration. It names the
// algorithm of every published key: while a change of it waits, tokens are
// signed by the old one, and who configured itself by what was to come would
// refuse them. The document is written anew when the keys change.
func (a *app) discovery(c *gin.Context) error {
	_, set := a.Keys.JWKS()
	now := a.discoveryDoc.Load()
	if now == nil || now.set != set {
		now = &discovered{set, discoveryOf(a.Config, publishedAlgs(a.Keys.Public()))}
		a.discoveryDoc.Store(now)
	}
	crossSite(c)
	now.serve(c)
	return nil
}

// publishedAlgs has each once, that of the signing key first.
func publishedAlgs(public []keys.PublicKey) []string {
	algs := []string{}
	for _, k := range public {
		if !slices.Contains(algs, k.Alg) {
			algs = append(algs, k.Alg)
		}
	}
	return algs
}

// changePassword answers GET /.well-known/change-password, by which password
// managers find the page (W3C, A Well-Known URL for Changing Passwords).
func (a *app) changePassword(c *gin.Context) error {
	c.Redirect(http.StatusSeeOther, "/account/security")
	return nil
}
