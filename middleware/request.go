package middleware

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"gatehouse/models"
	"gatehouse/templates"
	"gatehouse/tokens"
	"gatehouse/verify"
)

// form is how a route answers.
type form uint8

const (
	asPage form = iota
	asJSON
	asAccepted // as the Accept header and the path say
)

// request is what the middleware finds out about one request. Most of it is
// found only when somebody asks, so that the hot path does not pay. It travels
// as the writer of the answer: the map that Gin keeps values in would cost a
// call of the hot path more than its token.
type request struct {
	gin.ResponseWriter
	start     time.Time
	form      form
	id        string
	lang      string
	principal *verify.Principal
	service   *models.ServiceAccount
	patient   context.Context // see Patient
	limited   bool            // a limit of the table refused the request, and the answer says which
}

// of is the state of the request. Nothing else may take the place of the writer
// while a request is answered.
func of(c *gin.Context) *request {
	if r, ok := c.Writer.(*request); ok {
		return r
	}
	r := &request{ResponseWriter: c.Writer}
	c.Writer = r
	return r
}

// Unwrap leads http.ResponseController to the connection.
func (r *request) Unwrap() http.ResponseWriter { return r.ResponseWriter }

const requestIDHeader = "X-Request-Id"

// edge is the outermost middleware: it makes the state of the request, and
// counts and logs the request once it is answered.
func (s *Set) edge(f form) gin.HandlerFunc {
	return func(c *gin.Context) {
		st := of(c)
		st.start, st.form = s.Clock(), f
		// A body in chunks may have come with a Content-Length beside it, which
		// the library has dropped without a word. A proxy that believes the
		// length would take the rest for the next request of somebody else; so
		// nothing is read behind such a body (RFC 9112, section 6.1).
		if len(c.Request.TransferEncoding) > 0 {
			c.Writer.Header()["Connection"] = closing
		}
		c.Next()
		s.observe(c, st)
	}
}

var closing = []string{"close"}

// RequestID names the request in logs, audit rows and error answers. An id
// from outside is believed only when a trusted proxy sends one and it is a
// UUID: anybody else could write lines into our logs with it.
func (s *Set) RequestID(c *gin.Context) string {
	st := of(c)
	if st.id == "" {
		st.id = s.forwardedID(c.Request)
		if st.id == "" {
			st.id = uuid.Must(uuid.NewV7()).String()
		}
	}
	return st.id
}

func (s *Set) forwardedID(r *http.Request) string {
	id := r.Header.Get(requestIDHeader)
	if len(id) != 36 || !s.trusted(peerOf(r)) {
		return ""
	}
	u, err := uuid.Parse(id)
	if err != nil {
		return ""
	}
	return u.String()
}

// Client is who asks, for the rooms.
func (s *Set) Client(c *gin.Context) tokens.Client {
	client := s.ClientOf(c.Request)
	client.RequestID = s.RequestID(c)
	client.Locale = s.Lang(c)
	client.Device = templates.Device(client.UserAgent).In(client.Locale)
	return client
}

// ClientOf is Client as far as the bare request tells.
func (s *Set) ClientOf(r *http.Request) tokens.Client {
	client := tokens.Client{UserAgent: r.UserAgent()}
	if ip := s.ClientIP(r); ip.IsValid() {
		client.IP = ip.String()
	}
	return client
}

// WantsJSON reports whether the answer is to be JSON.
func WantsJSON(c *gin.Context) bool {
	switch of(c).form {
	case asJSON:
		return true
	case asPage:
		return false
	}
	return strings.HasPrefix(c.Request.URL.Path, "/api/") || acceptsJSON(c.Request.Header.Get("Accept"))
}

// acceptsJSON is what `curl -H 'Accept: application/json'` and fetch send. A
// browser's list has text/html in it and wants the page.
func acceptsJSON(accept string) bool {
	return strings.Contains(accept, "application/json") && !strings.Contains(accept, "text/html")
}
