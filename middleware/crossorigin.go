package middleware

import (
	"errors"
	"net/http"
	"net/url"

	"github.com/gin-gonic/gin"

	"gatehouse/internal/apperr"
)

// crossOrigin refuses writes that another site's page makes a browser send
// (rule 19; ASVS 5.0, V3.5.1): by Sec-Fetch-Site, else by Origin. A program
// sends neither and passes, because it has no cookies of a victim to borrow.
// It also covers forms without a session, so that nobody is signed in to a
// stranger's account.
//
// Of an old browser, which sends Origin alone, the library compares the host
// only; the scheme must be ours too, or a page that somebody put in the way of
// http:// could write on https:// (RFC 6454, section 5).
func (s *Set) crossOrigin(c *gin.Context) {
	err := s.origins.Check(c.Request)
	if err == nil && !isRead(c.Request.Method) && !s.ownScheme(c.Request.Header) {
		err = errOrigin
	}
	if err != nil {
		Fail(c, apperr.Wrap(apperr.Forbidden, "cross_origin", err))
	}
}

var errOrigin = errors.New("middleware: the origin has another scheme or host")

func (s *Set) ownScheme(h http.Header) bool {
	origin := h.Get("Origin")
	if origin == "" || h.Get("Sec-Fetch-Site") != "" {
		return true
	}
	u, err := url.Parse(origin)
	return err == nil && u.Scheme == s.app.Scheme && s.hosts.judge(u.Host) != unknownHost
}
