package metrics

import (
	"database/sql"

	"github.com/prometheus/client_golang/prometheus"
)

// poolCollector turns sql.DBStats into metrics at the moment of reading.
type poolCollector struct {
	stats            func() sql.DBStats
	open, busy       *prometheus.Desc
	waits, waitTimes *prometheus.Desc
}

func newPoolCollector(stats func() sql.DBStats) *poolCollector {
	desc := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc("gatehouse_db_"+name, help, nil, nil)
	}
	return &poolCollector{
		stats:     stats,
		open:      desc("connections_open", "Open database connections."),
		busy:      desc("connections_busy", "Database connections in use."),
		waits:     desc("waits_total", "How often somebody waited for a database connection."),
		waitTimes: desc("wait_seconds_total", "Time spent waiting for a database connection."),
	}
}

// Describe implements prometheus.Collector.
func (p *poolCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{p.open, p.busy, p.waits, p.waitTimes} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (p *poolCollector) Collect(ch chan<- prometheus.Metric) {
	s := p.stats()
	gauge := func(d *prometheus.Desc, v float64) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v)
	}
	counter := func(d *prometheus.Desc, v float64) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v)
	}
	gauge(p.open, float64(s.OpenConnections))
	gauge(p.busy, float64(s.InUse))
	counter(p.waits, float64(s.WaitCount))
	counter(p.waitTimes, s.WaitDuration.Seconds())
}
