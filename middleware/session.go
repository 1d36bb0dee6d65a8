package middleware

import (
	"github.com/gin-contrib/sessions"
	"github.com/gin-gonic/gin"

	"gatehouse/internal/websession"
	"gatehouse/tokens"
)

// session puts the web session on the request, unread.
func (s *Set) session() gin.HandlerFunc {
	return sessions.Sessions(s.Sessions.CookieName(), s.Sessions)
}

// loadSession reads the row at once when the browser sends a cookie, because
// every page shows who is signed in; a visitor without one costs nothing. A
// database that does not answer is 503: never "signed out", which would send
// people to a login that cannot work.
func (s *Set) loadSession(c *gin.Context) {
	if !s.Sessions.HasCookie(c.Request) {
		return
	}
	if _, err := websession.Load(c); err != nil {
		Fail(c, err)
	}
}

// Session is the web session of the request; nil for a visitor without one.
func Session(c *gin.Context) *tokens.Session {
	if _, attached := c.Get(sessions.DefaultKey); !attached {
		return nil // the request failed before its session was looked at
	}
	return websession.Current(c)
}
