package proofs

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"gatehouse/internal/testkit"
	"gatehouse/verify"
)

// TestEverythingRestartedAtOnceRevivesNothing kills all nodes in the moment in
// which the last endings were answered, while services are closed, and starts
// all of it again: no ended token is accepted, from the first answer on.
func TestEverythingRestartedAtOnceRevivesNothing(t *testing.T) {
	testkit.EachURL(t, func(t *testing.T, url string) {
		where, urls := "SQLite, one node", []string{url}
		if testkit.HasMySQL() && url[:5] == "mysql" {
			urls = testkit.Sized([]string{url, url}, []string{url, url, url})
			where = fmt.Sprintf("MariaDB, %d nodes", len(urls))
		}
		restartAll(t, where, urls)
	})
	t.Run("galera", func(t *testing.T) {
		restartAll(t, "Galera, 3 nodes", testkit.GaleraURLs(t))
	})
}

func restartAll(t *testing.T, where string, urls []string) {
	f := newFleet(t, urls...)
	rounds, each := testkit.Sized(1, 5), testkit.Sized(50, 200)
	var over []ending
	live := f.mint(1)[0]
	services := testkit.Sized(1, 4)
	for range rounds {
		before := f.followers(services, 30*time.Second)
		over = append(over, f.endAtOnce(f.mint(each))...)
		for _, n := range f.nodes {
			n.kill() // right after the last answer: most are not sealed yet
		}
		for _, s := range before {
			s.Close()
		}
		for _, n := range f.nodes {
			n.launch()
		}
		after := make([]*service, services)
		for i := range after {
			n := f.nodes[i%len(f.nodes)]
			after[i] = f.follow(n, n.url(), 30*time.Second)
		}
		f.neverAccepted(over, after)
		for _, n := range f.nodes {
			if status, body, err := f.ask(t.Context(), n, http.MethodGet, "/auth", live.token); err != nil || status != http.StatusOK {
				t.Errorf("%s answers a live token %d, %v: %s", n.name, status, err, body)
			}
		}
	}
	testkit.Found(t, testkit.Finding{Proof: "C2", Case: where,
		Tried: fmt.Sprintf("%d times %d endings, then all nodes killed (-9) and all services closed at once, and started again", rounds, each),
		Found: fmt.Sprintf("none of %d ended tokens accepted by a node or by %d new services, from the first answer on", len(over), services)})
}

// endAtOnce ends all of a list, at all nodes at the same time.
func (f *fleet) endAtOnce(list []session) []ending {
	over := make([]ending, len(list))
	var all sync.WaitGroup
	limit := make(chan struct{}, 16)
	for i, s := range list {
		limit <- struct{}{}
		all.Go(func() {
			defer func() { <-limit }()
			n := f.nodes[i%len(f.nodes)]
			at, err := f.end(f.t.Context(), n, s)
			if err != nil {
				f.t.Error(err)
			}
			over[i] = ending{s, at, n}
		})
	}
	all.Wait()
	return over
}

// neverAccepted tries all ended tokens everywhere, from the moment in which
// the processes were started until every place refuses every token.
func (f *fleet) neverAccepted(over []ending, services []*service) {
	f.t.Helper()
	var all sync.WaitGroup
	ctx, stop := context.WithTimeout(f.t.Context(), time.Minute)
	defer stop()
	settle := func(refused func(context.Context, string) error) {
		for _, e := range over {
			for ctx.Err() == nil {
				err := refused(ctx, e.token)
				if errors.Is(err, errAccepted) {
					f.t.Error("an ended token was accepted after the restart")
					return
				}
				if err == nil {
					break
				}
				time.Sleep(2 * time.Millisecond) // not listening yet, not ready, or no view yet
			}
		}
		if ctx.Err() != nil {
			f.t.Error("not every place refuses all that was ended, a minute after the restart")
		}
	}
	for _, n := range f.nodes {
		all.Go(func() {
			settle(func(ctx context.Context, token string) error { return f.refused(ctx, n, token) })
		})
	}
	for _, s := range services {
		all.Go(func() {
			settle(func(ctx context.Context, token string) error {
				if err := s.refuses(ctx, token); !errors.Is(err, verify.ErrUnavailable) {
					return err
				}
				return verify.ErrUnavailable
			})
		})
	}
	all.Wait()
}
