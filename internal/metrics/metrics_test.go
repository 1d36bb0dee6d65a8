package metrics_test

import (
	"database/sql"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"gatehouse/internal/metrics"
)

func scrape(t *testing.T, m *metrics.Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	return w.Body.String()
}

func TestWhatWasCountedIsServed(t *testing.T) {
	m := metrics.New()
	m.Request("/login", "POST", 303, 3*time.Millisecond)
	m.SignIn("success")
	m.SignIn("invalid_credentials")
	m.HashRunning(2)
	m.HashRunning(-1)
	m.HashQueued(3)
	m.HashRefused()
	m.BreachedFault()
	m.Mail("sent")
	m.DBPool(func() sql.DBStats {
		return sql.DBStats{OpenConnections: 4, InUse: 2, WaitCount: 7, WaitDuration: 1500 * time.Millisecond}
	})
	m.DBPool(func() sql.DBStats { return sql.DBStats{OpenConnections: 99} }) // only the first counts
	got := scrape(t, m)
	for _, want := range []string{
		`gatehouse_http_requests_total{method="POST",route="/login",status="303"} 1`,
		`gatehouse_http_request_seconds_count{method="POST",route="/login"} 1`,
		`gatehouse_sign_ins_total{outcome="success"} 1`,
		`gatehouse_sign_ins_total{outcome="invalid_credentials"} 1`,
		"gatehouse_hashes_running 1",
		"gatehouse_hashes_queued 3",
		"gatehouse_hashes_refused_total 1",
		`gatehouse_mails_total{outcome="sent"} 1`,
		"gatehouse_db_connections_open 4",
		"gatehouse_db_connections_busy 2",
		"gatehouse_db_waits_total 7",
		"gatehouse_db_wait_seconds_total 1.5",
		"go_goroutines",
	} {
		if !strings.Contains(got, want+"\n") && !strings.Contains(got, want+" ") {
			t.Errorf("%q is missing", want)
		}
	}
}

func TestTwoServersInOneProcessDoNotShareNumbers(t *testing.T) {
	a, b := metrics.New(), metrics.New()
	a.HashRefused()
	if strings.Contains(scrape(t, b), "hashes_refused_total 1") {
		t.Fatal("a number of one server shows up at another")
	}
}

func TestNoMetricsIsFine(t *testing.T) {
	var m *metrics.Metrics
	m.Request("/", "GET", 200, time.Second)
	m.SignIn("success")
	m.HashRunning(1)
	m.HashQueued(1)
	m.HashRefused()
	m.BreachedFault()
	m.Mail("sent")
	m.DBPool(nil)
	if m.Handler() == nil {
		t.Fatal("no handler")
	}
}
