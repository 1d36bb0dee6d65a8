package handlers

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"gatehouse/middleware"
	"gatehouse/verify"
)

// auth answers GET /auth, the smallest guarded endpoint. It is also the
// measure of how little a checked token costs, so its JSON is put together by
// hand: no reflection, one allocation.
func (a *app) auth(c *gin.Context) error {
	body := authBody(make([]byte, 0, 320), middleware.Principal(c))
	writeJSON(c, body)
	return nil
}

func authBody(b []byte, p *verify.Principal) []byte {
	b = append(b, `{"message":"This token is good: you are signed in.","sub":`...)
	b = appendString(b, p.Subject)
	b = append(b, `,"sid":`...)
	b = appendString(b, p.SessionID)
	b = append(b, `,"scope":`...)
	b = appendString(b, strings.Join(p.Scope, " "))
	b = append(b, `,"roles":[`...)
	for i, role := range p.Roles {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, role)
	}
	b = append(b, `],"expires_at":"`...)
	b = p.ExpiresAt.UTC().AppendFormat(b, time.RFC3339)
	return append(b, `"}`...)
}

// appendString writes a JSON string; what is not plain is left to the library.
func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= 0x7f || c == '"' || c == '\\' {
			quoted, _ := json.Marshal(s) // a string always marshals
			return append(b, quoted...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

var jsonType = []string{"application/json; charset=utf-8"}

// writeJSON sends a body that is ready; a failed write means that nobody
// reads it.
func writeJSON(c *gin.Context, body []byte) {
	c.Writer.Header()["Content-Type"] = jsonType
	_, _ = c.Writer.Write(body)
}
