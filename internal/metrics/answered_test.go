package metrics_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"gatehouse/internal/metrics"
)

func TestRequestsThatComeAtOnceAreAllCountedWhereTheyBelong(t *testing.T) {
	m := metrics.New()
	var all sync.WaitGroup
	for range 32 {
		all.Go(func() {
			for range 10 {
				m.Request("/auth", "GET", 200, time.Millisecond)
				m.Request("/auth", "GET", 401, time.Millisecond)
				m.Request("/auth", "HEAD", 200, time.Millisecond)
				m.Request("/login", "GET", 200, time.Millisecond)
			}
		})
	}
	all.Wait()
	got := scrape(t, m)
	for _, want := range []string{
		`gatehouse_http_requests_total{method="GET",route="/auth",status="200"} 320`,
		`gatehouse_http_requests_total{method="GET",route="/auth",status="401"} 320`,
		`gatehouse_http_requests_total{method="HEAD",route="/auth",status="200"} 320`,
		`gatehouse_http_requests_total{method="GET",route="/login",status="200"} 320`,
		`gatehouse_http_request_seconds_count{method="GET",route="/auth"} 640`,
		`gatehouse_http_request_seconds_count{method="HEAD",route="/auth"} 320`,
	} {
		if !strings.Contains(got, want+"\n") {
			t.Errorf("%q is missing", want)
		}
	}
}
