package middleware

import (
	"context"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"gatehouse/internal/apperr"
)

// The size of a body and the time for a request (rule 24). Nothing that is
// sent today is longer than a few lines, so that one limit is enough.
const (
	AuthBody = 64 << 10
	// requestTime bounds what a request may cost; it reaches every SQL
	// statement through the context.
	requestTime = 30 * time.Second
)

// bodyLimit refuses what says that it is too long and cuts off what turns out
// to be.
func (s *Set) bodyLimit(limit int64) gin.HandlerFunc {
	return func(c *gin.Context) {
		if c.Request.ContentLength > limit {
			c.Header("Connection", "close") // the rest is not read
			Fail(c, tooLarge(limit))
			return
		}
		if c.Request.Body != nil && c.Request.Body != http.NoBody {
			c.Request.Body = http.MaxBytesReader(c.Writer, c.Request.Body, limit)
		}
	}
}

// tooLarge says how much is taken.
func tooLarge(limit int64) error {
	return apperr.New(apperr.TooLarge, "body_too_large").WithParam("KB", limit>>10)
}

// deadline gives the request its end.
func (s *Set) deadline(c *gin.Context) {
	of(c).patient = c.Request.Context()
	ctx, cancel := context.WithTimeout(c.Request.Context(), requestTime)
	defer cancel()
	c.Request = c.Request.WithContext(watched(c, ctx))
	c.Next()
}

// Patient is the context of the connection: it ends when the caller goes away,
// and not when the time of a request is over. It is for waiting that the caller
// asked for, and never reaches SQL without a limit of its own.
func Patient(c *gin.Context) context.Context {
	if ctx := of(c).patient; ctx != nil {
		return ctx
	}
	return c.Request.Context()
}
