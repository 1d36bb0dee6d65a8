package middleware

import (
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"

	"github.com/gin-gonic/gin"

	"gatehouse/internal/apperr"
)

// recover turns a panic into one 500. When the answer had already begun, the
// connection is cut instead, so that nobody takes half an answer for a whole
// one.
func (s *Set) recover(c *gin.Context) {
	defer func() {
		v := recover()
		if v == nil {
			return
		}
		if err, ok := v.(error); ok && errors.Is(err, http.ErrAbortHandler) {
			panic(v) // net/http's own way to cut a connection
		}
		s.Log.ErrorContext(c.Request.Context(), "panic", "request_id", s.RequestID(c), "route", routeOf(c),
			"panic", fmt.Sprint(v), "stack", string(debug.Stack()))
		if c.Writer.Written() {
			panic(http.ErrAbortHandler)
		}
		Fail(c, apperr.New(apperr.Internal, "internal"))
	}()
	c.Next()
}
