package middleware

import (
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"gatehouse/internal/apperr"
	"gatehouse/models"
	"gatehouse/tokens"
)

// RequireService lets a request through with the credential of a service.
func (s *Set) RequireService(c *gin.Context) {
	row, err := s.serviceOf(c.Request)
	if err != nil {
		Fail(c, err)
		return
	}
	of(c).service = row
}

// serviceOf reads the credential as a bearer token, or as the secret of HTTP
// Basic under the name of the service (RFC 6749, section 2.3.1), whose failure
// has a code of its own (section 5.2).
func (s *Set) serviceOf(r *http.Request) (*models.ServiceAccount, error) {
	if name, secret, ok := basic(r.Header); ok {
		row, err := s.Services.Authenticate(r.Context(), secret)
		if err == nil && row.Name != name {
			err = tokens.ErrNoService
		}
		if err != nil {
			return nil, WithCode("invalid_client", err)
		}
		return row, nil
	}
	raw, err := credential(r.Header)
	if err != nil {
		return nil, err
	}
	return s.Services.Authenticate(r.Context(), raw)
}

// basic is name and secret of the one header of that scheme. Both are
// form-encoded before they are put together; names and secrets of ours look
// the same either way, so that decoding is left out.
func basic(h http.Header) (name, secret string, ok bool) {
	lines := h.Values("Authorization")
	if len(lines) != 1 {
		return "", "", false
	}
	return (&http.Request{Header: http.Header{"Authorization": lines}}).BasicAuth()
}

// Service is who asks, on routes behind RequireService.
func Service(c *gin.Context) *models.ServiceAccount { return of(c).service }

// StillService has the credential judged again, for answers that take long.
func (s *Set) StillService(r *http.Request) error {
	_, err := s.serviceOf(r)
	return err
}

// credential is what stands after "Bearer" in the one header of that name (RFC
// 6750, section 2.1).
func credential(h http.Header) (string, error) {
	lines := h.Values("Authorization")
	if len(lines) != 1 {
		return "", apperr.New(apperr.Unauthenticated, "no_token")
	}
	scheme, raw, ok := strings.Cut(lines[0], " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		return "", apperr.New(apperr.Unauthenticated, "no_token")
	}
	return raw, nil
}
