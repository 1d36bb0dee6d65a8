package handlers

import (
	"github.com/gin-gonic/gin"

	"gatehouse/internal/apperr"
	"gatehouse/static"
)

// static answers GET /static/*: a file under the name of its content.
func (a *app) static(c *gin.Context) error {
	f, found := static.Default().File(c.Request.URL.Path)
	if !found {
		return apperr.New(apperr.NotFound, "not_found")
	}
	f.ServeHTTP(c.Writer, c.Request)
	return nil
}

// favicon answers the address that browsers ask for by themselves.
func (a *app) favicon(c *gin.Context) error {
	f, found := static.Default().Named("images/mark.svg")
	if !found {
		return apperr.New(apperr.NotFound, "not_found")
	}
	c.Header("Content-Type", f.Type)
	c.Header("Cache-Control", "public, max-age=86400")
	_, _ = c.Writer.Write(f.Body) // a failed write means that nobody reads it
	return nil
}
