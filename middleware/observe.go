package middleware

import (
	"log/slog"
	"net/http"

	"github.com/gin-gonic/gin"
)

// observe counts a request and, at debug only, logs it: a busy server would
// otherwise spend more on its log than on its work.
func (s *Set) observe(c *gin.Context, st *request) {
	took := s.Clock().Sub(st.start)
	s.Metrics.Request(routeOf(c), methodOf(c), c.Writer.Status(), took)
	ctx := c.Request.Context()
	if len(c.Errors) > 0 || !s.Log.Enabled(ctx, slog.LevelDebug) {
		return
	}
	s.Log.DebugContext(ctx, "request", "request_id", s.RequestID(c), "method", c.Request.Method,
		"route", routeOf(c), "status", c.Writer.Status(), "took", took, "ip", s.ClientIP(c.Request).String())
}

// routeOf is the pattern of the route, never the path: a path may hold a
// secret, and would make a new time series for each visitor.
func routeOf(c *gin.Context) string {
	if path := c.FullPath(); path != "" {
		return path
	}
	return "unmatched"
}

// methodOf bounds what a stranger can write into a label.
func methodOf(c *gin.Context) string {
	switch m := c.Request.Method; m {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return m
	}
	return "other"
}
