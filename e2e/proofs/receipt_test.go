package proofs

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/internal/testkit"
)

// TestAfterAFullReceiptNobodyAcceptsAnywhere ends sessions with a receipt while
// everything is under load, and tries each token everywhere from the moment of
// the receipt on.
func TestAfterAFullReceiptNobodyAcceptsAnywhere(t *testing.T) {
	url := testkit.MySQLURL(t)
	proveReceipts(t, "MariaDB", testkit.Sized([]string{url, url}, []string{url, url, url}), receiptSize{
		followers: testkit.Sized(4, 20), receipts: testkit.Sized(50, 500), tries: testkit.Sized(20_000, 1_000_000),
	})
}

func TestAfterAFullReceiptNobodyAcceptsAnywhereOnGalera(t *testing.T) {
	proveReceipts(t, "Galera", testkit.GaleraURLs(t), receiptSize{followers: 6, receipts: 60, tries: 30_000})
}

// receiptSize is how much a proof of receipts does.
type receiptSize struct{ followers, receipts, tries int }

// tally counts what the tries were answered.
type tally struct {
	revoked, unavailable, accepted atomic.Int64
	other                          atomic.Pointer[error]
}

func (c *tally) count(err error) {
	switch {
	case err == nil:
		c.revoked.Add(1)
	case errors.Is(err, errAccepted):
		c.accepted.Add(1)
	default:
		c.unavailable.Add(1)
		c.other.Store(&err)
	}
}

func proveReceipts(t *testing.T, where string, databases []string, size receiptSize) {
	f := newFleet(t, databases...)
	seed := testkit.Seed(t)
	services := f.followers(size.followers, 30*time.Second)
	list := f.mint(size.receipts)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var load sync.WaitGroup
	answered := f.load(ctx, &load, services, rand.New(rand.NewPCG(seed, 1)))

	var c tally
	var took []time.Duration
	perToken := size.tries / size.receipts
	for i, s := range list {
		f.acceptedBefore(s, services)
		r, err := f.endAndWait(ctx, f.nodes[i%len(f.nodes)], s)
		if err != nil {
			t.Fatal(err)
		}
		if !r.Complete || r.Acknowledged != r.Nodes+r.Subscribers || r.Fenced != 0 || r.Nodes != len(f.nodes) || r.Subscribers != len(services) {
			t.Fatalf("not a full receipt: %+v, pending %s\n%s", r, r.Pending, f.said())
		}
		took = append(took, time.Duration(r.ElapsedMS)*time.Millisecond)
		f.tryEverywhere(ctx, s, services, perToken, &c)
	}
	stop()
	load.Wait()
	if n := c.accepted.Load(); n > 0 {
		t.Errorf("%d tries after a full receipt were accepted", n)
	}
	if err := c.other.Load(); err != nil {
		t.Errorf("%d tries were answered otherwise, such as %v", c.unavailable.Load(), *err)
	}
	if int(c.revoked.Load()) < size.tries {
		t.Errorf("%d tries, want %d", c.revoked.Load(), size.tries)
	}
	slices.Sort(took)
	testkit.Found(t, testkit.Finding{Proof: "A", Case: fmt.Sprintf("%s, %d nodes, %d services", where, len(f.nodes), len(services)), Seed: seed,
		Tried: fmt.Sprintf("%d endings with a full receipt, then %d tries with their tokens, beside %d other requests and endings", size.receipts, c.revoked.Load(), answered.Load()),
		Found: fmt.Sprintf("%d accepted; receipt after p50 %v, p99 %v, max %v", c.accepted.Load(), share(took, 0.5), share(took, 0.99), share(took, 1))})
}

// said is what the nodes printed.
func (f *fleet) said() (all string) {
	for _, n := range f.nodes {
		all += fmt.Sprintf("%s:\n%s\n", n.name, n.out)
	}
	return all
}

// acceptedBefore fails unless every place accepts the token: only then does a
// refusal after the receipt show anything.
func (f *fleet) acceptedBefore(s session, services []*service) {
	f.t.Helper()
	for _, v := range services {
		if err := v.refuses(f.t.Context(), s.token); !errors.Is(err, errAccepted) {
			f.t.Fatalf("%s, before the end: %v", v.name, err)
		}
	}
	for _, n := range f.nodes {
		if err := f.refused(f.t.Context(), n, s.token); !errors.Is(err, errAccepted) {
			f.t.Fatalf("%s, before the end: %v", n.name, err)
		}
	}
}

// tryEverywhere tries a token at all places at once: a tenth of the tries goes
// to the nodes over sockets, the rest to the services.
func (f *fleet) tryEverywhere(ctx context.Context, s session, services []*service, tries int, c *tally) {
	var all sync.WaitGroup
	overSockets := max(1, tries/10/len(f.nodes))
	for _, n := range f.nodes {
		all.Go(func() {
			for range overSockets {
				c.count(f.refused(ctx, n, s.token))
			}
		})
	}
	atServices := (tries-overSockets*len(f.nodes))/len(services) + 1
	for _, v := range services {
		all.Go(func() {
			for range atServices {
				c.count(v.refuses(ctx, s.token))
			}
		})
	}
	all.Wait()
}

// load keeps nodes and services busy: requests with a live token everywhere,
// and endings without a receipt.
func (f *fleet) load(ctx context.Context, running *sync.WaitGroup, services []*service, r *rand.Rand) *atomic.Int64 {
	live, n := f.mint(1)[0], &atomic.Int64{}
	others := f.mint(testkit.Sized(200, 4000))
	running.Go(func() {
		for i, s := range others {
			if _, err := f.end(ctx, f.nodes[i%len(f.nodes)], s); err != nil {
				if ctx.Err() == nil {
					f.t.Error(err)
				}
				return
			}
			n.Add(1)
			wait(ctx, time.Duration(10+r.IntN(20))*time.Millisecond)
		}
	})
	for _, node := range f.nodes {
		running.Go(func() {
			for ctx.Err() == nil {
				if status, body, err := f.ask(ctx, node, http.MethodGet, "/auth", live.token); err == nil && status != http.StatusOK {
					f.t.Errorf("%s answers a live token %d: %s", node.name, status, body)
					return
				}
				n.Add(1)
				wait(ctx, 2*time.Millisecond)
			}
		})
	}
	for _, s := range services {
		running.Go(func() {
			for ctx.Err() == nil {
				if err := s.refuses(ctx, live.token); !errors.Is(err, errAccepted) && ctx.Err() == nil {
					f.t.Errorf("%s, a live token: %v", s.name, err)
					return
				}
				n.Add(1)
				wait(ctx, 5*time.Millisecond)
			}
		})
	}
	return n
}
