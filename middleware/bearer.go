package middleware

import (
	"errors"

	"github.com/gin-gonic/gin"

	"gatehouse/internal/apperr"
	"gatehouse/models"
	"gatehouse/tokens"
	"gatehouse/verify"
)

// Bearer lets a request through with a valid access token in its header. The
// check is in memory: signature, claims and what was ended meanwhile.
func (s *Set) Bearer(c *gin.Context) {
	p, err := s.Verifier.Request(c.Request)
	if err != nil {
		Fail(c, bearerError(err))
		return
	}
	if p.Personal && s.Personal != nil {
		s.Personal.Used(tokens.Use{Token: models.ID(p.JTI), IP: s.Client(c).IP})
	}
	of(c).principal = p
}

// RequireScope stands behind Bearer and lets through who signed in, or whose
// token has one scope (RFC 6750, section 3.1). A sign-in may do everything
// that its person may; every other token what it says.
func (s *Set) RequireScope(scope string) gin.HandlerFunc {
	return func(c *gin.Context) {
		p := Principal(c)
		if p.HasScope(tokens.ScopeAccount) || p.HasScope(scope) {
			return
		}
		Fail(c, apperr.New(apperr.Forbidden, "insufficient_scope").WithParam("Scope", scope))
	}
}

// Principal is who asks, on routes behind Bearer.
func Principal(c *gin.Context) *verify.Principal { return of(c).principal }

// bearerError carries verify's verdict into our one error shape.
func bearerError(err error) error {
	e, ok := errors.AsType[*verify.Error](err)
	switch {
	case !ok || e.Code == verify.CodeUnavailable:
		return apperr.NotNow(0, err)
	case e.Code == verify.CodeInvalidToken:
		return apperr.Wrap(apperr.Unauthenticated, e.Reason, err)
	}
	return apperr.Wrap(apperr.Forbidden, e.Reason, err)
}
