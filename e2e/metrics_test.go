package e2e

import (
	"fmt"
	"net/http"
	"testing"
)

// What operators see has a listener of its own, and a load balancer may probe
// there; nothing of it is for everybody, and nothing of the product is there.
func TestTheListenerForOperatorsHasMetricsAndHealthAndNothingElse(t *testing.T) {
	t.Parallel()
	inside := fmt.Sprintf("127.0.0.1:%d", freePort(t))
	s := startServer(t, "METRICS_ADDR="+inside)
	for url, want := range map[string]int{
		"http://" + inside + "/metrics": http.StatusOK,
		"http://" + inside + "/healthz": http.StatusOK,
		"http://" + inside + "/readyz":  http.StatusOK,
		"http://" + inside + "/login":   http.StatusNotFound,
		"http://" + inside + "/auth":    http.StatusNotFound,
		s.url + "/metrics":              http.StatusNotFound,
		s.url + "/healthz":              http.StatusOK,
	} {
		res, err := http.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("GET %s answers %d, want %d", url, res.StatusCode, want)
		}
	}
}
