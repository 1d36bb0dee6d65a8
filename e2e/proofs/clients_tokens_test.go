package proofs

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// refreshes rotates the tokens of some families.
type refreshes struct {
	*hand
	email    string
	families []*family
}

type family struct {
	last, now pair
	used      time.Time // when last was shown first
	doubt     bool
	unseen    bool
}

const familiesEach = 6

func (f *refreshes) step(ctx context.Context) {
	if n := len(f.families); n == 0 || n < familiesEach && f.r.IntN(4) == 0 {
		if a := f.login(ctx, f.email, peoplePassword); a.done() {
			f.families = append(f.families, &family{now: pairOf(a)})
		} else if a.refused() {
			f.l.losing("the account of %s: %v", f.email, a)
		}
		return
	}
	one := f.families[f.r.IntN(len(f.families))]
	if one.doubt {
		f.look(ctx, one)
		return
	}
	at := time.Now()
	switch a := f.refresh(ctx, one.now.refresh); {
	case a.done():
		f.l.ack("refreshes")
		one.last, one.now, one.used, one.unseen = one.now, pairOf(a), at, true
	case a.refused():
		f.l.losing("a refresh token that nobody has used: %v", a)
		*one = family{}
		f.drop(one)
	case a.status == http.StatusTooManyRequests: // sixteen rotations in half a minute
		wait(ctx, 50*time.Millisecond)
	default:
		one.doubt = true
	}
}

func (f *refreshes) drop(one *family) {
	for i := range f.families {
		if f.families[i] == one {
			f.families = append(f.families[:i], f.families[i+1:]...)
			return
		}
	}
}

func (f *refreshes) settle(ctx context.Context) {
	for _, one := range append([]*family(nil), f.families...) {
		f.look(ctx, one)
	}
}

// look: what was shown before gives the same token as it did then, and what
// nobody had an answer to gives one token, however often it is asked for.
func (f *refreshes) look(ctx context.Context, one *family) {
	shown := one.last.refresh
	if one.doubt {
		shown = one.now.refresh
	} else if !one.unseen || time.Since(one.used) > 25*time.Second {
		return
	}
	at := time.Now()
	first := f.quiet(ctx, shown)
	if ctx.Err() != nil || first.status == http.StatusTooEarly {
		return
	}
	if !first.done() {
		f.l.losing("a family of refresh tokens: %v", first)
		f.drop(one)
		return
	}
	if one.doubt {
		f.l.settled(true)
		again := f.quiet(ctx, shown)
		if again.done() && again.text("refresh_token") != first.text("refresh_token") {
			f.l.halved("one refresh token has two successors")
		}
		one.last, one.now, one.used, one.doubt = one.now, pairOf(first), at, false
	} else if first.text("refresh_token") != one.now.refresh {
		f.l.losing("the successor of a refresh token is another one than was acknowledged")
	}
	if a := f.sure(ctx, func() answer { return f.call(ctx, http.MethodGet, "/auth", first.text("access_token"), nil) }); !a.done() && ctx.Err() == nil {
		f.l.losing("an access token of a family that lives: %v", a)
	}
	one.unseen = false
}

// quiet is sure for a refresh, which may be told to wait.
func (f *refreshes) quiet(ctx context.Context, token string) answer {
	return f.sure(ctx, func() answer {
		a := f.refresh(ctx, token)
		if a.err == nil && a.status == http.StatusTooManyRequests {
			a.status = http.StatusTooEarly // an answer, if not a verdict
		}
		return a
	})
}

// logouts signs in and out.
type logouts struct {
	*hand
	email string
	over  []pair
	doubt *pair
}

func (o *logouts) step(ctx context.Context) {
	if o.doubt != nil {
		o.settle(ctx)
		return
	}
	in := o.login(ctx, o.email, peoplePassword)
	if !in.done() {
		if in.refused() {
			o.l.losing("the account of %s: %v", o.email, in)
		}
		return
	}
	s := pairOf(in)
	switch a := o.call(ctx, http.MethodPost, "/api/v1/logout", s.access, nil); {
	case a.done():
		o.l.ack("logouts")
		o.over = append(o.over, s)
	case a.refused():
		o.l.losing("a session that was acknowledged: %v", a)
	default:
		o.doubt = &s
	}
}

func (o *logouts) settle(ctx context.Context) {
	if o.doubt != nil {
		access, refresh := o.alive(ctx, *o.doubt)
		if ctx.Err() != nil {
			return
		}
		if access != refresh {
			o.l.halved("a session whose logout had no answer: its access token works: %v, its refresh token: %v", access, refresh)
		}
		o.l.settled(!refresh)
		if !refresh {
			o.over = append(o.over, *o.doubt)
		}
		o.doubt = nil
	}
	for _, s := range o.over {
		if access, refresh := o.alive(ctx, s); access || refresh {
			o.l.revived("a session after its logout: access %v, refresh %v", access, refresh)
		}
	}
	o.over = o.over[max(0, len(o.over)-5):] // the last ones are looked at once more after the next crash
}

// personalTokens makes and ends personal tokens.
type personalTokens struct {
	*hand
	email  string
	access string
	until  time.Time
	count  int
	live   map[string]string // id to token
	over   []string
	ending string // the id of one whose end had no answer
}

func (p *personalTokens) step(ctx context.Context) {
	if p.ending != "" {
		p.settle(ctx)
		return
	}
	if time.Now().After(p.until) {
		if a := p.login(ctx, p.email, peoplePassword); a.done() {
			p.access, p.until = a.text("access_token"), time.Now().Add(4*time.Minute)
		}
		return
	}
	for id := range p.live {
		if len(p.live) < 4 {
			break
		}
		p.end(ctx, id)
		return
	}
	p.count++
	a := p.call(ctx, http.MethodPost, "/api/v1/me/tokens", p.access, map[string]any{"name": fmt.Sprintf("token %d", p.count), "scopes": []string{"profile:read"}})
	if a.done() {
		p.l.ack("personal tokens made")
		p.live[a.text("id")] = a.text("token")
	} else if a.refused() {
		p.full(ctx, a)
	}
}

// full: tokens whose making had no answer are there without anybody knowing
// them, and fill the list in the end.
func (p *personalTokens) full(ctx context.Context, why answer) {
	list := p.call(ctx, http.MethodGet, "/api/v1/me/tokens", p.access, nil)
	all, _ := list.body["tokens"].([]any)
	if list.done() && len(all) < 40 {
		p.l.losing("a session with a fresh proof: %v", why)
	}
	for _, each := range all {
		if m, ok := each.(map[string]any); ok && p.live[m["id"].(string)] == "" {
			p.call(ctx, http.MethodDelete, "/api/v1/me/tokens/"+m["id"].(string), p.access, nil)
		}
	}
}

func (p *personalTokens) end(ctx context.Context, id string) {
	switch a := p.call(ctx, http.MethodDelete, "/api/v1/me/tokens/"+id, p.access, nil); {
	case a.done():
		p.l.ack("personal tokens ended")
		p.over = append(p.over, p.live[id])
		delete(p.live, id)
	case a.refused():
		p.l.losing("a personal token that was acknowledged: %v", a)
		delete(p.live, id)
	default:
		p.ending = id
	}
}

func (p *personalTokens) works(ctx context.Context, token string) bool {
	return p.sure(ctx, func() answer { return p.call(ctx, http.MethodGet, "/api/v1/me", token, nil) }).done()
}

func (p *personalTokens) settle(ctx context.Context) {
	if id := p.ending; id != "" {
		works := p.works(ctx, p.live[id])
		if ctx.Err() != nil {
			return
		}
		p.l.settled(!works)
		if !works {
			p.over = append(p.over, p.live[id])
			delete(p.live, id)
		}
		p.ending = ""
	}
	for _, token := range p.live {
		if !p.works(ctx, token) && ctx.Err() == nil {
			p.l.losing("a personal token whose making was acknowledged")
		}
	}
	for _, token := range p.over {
		if p.works(ctx, token) {
			p.l.revived("a personal token after its end")
		}
	}
	p.over = p.over[max(0, len(p.over)-5):]
}
