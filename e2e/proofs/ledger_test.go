package proofs

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// ledger is what clients were told, and what is found of it after each crash.
type ledger struct {
	t *testing.T

	mu     sync.Mutex
	acked  map[string]int // by what was acknowledged
	whole  int            // what nobody had an answer to, and is there
	absent int            // and is not
	lost   int            // an acknowledged success that is not there
	again  int            // something ended or used that works again
	half   int            // something that is neither whole nor absent
}

func newLedger(t *testing.T) *ledger { return &ledger{t: t, acked: map[string]int{}} }

func (l *ledger) ack(what string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.acked[what]++
}

// settled counts how something turned out that had no answer.
func (l *ledger) settled(whole bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if whole {
		l.whole++
	} else {
		l.absent++
	}
}

func (l *ledger) fault(count *int, format string, args ...any) {
	l.t.Errorf(format, args...)
	l.mu.Lock()
	defer l.mu.Unlock()
	*count++
}

func (l *ledger) losing(format string, args ...any)  { l.fault(&l.lost, "LOST: "+format, args...) }
func (l *ledger) revived(format string, args ...any) { l.fault(&l.again, "REVIVED: "+format, args...) }
func (l *ledger) halved(format string, args ...any)  { l.fault(&l.half, "HALF: "+format, args...) }

// String is the ledger in one sentence.
func (l *ledger) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var names []string
	total := 0
	for name, n := range l.acked {
		names = append(names, fmt.Sprintf("%d %s", n, name))
		total += n
	}
	slices.Sort(names)
	return fmt.Sprintf("%d acknowledged (%s); %d lost, %d revived, %d half; without an answer %d were whole and %d absent",
		total, strings.Join(names, ", "), l.lost, l.again, l.half, l.whole, l.absent)
}

// client is one of those who keep the ledger, bound to one node. step does one
// thing; settle finds out after a crash, or an answer that did not come, what
// is there, and holds it against what was acknowledged.
type client interface {
	step(ctx context.Context)
	settle(ctx context.Context)
}

// hand is what all clients have.
type hand struct {
	l *ledger
	f *fleet
	n *node
	// url is where the client calls: at its node, or at a proxy.
	url string
	r   *rand.Rand
}

func (h *hand) call(ctx context.Context, method, path, bearer string, body any) answer {
	return h.f.callAt(ctx, h.url, method, path, bearer, body)
}

func (h *hand) post(ctx context.Context, path string, list ...string) answer {
	return h.call(ctx, http.MethodPost, "/api/v1"+path, "", fields(list...))
}

func (h *hand) login(ctx context.Context, email, password string) answer {
	return h.post(ctx, "/login", "username", email, "password", password)
}

func (h *hand) refresh(ctx context.Context, token string) answer {
	return h.post(ctx, "/token/refresh", "refresh_token", token)
}

// patience is how long a client asks again before it calls a server dead.
const patience = time.Minute

// sure asks until it is told yes or no. Whoever finds out what is there has
// time; busy queues are no answer.
func (h *hand) sure(ctx context.Context, try func() answer) answer {
	var a answer
	for deadline := time.Now().Add(patience); time.Now().Before(deadline) && ctx.Err() == nil; time.Sleep(20 * time.Millisecond) {
		if a = try(); a.done() || a.refused() {
			return a
		}
	}
	if ctx.Err() == nil {
		h.l.t.Errorf("neither yes nor no for %v: %v", patience, a)
	}
	return a
}

// comes in is whether somebody can sign in.
func (h *hand) comesIn(ctx context.Context, email, password string) bool {
	return h.sure(ctx, func() answer { return h.login(ctx, email, password) }).done()
}

// alive tells of a session whether its access token and its refresh token work.
func (h *hand) alive(ctx context.Context, s pair) (access, refresh bool) {
	access = h.sure(ctx, func() answer { return h.call(ctx, http.MethodGet, "/auth", s.access, nil) }).done()
	refresh = h.sure(ctx, func() answer { return h.refresh(ctx, s.refresh) }).done()
	return access, refresh
}

// pair is the two tokens of a session.
type pair struct{ access, refresh string }

func pairOf(a answer) pair { return pair{a.text("access_token"), a.text("refresh_token")} }

// crew are the clients, and what they have running beside the server.
type crew struct {
	l       *ledger
	clients []client
	running commands
}

// work lets every client work until ctx ends.
func (c *crew) work(ctx context.Context) *sync.WaitGroup {
	var all sync.WaitGroup
	for _, each := range c.clients {
		all.Go(func() {
			for ctx.Err() == nil {
				each.step(ctx)
				wait(ctx, 2*time.Millisecond) // a dead server is not asked a million times
			}
		})
	}
	return &all
}

// settle lets every client look at what is there.
func (c *crew) settle(ctx context.Context) {
	var all sync.WaitGroup
	for _, each := range c.clients {
		all.Go(func() { each.settle(ctx) })
	}
	all.Wait()
}

// commands are the commands of the product that run now.
type commands struct {
	mu   sync.Mutex
	list map[*exec.Cmd]bool
}

func (c *commands) run(cmd *exec.Cmd) error {
	c.mu.Lock()
	if c.list == nil {
		c.list = map[*exec.Cmd]bool{}
	}
	err := cmd.Start()
	c.list[cmd] = err == nil
	c.mu.Unlock()
	if err == nil {
		err = cmd.Wait()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.list, cmd)
	return err
}

// kill ends (-9) those that a coin says.
func (c *commands) kill(r *rand.Rand) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for cmd, started := range c.list {
		if started && r.IntN(2) == 0 {
			_ = cmd.Process.Kill()
		}
	}
}

// newCrew is one client of each kind for each seat; seats are bound to nodes in
// turn, and use people of their own.
func newCrew(f *fleet, l *ledger, seed uint64, seats int, commandsToo bool) *crew {
	c := &crew{l: l}
	for seat := range seats {
		n := f.nodes[seat%len(f.nodes)]
		of := func(kind uint64) *hand {
			return &hand{l: l, f: f, n: n, url: n.url(), r: rand.New(rand.NewPCG(seed, uint64(seat)<<8|kind))}
		}
		c.clients = append(c.clients,
			&signUps{hand: of(1), seat: seat},
			&passwordChanges{hand: of(2), email: nth("changes", seat), password: peoplePassword},
			&refreshes{hand: of(3), email: nth("refreshes", seat)},
			&logouts{hand: of(4), email: nth("leaves", seat)},
			&personalTokens{hand: of(5), email: nth("makes", seat), live: map[string]string{}},
			&secondFactors{hand: of(6), kind: "app", next: seat, seats: seats},
			&secondFactors{hand: of(7), kind: "paper", next: seat, seats: seats},
		)
		if commandsToo {
			c.clients = append(c.clients, &switches{hand: of(8), email: nth("switched", seat), c: &c.running})
		}
	}
	return c
}

// peopleOf are those whom the seats of a crew use.
func peopleOf(seats, rounds int) map[string]int {
	some := max(40, 12*rounds)
	return map[string]int{"changes": seats, "refreshes": seats, "leaves": seats, "makes": seats, "switched": seats, "app": seats * some, "paper": seats * some}
}
