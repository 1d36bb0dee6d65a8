package middleware

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/gin-gonic/gin"

	"gatehouse/verify"
)

// Streams set a deadline for each of their writes and answer line by line.
func TestAHandlerReachesItsConnectionThroughTheStateOfItsRequest(t *testing.T) {
	s, _ := newSet(t, nil)
	engine := gin.New()
	// The answer is with the client before its handler has ended.
	found := make(chan [2]error, 1)
	engine.GET("/", append(s.Public(), Handle(func(c *gin.Context) error {
		control := http.NewResponseController(c.Writer)
		found <- [2]error{control.SetWriteDeadline(time.Now().Add(time.Minute)), control.Flush()}
		return nil
	}))...)
	server := httptest.NewServer(engine)
	defer server.Close()
	res, err := http.Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if got := <-found; got != [2]error{} {
		t.Errorf("the deadline: %v; the flush: %v", got[0], got[1])
	}
}

// Gin uses its contexts again for other requests.
func TestARequestKnowsNothingOfTheOneBeforeIt(t *testing.T) {
	s, _ := newSet(t, nil)
	engine := gin.New()
	engine.GET("/", append(s.Public(), Handle(func(c *gin.Context) error {
		if of(c).principal != nil || of(c).id != "" {
			t.Error("somebody else's state is here")
		}
		of(c).principal = &verify.Principal{Subject: "mara"}
		_ = s.RequestID(c)
		return nil
	}))...)
	for range 100 {
		engine.ServeHTTP(httptest.NewRecorder(), ask("GET", "/"))
	}
}
