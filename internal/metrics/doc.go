// Package metrics counts what the server does, for Prometheus.
//
// It owns the collectors and their names, and hands out typed functions, so
// that no caller knows a label by name. Every method works on a nil *Metrics
// and then does nothing. [Metrics.Handler] serves the registry on the listener
// for metrics; nothing is registered globally.
package metrics
