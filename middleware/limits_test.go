package middleware

import (
	"net/http"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
)

// The deadline of a request reaches whoever is given its context, which is
// every statement (rule 24).
func TestEveryRequestThatMayTouchTheDatabaseHasAnEnd(t *testing.T) {
	s, _ := newSet(t, nil)
	for name, chain := range map[string][]gin.HandlerFunc{"page": s.Page(), "either": s.Either(), "api": s.API()} {
		got := serve(s, chain, ask(http.MethodGet, "/x"), func(c *gin.Context) error {
			end, ok := c.Request.Context().Deadline()
			if left := time.Until(end); !ok || left <= 0 || left > 30*time.Second {
				t.Errorf("%s: an end %v, in %s", name, ok, left)
			}
			return fine(c)
		})
		if got.Code != http.StatusOK {
			t.Errorf("%s: got %d", name, got.Code)
		}
	}
}
