package metrics

import (
	"maps"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// answer is what tells the series of one request from those of others.
type answer struct {
	route, method string
	status        int
}

// series is where such a request is counted.
type series struct {
	count   prometheus.Counter
	latency prometheus.Observer
}

// answered remembers the series of every kind of request that has come, so that
// one more is a look-up in a map that never changes: the library would hash and
// compare the labels of every request under a lock, twice. There are as many as
// routes with their methods and statuses.
type answered struct {
	known  atomic.Pointer[map[answer]series]
	adding sync.Mutex
}

func (l *answered) of(a answer, resolve func(answer) series) series {
	if known := l.known.Load(); known != nil {
		if s, ok := (*known)[a]; ok {
			return s
		}
	}
	return l.add(a, resolve(a))
}

func (l *answered) add(a answer, s series) series {
	l.adding.Lock()
	defer l.adding.Unlock()
	next := map[answer]series{}
	if known := l.known.Load(); known != nil {
		next = maps.Clone(*known)
	}
	next[a] = s
	l.known.Store(&next)
	return s
}
