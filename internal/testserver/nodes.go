package testserver

import (
	"context"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"

	"gatehouse/internal/testkit"
)

// EnvNodes makes every server of a test several whole ones on one MySQL or
// MariaDB, without sticky sessions: each request goes to one of them by chance.
const EnvNodes = "GATEHOUSE_TEST_NODES"

// nodes is how many servers a test gets.
func nodes(t testing.TB, o Options) int {
	n, err := strconv.Atoi(os.Getenv(EnvNodes))
	if err != nil && os.Getenv(EnvNodes) != "" {
		t.Fatalf("%s: %v", EnvNodes, err)
	}
	if o.Nodes > 0 {
		return o.Nodes
	}
	if o.OneNode || strings.HasPrefix(o.DatabaseURL, "sqlite:") {
		return 1
	}
	return max(n, 1)
}

// databaseURL is the database of a test that does not care which one it is.
func databaseURL(t testing.TB, o Options) string {
	t.Helper()
	if nodes(t, o) > 1 {
		return testkit.MySQLURL(t)
	}
	return testkit.SQLiteURL(t)
}

// spread adds the other nodes. Each has everything of its own but the clock,
// the log that the test reads, and the limits that are kept in memory: those
// are each node's own in the product too, and a test of a limit would count to
// another number.
func (s *Server) spread() {
	s.T.Helper()
	n := nodes(s.T, s.Options)
	if n == 1 {
		return
	}
	seed := testkit.Seed(s.T)
	r, mu := rand.New(rand.NewPCG(seed, 0)), sync.Mutex{}
	all := []*Server{s}
	handle := []http.Handler{s.Handler}
	for len(all) < n {
		other := &Server{T: s.T, Options: s.Options, Clock: s.Clock, Log: s.Log, Limits: s.Limits}
		other.DB = testkit.Open(s.T, s.Options.DatabaseURL, s.Clock.Now)
		other.build()
		all, handle = append(all, other), append(handle, other.Handler)
	}
	s.Handler = http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		mu.Lock()
		i := r.IntN(n)
		mu.Unlock()
		for _, each := range all {
			each.follow()
		}
		handle[i].ServeHTTP(w, req)
	})
}

// follow lets the honest second pass in which a node hears of what others did:
// endings, keys, and when a personal token was used last. Everything else
// (sessions, accounts, codes) is in the database and needs no time.
func (s *Server) follow() {
	s.T.Helper()
	ctx := context.WithoutCancel(s.T.Context())
	for _, read := range []func(context.Context) error{s.Tokens.Log.Poll, s.Keys.Reload, s.Tokens.Personal.Flush} {
		if err := read(ctx); err != nil {
			s.T.Errorf("a node cannot read what the others did: %v", err)
		}
	}
}
