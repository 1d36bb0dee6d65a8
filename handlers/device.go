package handlers

import (
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"gatehouse/accounts"
	"gatehouse/internal/secrets"
	"gatehouse/tokens"
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

// by is who asks, for the rooms. A program that keeps cookies may be known by
// one like a browser; most have none and are strangers.
func (a *app) by(c *gin.Context) tokens.Client {
	by := a.web.Client(c)
	name, _ := a.deviceCookie()
	if cookie, err := c.Request.Cookie(name); err == nil && accounts.IsDevice(cookie.Value) {
		by.Browser = secrets.NewRaw([]byte(cookie.Value))
	}
	by.Work = a.shownWork(c)
	return by
}

// byBrowser is by for what a browser may be remembered by: with a fresh value,
// which keepDevice leaves with it when it comes to that. One that has no cookie of
// ours has none but that.
func (a *app) byBrowser(c *gin.Context) tokens.Client {
	by := a.by(c)
	by.Fresh = accounts.NewDevice()
	if by.Browser.IsZero() {
		by.Browser = by.Fresh
	}
	return by
}

// keepDevice leaves the value with a browser in which a secret was right. It is
// no credential and opens nothing: it spares its owner a mail and the delays
// that strangers cause.
func (a *app) keepDevice(c *gin.Context, browser secrets.Raw) {
	name, secure := a.deviceCookie()
	http.SetCookie(c.Writer, &http.Cookie{
		Name: name, Value: browser.Reveal(), Path: "/", MaxAge: deviceAge, Secure: secure, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}
