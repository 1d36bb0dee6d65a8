package testserver

import (
	"context"
	"hash/fnv"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

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
		if os.Getenv(EnvNodes) != "" && !testkit.HasMySQL() {
			t.Fatalf("%s without %s: nothing would run", EnvNodes, testkit.EnvMySQL)
		}
		return testkit.MySQLURL(t)
	}
	return testkit.SQLiteURL(t)
}

// spread adds the other nodes, and has each of them follow the log as a server
// does. Each has everything of its own but the clock, the log that the test
// reads, and the limits that are kept in memory: those are each node's own in
// the product too, and a test of a limit would count to another number.
func (s *Server) spread() {
	s.T.Helper()
	s.Nodes = []*Server{s}
	n := nodes(s.T, s.Options)
	counts.server(s, n)
	if n == 1 {
		return
	}
	handle := []http.Handler{s.Handler}
	for len(s.Nodes) < n {
		other := &Server{T: s.T, Options: s.Options, Clock: s.Clock, Log: s.Log, Limits: s.Limits}
		other.DB = testkit.Open(s.T, s.Options.DatabaseURL, s.Clock.Now)
		other.build()
		s.Nodes, handle = append(s.Nodes, other), append(handle, other.Handler)
	}
	s.runLogs()
	pick := s.chance(n)
	s.Handler = http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		i := pick()
		counts.request(i)
		s.Nodes[i].follow()
		handle[i].ServeHTTP(w, req)
	})
}

// chance chooses the node of each request. A test has its own choices, out of
// the seed of the run and its name, so that they can be repeated with that test
// alone.
func (s *Server) chance(n int) func() int {
	name := fnv.New64a()
	_, _ = name.Write([]byte(s.T.Name()))
	r, mu := rand.New(rand.NewPCG(counts.seed(s.T), name.Sum64())), sync.Mutex{}
	return func() int {
		mu.Lock()
		defer mu.Unlock()
		return r.IntN(n)
	}
}

// Follow has every node follow the log, acks and all, until the test ends.
// Several nodes do so by themselves; one node only where a test asks for it.
func (s *Server) Follow() {
	if len(s.Nodes) == 1 {
		s.runLogs()
	}
}

// runLogs goes on after the test's context has ended: what a test closes last,
// a service that leaves say, is still answered.
func (s *Server) runLogs() {
	ctx, stop := context.WithCancel(context.WithoutCancel(s.T.Context()))
	var running sync.WaitGroup
	for _, each := range s.Nodes {
		running.Go(func() { each.Tokens.Log.Run(ctx) })
	}
	s.T.Cleanup(func() {
		stop()
		running.Wait()
	})
}

// StopFeeds ends the streams of every node, as a server does when it stops.
func (s *Server) StopFeeds() {
	for _, each := range s.Nodes {
		each.Tokens.Feed.Stop()
	}
}

// FlushUses has every node write what it knows of uses of personal tokens.
func (s *Server) FlushUses() {
	s.T.Helper()
	for _, each := range s.Nodes {
		s.must(each.Tokens.Personal.Flush(s.T.Context()))
	}
}

// follow lets the honest second pass in which a node hears of what others did:
// endings, keys and services. Everything else (sessions, accounts, codes) is in
// the database and needs no time.
func (s *Server) follow() {
	s.T.Helper()
	s.Tokens.Services.Forget()
	ctx := context.WithoutCancel(s.T.Context())
	for _, read := range []func(context.Context) error{s.Tokens.Log.Poll, s.Keys.Reload} {
		// Where a test lets days pass, the row of a node was taken for a dead
		// one's, and the node needs a moment to register again.
		err := read(ctx)
		for tries := 0; err != nil && tries < 100; tries++ {
			time.Sleep(10 * time.Millisecond)
			err = read(ctx)
		}
		if err != nil {
			s.T.Errorf("a node cannot read what the others did: %v", err)
		}
	}
}
