package proofs

import (
	"context"
	"database/sql"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"gatehouse/internal/testkit"
)

// outage is something that happens to the database.
type outage struct {
	name        string
	begin, over func()
	// reads: what only reads goes on, so that some calls are answered as ever.
	reads bool
	// short: it begins and is over in one, while calls are under way.
	short bool
}

// TestNothingFailsOpenWhileTheDatabaseIsAway stops, pauses, slows, fills up and
// restarts the database of a running server and makes it read-only. The server
// lives, says that it is not ready, answers 503 in time to whatever needs the
// database and goes on with what does not; nothing succeeds that must not; and
// afterwards all is as before.
func TestNothingFailsOpenWhileTheDatabaseIsAway(t *testing.T) {
	beside(t)
	db := startMariaDB(t)
	w := newWire(t, db.socket)
	f := planFleet(t, manyTries, db.url(w.socket))
	f.importPeople(map[string]int{"victim": 8, "app": 4, "paper": 4})
	f.nodes[0].launch()
	f.nodes[0].ready()
	f.openRooms(f.nodes[0], db.url(db.socket))
	c := newCalls(f)
	full := &hogs{db: db}
	for _, o := range []outage{
		{name: "stopped", begin: db.stop, over: db.launch},
		{name: "paused (SIGSTOP)", begin: func() { db.signal(syscall.SIGSTOP) }, over: func() { db.signal(syscall.SIGCONT) }},
		{name: "slow (3 s an answer)", begin: func() { w.slow(3 * time.Second) }, over: func() { w.slow(0) }},
		{name: "read-only", begin: func() { db.exec("SET GLOBAL read_only = 1") }, over: func() { db.exec("SET GLOBAL read_only = 0") }, reads: true},
		{name: "out of connections", begin: full.take, over: full.give},
		{name: "killed and started again at once", begin: func() { db.kill(); db.launch() }, over: func() {}, reads: true, short: true},
	} {
		c.through(o)
	}
}

// hogs take every connection that the server has.
type hogs struct {
	db   *mariadb
	pool *sql.DB
	root *sql.DB // open all the time: its end would leave a place to the node
	stop context.CancelFunc
	all  sync.WaitGroup
}

func (h *hogs) take() {
	ctx, stop := context.WithCancel(context.Background())
	h.stop = stop
	h.db.exec("SET GLOBAL max_connections = 10")
	var err error
	if h.pool, err = sql.Open("mysql", "hog@unix("+h.db.socket+")/"); err != nil {
		h.db.t.Fatal(err)
	}
	for range 12 {
		h.all.Go(func() {
			for ctx.Err() == nil {
				if c, err := h.pool.Conn(ctx); err == nil {
					<-ctx.Done()
					c.Close()
				}
				wait(ctx, time.Millisecond)
			}
		})
	}
	if h.root, err = sql.Open("mysql", "root@unix("+h.db.socket+")/"); err != nil {
		h.db.t.Fatal(err)
	}
	h.root.SetMaxOpenConns(1)
	until(h.db.t, 30*time.Second, func() error {
		_, _ = h.root.Exec("KILL USER gate@localhost")
		time.Sleep(20 * time.Millisecond)
		var left, all int
		err := h.root.QueryRow("SELECT COALESCE(SUM(user = 'gate'), 0), COUNT(*) FROM information_schema.processlist WHERE user <> 'system user'").Scan(&left, &all)
		if err != nil || left == 0 && all >= 10 {
			return err
		}
		return fmt.Errorf("%d connections of the node are left, %d in all", left, all)
	})
}

func (h *hogs) give() {
	h.stop()
	h.all.Wait()
	h.pool.Close()
	h.root.Close()
	h.db.exec("SET GLOBAL max_connections = 151")
}

// calls are the table of what is asked during an outage.
type calls struct {
	f    *fleet
	n    *node
	hand *hand
	svc  *service

	live, over        pair
	personal, ended   string // personal tokens
	cookie, endedCook string // web sessions
	attempt, usedCode string // a half sign-in, and an app code that was used
}

// asked is one row of the table.
type asked struct {
	name string
	ask  func(ctx context.Context) answer
	// never: it must not succeed, whatever the database does. The others may,
	// as long as it can be read.
	never bool
	// writes: it cannot succeed while nothing can be written.
	writes bool
	// changes: after a success it is another table.
	changes bool
}

func newCalls(f *fleet) *calls {
	n := f.nodes[0]
	c := &calls{f: f, n: n}
	c.hand = &hand{l: newLedger(f.t), f: f, n: n, url: n.url()}
	ctx := f.t.Context()
	must := func(a answer) answer {
		f.t.Helper()
		if !a.done() {
			f.t.Fatal(a)
		}
		return a
	}
	c.live = pairOf(must(c.hand.login(ctx, nth("victim", 0), peoplePassword)))
	c.over = pairOf(must(c.hand.login(ctx, nth("victim", 0), peoplePassword)))
	make := func() (id, token string) {
		a := must(f.call(ctx, n, http.MethodPost, "/api/v1/me/tokens", c.live.access, map[string]any{"name": "x", "scopes": []string{"profile:read"}}))
		return a.text("id"), a.text("token")
	}
	_, c.personal = make()
	id, token := make()
	must(f.call(ctx, n, http.MethodDelete, "/api/v1/me/tokens/"+id, c.live.access, nil))
	c.ended = token
	must(f.call(ctx, n, http.MethodPost, "/api/v1/logout", c.over.access, nil))
	f.command("", "user", "disable", nth("victim", 1))
	c.cookie, c.endedCook = c.page(), c.page()
	if a := c.form("/logout", c.endedCook); a.status != http.StatusSeeOther {
		f.t.Fatal(a)
	}
	c.usedCode = appCode(peopleSeed, time.Now())
	in := must(c.hand.login(ctx, nth("app", 0), peoplePassword))
	must(c.hand.post(ctx, "/login/totp", "attempt", in.text("attempt"), "code", c.usedCode))
	c.attempt = must(c.hand.login(ctx, nth("app", 0), peoplePassword)).text("attempt")
	c.svc = f.follow(n, n.url(), time.Minute)
	until(f.t, 30*time.Second, c.svc.Ready)
	return c
}

// page signs in with a browser and returns its cookie.
func (c *calls) page() string {
	c.f.t.Helper()
	a := c.raw(c.f.t.Context(), http.MethodPost, "/login", "", "username="+nth("victim", 0)+"&password="+peoplePassword)
	res := http.Response{Header: a.header}
	for _, each := range res.Cookies() {
		if a.status == http.StatusSeeOther && each.Value != "" {
			return each.Name + "=" + each.Value
		}
	}
	c.f.t.Fatal(a)
	return ""
}

func (c *calls) form(path, cookie string) answer {
	return c.raw(c.f.t.Context(), http.MethodPost, path, cookie, "")
}

// table is what must not succeed, and what must not succeed without a database.
func (c *calls) table() []asked {
	h := c.hand
	get := func(path, bearer string) func(context.Context) answer {
		return func(ctx context.Context) answer { return h.call(ctx, http.MethodGet, path, bearer, nil) }
	}
	post := func(path string, list ...string) func(context.Context) answer {
		return func(ctx context.Context) answer { return h.post(ctx, path, list...) }
	}
	page := func(path, cookie string) func(context.Context) answer {
		return func(ctx context.Context) answer { return c.raw(ctx, http.MethodGet, path, cookie, "") }
	}
	victim := nth("victim", 0)
	return []asked{
		{name: "a wrong password", never: true, ask: post("/login", "username", victim, "password", "not the password")},
		{name: "the password of a disabled person", never: true, ask: post("/login", "username", nth("victim", 1), "password", peoplePassword)},
		{name: "the access token of a session that ended", never: true, ask: get("/auth", c.over.access)},
		{name: "the refresh token of a session that ended", never: true, ask: post("/token/refresh", "refresh_token", c.over.refresh)},
		{name: "a personal token that ended", never: true, ask: get("/api/v1/me", c.ended)},
		{name: "the cookie of a session that ended", never: true, ask: page("/account", c.endedCook)},
		{name: "a code that was used", never: true, ask: post("/login/totp", "attempt", c.attempt, "code", c.usedCode)},
		{name: "half a sign-in as a token", never: true, ask: get("/api/v1/me", c.attempt)},
		{name: "a wrong code of a reset", never: true, ask: post("/password/reset", "attempt", c.attempt, "code", "000000", "new_password", "five plain words are here")},
		{name: "a wrong confirmation", never: true, ask: post("/verify", "attempt", c.attempt, "code", "000000")},
		{name: "an administrator's page", never: true, ask: get("/api/v1/admin/invitations", c.live.access)},
		{name: "a password", writes: true, ask: post("/login", "username", nth("victim", 2), "password", peoplePassword)},
		{name: "a sign-up", writes: true, ask: post("/register", "email", "somebody@harbour.example", "password", peoplePassword)},
		{name: "a forgotten password", writes: true, ask: post("/password/forgot", "email", nth("victim", 3))},
		{name: "a refresh", writes: true, changes: true, ask: func(ctx context.Context) answer { return h.refresh(ctx, c.live.refresh) }},
		{name: "a change of password", writes: true, changes: true, ask: func(ctx context.Context) answer {
			return h.call(ctx, http.MethodPost, "/api/v1/me/password", c.live.access, fields("current_password", peoplePassword, "new_password", "five plain words are here"))
		}},
		{name: "one's own profile", ask: get("/api/v1/me", c.live.access)},
		{name: "a personal token", ask: get("/api/v1/me", c.personal)},
		{name: "a page of one's account", ask: page("/account", c.cookie)},
	}
}

// goesOn is what needs no database.
func (c *calls) goesOn(ctx context.Context) map[string]error {
	wrong := map[string]error{}
	for _, path := range []string{"/healthz", "/.well-known/jwks.json", "/.well-known/openid-configuration", "/login", "/register", "/public", "/openapi.json"} {
		if a := c.raw(ctx, http.MethodGet, path, "", ""); a.status != http.StatusOK {
			wrong[path] = fmt.Errorf("%v", a)
		}
	}
	if _, err := c.svc.Verify(ctx, c.live.access); err != nil {
		wrong["a service's own check of a token"] = err
	}
	if err := c.svc.refuses(ctx, c.over.access); err != nil {
		wrong["a service's own check of an ended token"] = err
	}
	return wrong
}

// through takes the table through one outage.
func (c *calls) through(o outage) {
	t := c.f.t
	before := c.n.process()
	if !o.short {
		o.begin()
	}
	began := time.Now()
	ctx, stop := context.WithCancel(t.Context())
	var all sync.WaitGroup
	var asking, slowest atomic.Int64
	var once sync.Map
	for _, row := range c.table() {
		if o.short && row.changes {
			continue // it may succeed, and then the rows after it mean something else
		}
		all.Go(func() {
			for ctx.Err() == nil {
				at := time.Now()
				a := row.ask(ctx)
				took := time.Since(at)
				if ctx.Err() != nil {
					return
				}
				asking.Add(1)
				if a.status == http.StatusServiceUnavailable {
					slowest.Store(max(slowest.Load(), int64(took)))
				}
				if err := c.judge(row, o, a); err != nil {
					if _, told := once.LoadOrStore(row.name, true); !told {
						t.Errorf("database %s: %s: %v", o.name, row.name, err)
					}
				}
				wait(ctx, 20*time.Millisecond)
			}
		})
	}
	unready := time.Duration(0)
	if o.short {
		time.Sleep(200 * time.Millisecond)
		o.begin()
	} else {
		until(t, 30*time.Second, func() error {
			if isReady(c.n) {
				return fmt.Errorf("the node calls itself ready, its database being %s", o.name)
			}
			return nil
		})
		unready = time.Since(began)
		time.Sleep(testkit.Sized(time.Second, 12*time.Second)) // longer than a node trusts its view
	}
	for what, err := range c.goesOn(ctx) {
		t.Errorf("database %s: %s does not go on: %v", o.name, what, err)
	}
	stop()
	all.Wait()
	o.over()
	back := time.Now()
	until(t, 30*time.Second, func() error {
		if !isReady(c.n) {
			return fmt.Errorf("after the database was %s, the node is not ready", o.name)
		}
		return c.normal(t.Context())
	})
	again := time.Since(back)
	if after := c.n.process(); after != before {
		t.Errorf("database %s: the server is another process now", o.name)
	}
	for what, limit := range map[string][2]time.Duration{
		"not ready": {unready, 5 * time.Second}, "an answer of 503": {time.Duration(slowest.Load()), 2 * time.Second}, "normal again": {again, 5 * time.Second},
	} {
		// What is slow because the machine is busy is none of the short form's.
		if took, most := limit[0], limit[1]; took > testkit.Sized(4*most, most) {
			t.Errorf("database %s: %s after %v, want %v", o.name, what, took, most)
		}
	}
	testkit.Found(t, testkit.Finding{Proof: "K2", Case: "MariaDB " + o.name,
		Tried: fmt.Sprintf("%d calls of %d kinds meanwhile, %d of which must never succeed", asking.Load(), len(c.table()), c.nevers()),
		Found: fmt.Sprintf("none failed open; not ready after %v; slowest 503 %v; keys, pages and a service's checks went on; normal %v after its return",
			unready.Round(time.Millisecond), time.Duration(slowest.Load()).Round(time.Millisecond), again.Round(time.Millisecond))})
}

func (c *calls) nevers() (n int) {
	for _, row := range c.table() {
		if row.never {
			n++
		}
	}
	return n
}

// judge: an answer is 503 with Retry-After, or a refusal that was decided, or,
// where the database can still do it, a success that may be.
func (c *calls) judge(row asked, o outage, a answer) error {
	opened := a.err == nil && a.status < 400 && a.status != http.StatusSeeOther
	switch {
	case a.err != nil:
		return fmt.Errorf("no answer: %w", a.err)
	case opened && row.never:
		return fmt.Errorf("FAILED OPEN: %v", a)
	case opened && row.writes && o.name == "read-only", opened && !o.reads:
		return fmt.Errorf("FAILED OPEN without its database: %v", a)
	case a.status == http.StatusServiceUnavailable:
		if n, err := strconv.Atoi(a.header.Get("Retry-After")); err != nil || n < 1 {
			return fmt.Errorf("503 without Retry-After: %v", a)
		}
	case a.status >= 500:
		return fmt.Errorf("%v", a)
	case !row.never && a.status >= 300 && !o.reads: // a way to the sign-in page would sign a person out
		return fmt.Errorf("something that is right is refused for good: %v", a)
	}
	return nil
}

// normal is that what should work does, and nothing else.
func (c *calls) normal(ctx context.Context) error {
	if a := c.hand.login(ctx, nth("victim", 2), peoplePassword); !a.done() {
		return fmt.Errorf("a sign-in: %v", a)
	}
	a := c.hand.login(ctx, nth("victim", 0), peoplePassword)
	if !a.done() {
		return fmt.Errorf("a sign-in: %v", a)
	}
	c.live = pairOf(a)
	for _, row := range c.table() {
		a := row.ask(ctx)
		if row.never && (a.err != nil || a.status < 300 || a.status >= 500) {
			return fmt.Errorf("%s: %v", row.name, a)
		}
		if row.name == "a change of password" && a.done() { // and back
			in := c.hand.login(ctx, nth("victim", 0), "five plain words are here")
			back := c.hand.call(ctx, http.MethodPost, "/api/v1/me/password", in.text("access_token"), fields("current_password", "five plain words are here", "new_password", peoplePassword))
			if !back.done() {
				return fmt.Errorf("the password: %v", back)
			}
		}
	}
	if a = c.hand.login(ctx, nth("victim", 0), peoplePassword); !a.done() {
		return fmt.Errorf("a sign-in: %v", a)
	}
	c.live = pairOf(a)
	made := c.hand.call(ctx, http.MethodPost, "/api/v1/me/tokens", c.live.access, map[string]any{"name": "x", "scopes": []string{"profile:read"}})
	c.personal, c.cookie = made.text("token"), c.page()
	return nil
}
