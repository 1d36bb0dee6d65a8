package metrics

import (
	"database/sql"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Metrics holds the collectors of one server.
type Metrics struct {
	registry      *prometheus.Registry
	requests      *prometheus.CounterVec
	answered      answered
	latency       *prometheus.HistogramVec
	signIns       *prometheus.CounterVec
	hashRunning   prometheus.Gauge
	hashQueued    prometheus.Gauge
	hashRefused   prometheus.Counter
	breachedFault prometheus.Counter
	mails         *prometheus.CounterVec
	mailQueue     prometheus.Gauge
	mailAge       prometheus.Gauge
}

// New makes collectors in a registry of their own.
func New() *Metrics {
	m := &Metrics{
		registry:    prometheus.NewRegistry(),
		requests:    counters("http_requests_total", "Answered requests.", "route", "method", "status"),
		signIns:     counters("sign_ins_total", "Sign-ins by outcome.", "outcome"),
		mails:       counters("mails_total", "Mails by outcome.", "outcome"),
		mailQueue:   gauge("mail_queue_length", "Mails that wait to be sent."),
		mailAge:     gauge("mail_queue_oldest_seconds", "How long the oldest mail has waited."),
		hashRunning: gauge("hashes_running", "Password hashes being computed."),
		hashQueued:  gauge("hashes_queued", "Password hashes that wait for a processor."),
		hashRefused: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: "gatehouse", Name: "hashes_refused_total", Help: "Password hashes refused because the queue was full.",
		}),
		breachedFault: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: "gatehouse", Name: "breached_list_faults_total", Help: "New passwords that could not be looked up in BREACHED_PASSWORDS_FILE.",
		}),
		latency: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: "gatehouse", Name: "http_request_seconds", Help: "Time to answer a request.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10},
		}, []string{"route", "method"}),
	}
	m.registry.MustRegister(m.requests, m.latency, m.signIns, m.mails, m.mailQueue, m.mailAge, m.hashRunning, m.hashQueued, m.hashRefused, m.breachedFault,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

func counters(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "gatehouse", Name: name, Help: help}, labels)
}

func gauge(name, help string) prometheus.Gauge {
	return prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "gatehouse", Name: name, Help: help})
}

// Request counts an answered request. The route is the pattern of the route
// table, never the path, which is without bound.
func (m *Metrics) Request(route, method string, status int, d time.Duration) {
	if m == nil {
		return
	}
	s := m.answered.of(answer{route, method, status}, m.seriesOf)
	s.count.Inc()
	s.latency.Observe(d.Seconds())
}

func (m *Metrics) seriesOf(a answer) series {
	return series{
		count:   m.requests.WithLabelValues(a.route, a.method, strconv.Itoa(a.status)),
		latency: m.latency.WithLabelValues(a.route, a.method),
	}
}

// SignIn counts a sign-in by its outcome: "success" or the reason of the refusal.
func (m *Metrics) SignIn(outcome string) {
	if m != nil {
		m.signIns.WithLabelValues(outcome).Inc()
	}
}

// HashRunning moves the number of password hashes being computed.
func (m *Metrics) HashRunning(delta int) {
	if m != nil {
		m.hashRunning.Add(float64(delta))
	}
}

// HashQueued moves the number of password hashes that wait.
func (m *Metrics) HashQueued(delta int) {
	if m != nil {
		m.hashQueued.Add(float64(delta))
	}
}

// HashRefused counts a password hash that found the queue full.
func (m *Metrics) HashRefused() {
	if m != nil {
		m.hashRefused.Inc()
	}
}

// BreachedFault counts a new password that could not be looked up.
func (m *Metrics) BreachedFault() {
	if m != nil {
		m.breachedFault.Inc()
	}
}

// Mail counts a try to send a mail by its outcome: sent, retried, failed, or
// server_fault when there was no server to try.
func (m *Metrics) Mail(outcome string) {
	if m != nil {
		m.mails.WithLabelValues(outcome).Inc()
	}
}

// MailQueue tells how many mails wait, and how long the oldest has.
func (m *Metrics) MailQueue(length int64, oldest time.Duration) {
	if m != nil {
		m.mailQueue.Set(float64(length))
		m.mailAge.Set(oldest.Seconds())
	}
}

// Handler serves the registry in the format that the client asks for.
func (m *Metrics) Handler() http.Handler {
	if m == nil {
		return http.NotFoundHandler()
	}
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

// DBPool reads the connection pool whenever somebody asks. Only the first pool
// counts.
func (m *Metrics) DBPool(stats func() sql.DBStats) {
	if m != nil {
		_ = m.registry.Register(newPoolCollector(stats))
	}
}
