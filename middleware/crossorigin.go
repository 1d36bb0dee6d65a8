package middleware

import (
	"github.com/gin-gonic/gin"

	"gatehouse/internal/apperr"
)

// crossOrigin refuses writes that another site's page makes a browser send
// (rule 19; ASVS 5.0, V3.5.1): by Sec-Fetch-Site, else by Origin. A program
// sends neither and passes, because it has no cookies of a victim to borrow.
// It also covers forms without a session, so that nobody is signed in to a
// stranger's account.
func (s *Set) crossOrigin(c *gin.Context) {
	if err := s.origins.Check(c.Request); err != nil {
		Fail(c, apperr.Wrap(apperr.Forbidden, "cross_origin", err))
	}
}
