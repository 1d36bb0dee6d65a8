package handlers

import (
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"gatehouse/accounts"
)

// deviceAge is how long a browser is remembered: the most that browsers allow
// (RFC 6265bis, section 5.5).
const deviceAge = 400 * 24 * 60 * 60

func (a *app) deviceCookie() (name string, secure bool) {
	if strings.HasPrefix(a.Config.AppURL, "https://") {
		return "__Host-gatehouse_device", true
	}
	return "gatehouse_device", false
}

// deviceOf is the value by which a browser is known, a fresh one when it has
// none. It is no credential: it spares its owner a mail.
func (a *app) deviceOf(c *gin.Context) string {
	name, _ := a.deviceCookie()
	if cookie, err := c.Request.Cookie(name); err == nil && accounts.IsDevice(cookie.Value) {
		return cookie.Value
	}
	return accounts.NewDevice().Reveal()
}

// keepDevice leaves the value with a browser that has signed in.
func (a *app) keepDevice(c *gin.Context, value string) {
	name, secure := a.deviceCookie()
	http.SetCookie(c.Writer, &http.Cookie{
		Name: name, Value: value, Path: "/", MaxAge: deviceAge, Secure: secure, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}
