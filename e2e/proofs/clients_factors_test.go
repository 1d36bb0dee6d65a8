package proofs

import (
	"context"
	"os/exec"
	"strings"
	"time"
)

// secondFactors signs in with a code of an app or of paper, each of which
// works once.
type secondFactors struct {
	*hand
	kind        string // "app" or "paper"
	next, seats int
	used        []usedCode
	doubt       *usedCode
}

type usedCode struct {
	email, code string
	at          time.Time
}

func (s *secondFactors) fresh() usedCode {
	turn := s.next
	s.next += s.seats
	if s.kind == "app" {
		return usedCode{email: nth("app", turn), code: appCode(peopleSeed, time.Now()), at: time.Now()}
	}
	return usedCode{email: nth("paper", turn/codesEach), code: recoveryCode(turn/codesEach, turn%codesEach), at: time.Now()}
}

func (s *secondFactors) path() string {
	if s.kind == "app" {
		return "/login/totp"
	}
	return "/login/recovery"
}

// try shows a code in a sign-in of its own.
func (s *secondFactors) try(ctx context.Context, c usedCode) (begun bool, a answer) {
	if a = s.login(ctx, c.email, peoplePassword); !a.done() {
		return false, a
	}
	return true, s.post(ctx, s.path(), "attempt", a.text("attempt"), "code", c.code)
}

func (s *secondFactors) step(ctx context.Context) {
	if s.doubt != nil {
		s.settle(ctx)
		return
	}
	c := s.fresh()
	switch begun, a := s.try(ctx, c); {
	case begun && a.done():
		s.l.ack("codes used (" + s.kind + ")")
		s.used = append(s.used, c)
	case a.refused() && time.Since(c.at) < 25*time.Second:
		s.l.losing("a code (%s) of %s that nobody has used: %v", s.kind, c.email, a)
	case begun:
		s.doubt = &c
	default:
		s.next -= s.seats // not even begun
	}
}

func (s *secondFactors) settle(ctx context.Context) {
	if c := s.doubt; c != nil {
		taken := s.takes(ctx, *c)
		if ctx.Err() != nil {
			return
		}
		s.l.settled(!taken)
		s.used = append(s.used, *c)
		s.doubt = nil
	}
	for _, c := range s.used {
		if s.takes(ctx, c) {
			s.l.revived("a code (%s) of %s that was used", s.kind, c.email)
		}
	}
	if ctx.Err() == nil {
		s.used = s.used[max(0, len(s.used)-2):]
	}
}

// takes is whether a code is taken now.
func (s *secondFactors) takes(ctx context.Context, c usedCode) bool {
	return s.sure(ctx, func() answer { _, a := s.try(ctx, c); return a }).done()
}

// switches disables and enables an account by the command line.
type switches struct {
	*hand
	email    string
	c        *commands
	disabled bool
	asked    string // a command whose end is not known
	last     *pair  // a session of before the last disabling
	unseen   bool
}

func (s *switches) step(ctx context.Context) {
	if s.asked != "" {
		s.settle(ctx)
		return
	}
	want := "enable"
	if !s.disabled {
		want = "disable"
		a := s.login(ctx, s.email, peoplePassword)
		if !a.done() {
			if a.refused() {
				s.l.losing("the enabling of %s: %v", s.email, a)
			}
			return
		}
		p := pairOf(a)
		s.last = &p
	}
	cmd := exec.Command(binary, "user", want, s.email)
	cmd.Dir, cmd.Env = s.n.dir, s.n.env
	var out strings.Builder
	cmd.Stderr = &out
	if err := s.c.run(cmd); err != nil {
		s.asked = want
		return
	}
	s.l.ack(want + "d by command")
	s.disabled, s.unseen = want == "disable", true
}

func (s *switches) settle(ctx context.Context) {
	if s.asked == "" && !s.unseen {
		return
	}
	in := s.sure(ctx, func() answer { return s.login(ctx, s.email, peoplePassword) })
	if ctx.Err() != nil {
		return
	}
	out := !in.done()
	if s.asked != "" {
		s.l.settled(out == (s.asked == "disable"))
		s.asked, s.disabled = "", out
	}
	switch {
	case s.disabled && !out:
		s.l.revived("%s, who was disabled, signs in", s.email)
	case !s.disabled && out:
		s.l.losing("the enabling of %s: %v", s.email, in)
	}
	if s.disabled && s.last != nil {
		var access, refresh bool
		for deadline := time.Now().Add(2 * time.Second); ; time.Sleep(20 * time.Millisecond) {
			// A command ends something for every node within a second.
			if access, refresh = s.alive(ctx, *s.last); !access && !refresh || time.Now().After(deadline) || ctx.Err() != nil {
				break
			}
		}
		if (access || refresh) && ctx.Err() == nil {
			s.l.halved("%s is disabled, and a session from before works: access %v, refresh %v", s.email, access, refresh)
		}
	}
	s.unseen = false
}
