package testserver

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"gatehouse/internal/testkit"
)

// EnvNodesFound names the folder into which Report writes its finding.
const EnvNodesFound = "GATEHOUSE_TEST_NODES_FOUND"

// counts is what the tests of this process did with several nodes.
var counts = tally{several: map[string]bool{}, one: map[string]bool{}}

type tally struct {
	mu           sync.Mutex
	several, one map[string]bool // tests, by name
	requests     []int           // to each node
	drawn        bool
	chances      uint64
}

// seed is one for the whole process.
func (c *tally) seed(t testing.TB) uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.drawn {
		c.drawn, c.chances = true, testkit.Seed(t)
	}
	return c.chances
}

func (c *tally) server(s *Server, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	test, _, _ := strings.Cut(s.T.Name(), "/")
	switch {
	case n > 1:
		c.several[test] = true
		c.requests = append(c.requests, make([]int, max(0, n-len(c.requests)))...)
	case s.Options.OneNode:
		c.one[test] = true
	}
}

func (c *tally) request(node int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.requests[node]++
}

// Report tells, after all tests of a package, what they did with several nodes,
// and keeps it as a finding where EnvNodesFound says so.
func Report(room string, passed bool) error {
	c := &counts
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.several) == 0 || os.Getenv(EnvNodes) == "" {
		return nil
	}
	all := 0
	for _, n := range c.requests {
		all += n
	}
	f := testkit.Finding{
		Proof: "K5", Case: "the request tests of " + room + ", each request at a node by chance", Seed: c.chances, Holds: passed,
		Tried: fmt.Sprintf("%d tests with %s nodes on one MariaDB, %d requests, to the nodes %v", len(c.several), os.Getenv(EnvNodes), all, c.requests),
		Found: "all pass; one node by their nature: none",
	}
	if len(c.one) > 0 {
		f.Found = "all pass; one node by their nature: " + strings.Join(slices.Sorted(maps.Keys(c.one)), ", ")
	}
	if !passed {
		f.Found = "not all pass: see the log"
	}
	fmt.Printf("%s, %s: %s: %s (seed %d)\n", f.Proof, f.Case, f.Tried, f.Found, f.Seed)
	return testkit.Keep(os.Getenv(EnvNodesFound), f)
}
