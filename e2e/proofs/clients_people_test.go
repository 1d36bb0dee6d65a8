package proofs

import (
	"context"
	"fmt"
	"net/http"
)

// signUps registers and confirms one person after the other.
type signUps struct {
	*hand
	seat, count int
	spent       []signUp // confirmed and acknowledged since the last look
	older       []string
	doubt       *signUp
}

type signUp struct {
	email, attempt, code string
	asked                bool // the confirmation was sent
}

func (s *signUps) step(ctx context.Context) {
	if s.doubt != nil {
		s.settle(ctx)
		return
	}
	s.count++
	s.doubt = &signUp{email: fmt.Sprintf("new-%d-%d@harbour.example", s.seat, s.count)}
	s.goOn(ctx)
}

// goOn takes the one in doubt as far as answers come.
func (s *signUps) goOn(ctx context.Context) {
	d := s.doubt
	if d.attempt == "" {
		a := s.post(ctx, "/register", "email", d.email, "password", peoplePassword)
		if !a.done() {
			if a.refused() {
				s.l.halved("a sign-up is refused: %v", a)
			}
			return
		}
		d.attempt = a.text("attempt")
		s.l.ack("sign-ups")
	}
	if d.code == "" {
		inbox := s.call(ctx, http.MethodGet, "/dev/inbox.json", "", nil)
		if !inbox.done() {
			return
		}
		if d.code = codeOf(inbox, d.email, "verify_email"); d.code == "" {
			s.l.losing("the letter of an acknowledged sign-up, %s", d.email)
			s.doubt = nil
			return
		}
	}
	d.asked = true
	if a := s.confirm(ctx, *d); a.done() {
		s.confirmed()
	} else if a.refused() {
		s.l.losing("a sign-up that was acknowledged cannot be confirmed: %v", a)
		s.doubt = nil
	}
}

func (s *signUps) confirm(ctx context.Context, d signUp) answer {
	return s.post(ctx, "/verify", "attempt", d.attempt, "code", d.code)
}

func (s *signUps) confirmed() {
	s.l.ack("confirmations")
	s.spent = append(s.spent, *s.doubt)
	s.doubt = nil
}

func (s *signUps) settle(ctx context.Context) {
	if d := s.doubt; d != nil && d.asked {
		whole := s.comesIn(ctx, d.email, peoplePassword)
		if ctx.Err() != nil {
			return
		}
		s.l.settled(whole)
		if !whole { // then the code is unused, and makes the account now
			if a := s.sure(ctx, func() answer { return s.confirm(ctx, *d) }); !a.done() {
				s.l.halved("%s is no account, and its code is used: %v", d.email, a)
			}
		}
		s.confirmed()
	} else if d != nil {
		s.goOn(ctx)
	}
	if n := len(s.older); n > 0 {
		s.stillThere(ctx, s.older[s.r.IntN(n)])
	}
	for _, d := range s.spent {
		s.stillThere(ctx, d.email)
		if a := s.sure(ctx, func() answer { return s.confirm(ctx, d) }); a.done() {
			s.l.revived("the code of %s confirms twice", d.email)
		}
		s.older = append(s.older, d.email)
	}
	if ctx.Err() == nil {
		s.spent = nil
	}
}

func (s *signUps) stillThere(ctx context.Context, email string) {
	if !s.comesIn(ctx, email, peoplePassword) && ctx.Err() == nil {
		s.l.losing("the account of %s, whose confirmation was acknowledged", email)
	}
}

// codeOf is the newest code that the development inbox has for an address.
func codeOf(inbox answer, email, purpose string) string {
	list, _ := inbox.body["messages"].([]any)
	for _, each := range list {
		if m, ok := each.(map[string]any); ok && m["to"] == email && m["purpose"] == purpose {
			code, _ := m["code"].(string)
			return code
		}
	}
	return ""
}

// passwordChanges changes a password again and again, with a second session
// beside it that each change has to end.
type passwordChanges struct {
	*hand
	email, password, before string
	count                   int
	here, other, ended      pair
	kept                    string // the refresh token of the session that made the last change
	next                    string // asked for, not answered
	unseen                  bool   // acknowledged, not looked at after a crash yet
}

func (p *passwordChanges) step(ctx context.Context) {
	if p.next != "" {
		p.settle(ctx)
		return
	}
	if p.here.access == "" || p.other.access == "" {
		p.begin(ctx)
		return
	}
	p.count++
	next := fmt.Sprintf("five plain words here %d", p.count)
	a := p.call(ctx, http.MethodPost, "/api/v1/me/password", p.here.access, fields("current_password", p.password, "new_password", next))
	switch {
	case a.done():
		p.changed(next)
	case a.refused():
		p.l.losing("the password or the session of %s is not what was acknowledged: %v", p.email, a)
		p.here, p.kept = pair{}, ""
	default:
		p.next = next
	}
}

// begin makes the two sessions, one at a time. The first one goes on that made
// the last change.
func (p *passwordChanges) begin(ctx context.Context) {
	var a answer
	to := &p.other
	switch {
	case p.other.access == "":
		a = p.login(ctx, p.email, p.password)
	case p.kept != "":
		to, a = &p.here, p.refresh(ctx, p.kept)
	default:
		to, a = &p.here, p.login(ctx, p.email, p.password)
	}
	switch {
	case a.done():
		*to = pairOf(a)
		if to == &p.here {
			p.kept = ""
		}
	case a.refused():
		p.l.losing("the password of %s, or the session that changed it: %v", p.email, a)
	}
}

func (p *passwordChanges) changed(next string) {
	p.l.ack("password changes")
	p.before, p.password, p.next, p.unseen = p.password, next, "", true
	p.ended = p.other
	p.here, p.other, p.kept = pair{}, pair{}, p.here.refresh // its access token has ended with the change
}

func (p *passwordChanges) settle(ctx context.Context) {
	if p.next != "" {
		next, other := p.next, p.other
		whole := p.comesIn(ctx, p.email, next)
		_, beside := p.alive(ctx, other)
		if ctx.Err() != nil {
			return
		}
		p.l.settled(whole)
		p.next, p.here, p.other, p.kept = "", pair{}, pair{}, ""
		if whole == beside {
			p.l.halved("the new password of %s works: %v; the other session lives: %v", p.email, whole, beside)
		}
		if whole {
			p.before, p.password = p.password, next
		}
		p.unseen = true
	}
	if !p.unseen {
		return
	}
	if !p.comesIn(ctx, p.email, p.password) && ctx.Err() == nil {
		p.l.losing("an acknowledged change of the password of %s", p.email)
	}
	if p.before != "" && p.comesIn(ctx, p.email, p.before) {
		p.l.revived("the password of %s of before its change", p.email)
	}
	if p.ended.refresh != "" {
		if access, refresh := p.alive(ctx, p.ended); access || refresh {
			p.l.revived("a session of %s that a change of password had ended: access %v, refresh %v", p.email, access, refresh)
		}
	}
	p.unseen = ctx.Err() != nil
}
