package handlers

import (
	"github.com/gin-gonic/gin"

	"gatehouse/middleware"
)

// mistake shows a form again with what is wrong, or hands on an error that is
// not about what was typed. again draws the page; it gets the words.
func (a *app) mistake(c *gin.Context, err error, again func(status int, p middleware.Problem) error) error {
	p, ok := a.web.Mistake(c, err)
	if !ok {
		return err
	}
	return again(p.Status, p)
}
