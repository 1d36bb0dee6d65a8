package middleware

import (
	"errors"

	"github.com/gin-gonic/gin"

	"gatehouse/internal/apperr"
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
	of(c).principal = p
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
