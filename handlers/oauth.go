package handlers

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"gatehouse/internal/apperr"
	"gatehouse/middleware"
	"gatehouse/models"
	"gatehouse/tokens"
)

// introspectionJSON is what a service learns of an active token (RFC 7662,
// section 2.2, with the claims of RFC 9068). There is no "username": tokens
// carry no personal data, and neither does what is said about them.
type introspectionJSON struct {
	Active    bool     `json:"active"`
	Issuer    string   `json:"iss"`
	Subject   string   `json:"sub"`
	Audience  []string `json:"aud"`
	ClientID  string   `json:"client_id"`
	TokenType string   `json:"token_type"`
	Scope     string   `json:"scope"`
	ExpiresAt int64    `json:"exp"`
	IssuedAt  int64    `json:"iat,omitempty"`
	TokenID   string   `json:"jti,omitempty"`
	SessionID string   `json:"sid,omitempty"`
	Roles     []string `json:"roles"`
	// Generation and ClientGeneration let who remembers the answer hold it
	// against the feed of endings.
	Generation       int64    `json:"gen"`
	ClientGeneration int64    `json:"cgen"`
	ACR              string   `json:"acr,omitempty"`
	AMR              []string `json:"amr,omitempty"`
	AuthTime         int64    `json:"auth_time,omitempty"`
}

// inactive is all that is told of every other token (RFC 7662, section 2.2).
var inactive = []byte(`{"active":false}`)

// tokenParameter is what both calls take. A hint is read and not followed.
func tokenParameter(c *gin.Context) (string, error) {
	form, err := middleware.ParseStrictForm(c.Request, "token", "token_type_hint")
	if err != nil {
		return "", err
	}
	if form.Get("token") == "" {
		return "", apperr.New(apperr.Malformed, "token_missing")
	}
	return form.Get("token"), nil
}

// introspect answers POST /oauth/introspect (RFC 7662).
func (a *app) introspect(c *gin.Context) error {
	raw, err := tokenParameter(c)
	if err != nil {
		return err
	}
	found, err := a.Tokens.Introspect(c.Request.Context(), raw, a.Verifier.Verify)
	if err != nil {
		return err
	}
	if found == nil {
		writeJSON(c, inactive)
		return nil
	}
	if found.Kind == tokens.PersonalKind {
		a.Tokens.Personal.Used(tokens.Use{Token: models.ID(found.JTI), Via: middleware.Service(c).Name})
	}
	body, err := json.Marshal(a.introspection(found))
	if err != nil {
		return err
	}
	writeJSON(c, body)
	return nil
}

func (a *app) introspection(p *tokens.Introspection) introspectionJSON {
	answer := introspectionJSON{
		Active: true, Issuer: a.Config.AppURL, Subject: p.Subject, Audience: p.Audience, ClientID: p.ClientID,
		TokenType: "Bearer", Scope: strings.Join(p.Scope, " "), ExpiresAt: p.ExpiresAt.Unix(), TokenID: p.TokenID, SessionID: p.SessionID,
		Roles: p.Roles, Generation: p.Generation, ClientGeneration: p.ClientGeneration, ACR: p.ACR, AMR: p.AMR,
	}
	if p.Kind == tokens.RefreshKind {
		// RFC 8693, section 2.2.1: it is no access token, so no service may
		// take it for one.
		answer.TokenType = "N_A"
	}
	if !p.IssuedAt.IsZero() {
		answer.IssuedAt = p.IssuedAt.Unix()
	}
	if !p.AuthTime.IsZero() {
		answer.AuthTime = p.AuthTime.Unix()
	}
	return answer
}

// revokeToken answers POST /oauth/revoke (RFC 7009). Who holds a token may end
// it: our own client is a public one and shows no credential. A credential
// that is shown must be good, or a caller with a typing mistake would never know.
func (a *app) revokeToken(c *gin.Context) error {
	if len(c.Request.Header["Authorization"]) > 0 {
		if err := a.web.StillService(c.Request); err != nil {
			return err
		}
	}
	ctx, receipt, err := a.receipt(c)
	if err != nil {
		return err
	}
	raw, err := tokenParameter(c)
	if err != nil {
		return err
	}
	if err := a.Tokens.Revoke(ctx, raw, a.Verifier.Verify, a.web.Client(c)); err != nil {
		return err
	}
	if receipt.want == nil { // RFC 7009, section 2.2: 200 and nothing to read
		c.Status(http.StatusOK)
		return nil
	}
	return a.ended(c, receipt)
}
