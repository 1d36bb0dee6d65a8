package handlers

import (
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
)

// chunk is how much of a long answer must be taken within writeTime.
const (
	chunk     = 256 << 10
	writeTime = 30 * time.Second
)

var octets = []string{"application/octet-stream"}

// apiRevocations answers GET /api/v1/revocations: the signed snapshot of
// everything that is ended.
func (a *app) apiRevocations(c *gin.Context) error {
	s, err := a.Tokens.Feed.Snapshot(c.Request.Context())
	if err != nil {
		return err
	}
	h := c.Writer.Header()
	h["Cache-Control"] = []string{"private, no-cache"}
	h["Etag"] = []string{s.ETag}
	if match := c.Request.Header["If-None-Match"]; len(match) > 0 && matches(match, s.ETag) {
		c.Status(http.StatusNotModified)
		return nil
	}
	h["Content-Type"] = octets
	a.writeLong(c, s.Head, s.Entries)
	return nil
}

// writeLong gives each part of a long answer its own time, so that a big one
// on a slow line is not cut off by a limit that is made for small ones. A
// failed write means that nobody reads.
func (a *app) writeLong(c *gin.Context, parts ...[]byte) {
	control := http.NewResponseController(c.Writer)
	for _, rest := range parts {
		for len(rest) > 0 {
			n := min(chunk, len(rest))
			_ = control.SetWriteDeadline(a.Wall().Add(writeTime)) // not every writer has one
			if _, err := c.Writer.Write(rest[:n]); err != nil {
				return
			}
			rest = rest[n:]
		}
	}
}

// apiRevocationKeys answers GET /api/v1/revocations/keys: the keys that sign
// snapshots and answers. They stand apart from those of access tokens, so that
// a stolen token key forges no snapshot.
func (a *app) apiRevocationKeys(c *gin.Context) error {
	body, etag := a.Tokens.Feed.Keys()
	document{body: body, etag: []string{etag}, kind: jwksType}.serve(c)
	return nil
}
