package middleware

import (
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"gatehouse/internal/apperr"
	"gatehouse/models"
)

// RequireService lets a request through with the credential of a service.
func (s *Set) RequireService(c *gin.Context) {
	raw, err := credential(c.Request.Header)
	if err == nil {
		of(c).service, err = s.Services.Authenticate(c.Request.Context(), raw)
	}
	if err != nil {
		Fail(c, err)
	}
}

// Service is who asks, on routes behind RequireService.
func Service(c *gin.Context) *models.ServiceAccount { return of(c).service }

// StillService has the credential judged again, for answers that take long.
func (s *Set) StillService(r *http.Request) error {
	raw, err := credential(r.Header)
	if err == nil {
		_, err = s.Services.Authenticate(r.Context(), raw)
	}
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
