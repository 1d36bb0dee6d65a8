package handlers_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/gin-gonic/gin"

	"gatehouse/internal/testserver"
)

// nothing is an answer that costs as little as one can.
type nothing struct{ h http.Header }

func (n *nothing) Header() http.Header         { return n.h }
func (n *nothing) Write(b []byte) (int, error) { return len(b), nil }
func (n *nothing) WriteHeader(int)             {}

// quiet is the log of a server in use.
func quiet(o *testserver.Options) { o.Quiet = true }

func run(b *testing.B, h http.Handler, r *http.Request) {
	b.ReportAllocs()
	w := &nothing{h: http.Header{}}
	for b.Loop() {
		clear(w.h)
		h.ServeHTTP(w, r)
	}
}

func BenchmarkHello(b *testing.B) {
	gin.SetMode(gin.ReleaseMode)
	engine := gin.New()
	engine.GET("/", func(c *gin.Context) { c.String(200, "hello") })
	run(b, engine, httptest.NewRequest("GET", "/", nil))
}

func BenchmarkAuthWithATokenSeenBefore(b *testing.B) {
	s := testserver.New(b, quiet)
	s.User(mara, "mara", password)
	p := s.Program().Login("mara", password)
	run(b, s.Handler, s.Request("GET", "/auth", "", "Authorization", "Bearer "+p.Access))
}

func BenchmarkKeySet(b *testing.B) {
	s := testserver.New(b, quiet)
	run(b, s.Handler, s.Request("GET", "/.well-known/jwks.json", ""))
}

func BenchmarkLoginPage(b *testing.B) {
	s := testserver.New(b, quiet)
	run(b, s.Handler, s.Request("GET", "/login", ""))
}
