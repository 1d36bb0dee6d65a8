package handlers

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"gatehouse/internal/apperr"
)

// notFound answers every path that is in no row of the table.
func (a *app) notFound(*gin.Context) error { return apperr.New(apperr.NotFound, "not_found") }

// notAllowed answers a path that exists under other methods; Gin has set Allow
// (RFC 9110, section 15.5.6). OPTIONS asks for just that. There is no CORS
// here: programs of other origins use a server of their own.
func (a *app) notAllowed(c *gin.Context) error {
	if c.Request.Method == http.MethodOptions {
		return noContent(c)
	}
	return apperr.New(apperr.Method, "method_not_allowed")
}
