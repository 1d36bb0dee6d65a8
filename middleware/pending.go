package middleware

import (
	"encoding/json"
	"mime"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/gin-contrib/sessions"
	"github.com/gin-gonic/gin"
)

const (
	// keptForm is where the session of a browser has a form that was refused
	// for want of a fresh proof. The row is sealed.
	keptForm = "pending_form"
	// keptFormFor is how long it is offered again.
	keptFormFor = 10 * time.Minute
	// keptFormMost keeps it well below what a session holds.
	keptFormMost = 2 << 10
)

// Pending is a form that waits for a proof: to where it was posted, and what
// was in it. Nothing is done with it before a person presses its button.
type Pending struct {
	Path   string     `json:"p"`
	Fields url.Values `json:"f"`
	At     int64      `json:"t"`
}

// keepForm keeps the form of a POST that is refused, so that nobody types it
// twice. One that has a secret in it is never kept, and neither is a long one:
// its page is shown empty then. A button alone is on its page again.
func (s *Set) keepForm(c *gin.Context) error {
	if isRead(c.Request.Method) {
		return nil
	}
	kind, _, err := mime.ParseMediaType(c.Request.Header.Get("Content-Type"))
	if err != nil || kind != "application/x-www-form-urlencoded" {
		return nil
	}
	body, err := readBody(c.Request)
	if err != nil {
		return err
	}
	fields, err := url.ParseQuery(string(body))
	if err != nil || len(fields) == 0 || len(body) > keptFormMost || hasSecret(fields) {
		return nil
	}
	packed, err := json.Marshal(Pending{Path: backTo(c), Fields: fields, At: s.Clock().Unix()})
	if err != nil {
		return err
	}
	session := sessions.Default(c)
	session.Set(keptForm, string(packed))
	return session.Save()
}

// hasSecret reports whether a form has a field that must not be written down.
func hasSecret(fields url.Values) bool {
	for name := range fields {
		if strings.Contains(name, "password") || slices.Contains([]string{"code", "token", "secret", "credential"}, name) {
			return true
		}
	}
	return false
}

// PendingForm is the form that waits in the session of a browser; ok is false
// when there is none, or one that has waited for too long.
func (s *Set) PendingForm(c *gin.Context) (p Pending, ok bool) {
	packed, _ := sessions.Default(c).Get(keptForm).(string)
	if packed == "" || json.Unmarshal([]byte(packed), &p) != nil {
		return Pending{}, false
	}
	age := s.Clock().Sub(time.Unix(p.At, 0))
	return p, age >= -keptFormFor && age <= keptFormFor && LocalPath(p.Path, "") != ""
}

// forget drops the form that was waiting when one gets past its guard. What
// cannot be dropped is offered for some minutes more, and no worse.
func forget(c *gin.Context) {
	if isRead(c.Request.Method) || !Session(c).SignedIn() {
		return
	}
	session := sessions.Default(c)
	if session.Get(keptForm) == nil {
		return
	}
	session.Delete(keptForm)
	_ = session.Save()
}
