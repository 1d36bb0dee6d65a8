package work

import (
	"context"
	"errors"
	"time"

	"gatehouse/internal/apperr"
	"gatehouse/internal/database"
	"gatehouse/internal/secrets"
	"gatehouse/models"
)

// The reasons of a refusal: work is wanted; or the form was sent by a browser
// without script, which has a ticket now and waits instead.
const (
	ReasonRequired = "proof_of_work_required"
	ReasonWait     = "proof_of_work_wait"
	// Param is where the error carries the [Wanted].
	Param = "proof_of_work"
)

// comeBack is the Retry-After of a refusal. Who solves the challenge need not
// wait for it; who does not know how is told to come back after the rush.
const comeBack = time.Minute

// Gate asks for work while there is pressure. A nil Gate asks for nothing.
type Gate struct {
	db       *database.DB
	box      *secrets.Box
	clock    func() time.Time
	pressure *Pressure
}

// New makes a gate.
func New(db *database.DB, box *secrets.Box, clock func() time.Time, p *Pressure) *Gate {
	return &Gate{db: db, box: box, clock: clock, pressure: p}
}

// Ask is a stranger's call that may have to be paid for.
type Ask struct {
	// Purpose is what the work is for: work for one opens no other.
	Purpose string
	// Name is whom it is about, and Network from where it comes.
	Name, Network string
	Shown
}

// Shown is what a call brings along.
type Shown struct {
	// Browser is the value of the cookie by which a browser is held to its own
	// challenge; "" is a program, which is held to Name and Network.
	Browser string
	// Answer is a solved challenge or a ticket, "" for nothing.
	Answer string
	// Scriptless is a form that had a challenge in it and came back without an
	// answer: nothing there can solve it.
	Scriptless bool
}

// holder is who has to show the answer.
func (a Ask) holder() []byte {
	if a.Browser != "" {
		return []byte("browser\x00" + a.Browser)
	}
	return []byte("program\x00" + a.Network + "\x00" + a.Name)
}

// Wanted is what a refusal asks for.
type Wanted struct {
	Challenge Challenge
	// Ticket lets a form without script pass after the wait of the error.
	Ticket string
}

// Failed counts a try of a stranger that was wrong.
func (g *Gate) Failed() {
	if g != nil {
		g.pressure.Failed()
	}
}

// Challenge is one to put into a form that is about to be shown; nil without
// pressure.
func (g *Gate) Challenge(a Ask) *Challenge {
	if g == nil {
		return nil
	}
	level := g.pressure.Level()
	if level == 0 {
		return nil
	}
	c := g.challenge(a, level)
	return &c
}

// Pass lets a call through, or says what has to be done first. It takes the
// answer in one unique row, which is on disk before it returns: shown a second
// time, to this node or to another, it is no answer any more.
func (g *Gate) Pass(ctx context.Context, a Ask) error {
	if g == nil {
		return nil
	}
	level := g.pressure.Level()
	if level == 0 {
		return nil
	}
	ok, left, err := g.accept(ctx, a)
	if ok || err != nil {
		return err
	}
	g.pressure.Failed()
	wanted := Wanted{Challenge: g.challenge(a, level)}
	if left > 0 {
		wanted.Ticket = a.Answer
		return refusal(ReasonWait, left, wanted)
	}
	if !a.Scriptless {
		return refusal(ReasonRequired, comeBack, wanted)
	}
	return g.instead(ctx, a, wanted)
}

// accept takes an answer, or a ticket whose wait is over; left is how long it is
// not.
func (g *Gate) accept(ctx context.Context, a Ask) (ok bool, left time.Duration, err error) {
	if t, is := parseTicket(a.Answer); is {
		left, ok = g.wait(a, t)
		if !ok || left > 0 {
			return false, left, nil
		}
		ok, err = g.spend(ctx, g.slotID(a, "ticket", t.slot), slotBegin(t.slot).Add(challengeLife))
		return ok, 0, err
	}
	ans, is := parseAnswer(a.Answer)
	if !is || !g.valid(a, ans) {
		return false, 0, nil
	}
	ok, err = g.spend(ctx, ans.nonce, time.Unix(ans.expires, 0))
	return ok, 0, err
}

// instead has a form without script wait.
func (g *Gate) instead(ctx context.Context, a Ask, wanted Wanted) error {
	text, good, err := g.newTicket(ctx, a)
	if err != nil {
		return err
	}
	if text == "" { // the network has all that it can have
		return refusal(ReasonRequired, mostSlots*slot, wanted)
	}
	wanted.Ticket = text
	return refusal(ReasonWait, good.Sub(g.clock()), wanted)
}

func refusal(reason string, wait time.Duration, w Wanted) error {
	return apperr.Throttle(reason, max(wait, time.Second)).WithParam(Param, w)
}

// spend makes the row of something that is good for once. first is false for
// whoever comes second, at the same moment and on another node, too.
func (g *Gate) spend(ctx context.Context, id []byte, until time.Time) (first bool, err error) {
	_, err = g.db.Exec(ctx, "INSERT INTO spent_work (id, expires_at) VALUES ( ?, ?)", id, models.At(until))
	if database.IsDuplicate(err) {
		return false, nil
	}
	return err == nil, err
}

// apart is how far the clocks of two nodes may be from each other.
const apart = time.Minute

// trimAfter is how long a row stays beyond its end, for a node whose clock is
// behind.
const trimAfter = apart

// trimBatch rows are deleted at once, so that what a flood has left behind never
// keeps others from writing for long. The table in between is for MySQL, which
// does not delete by a limited list of the same table.
const (
	trimBatch = 500
	trimSQL   = `DELETE FROM spent_work WHERE id IN
 (SELECT id FROM (SELECT id FROM spent_work WHERE expires_at < ? LIMIT ?) expired)`
)

// Trim deletes rows of what has expired anyway. It is a job of server.
func (g *Gate) Trim(ctx context.Context) error {
	if g == nil {
		return nil
	}
	before := models.At(g.clock().Add(-trimAfter))
	for {
		n, err := g.db.Exec(ctx, trimSQL, before, trimBatch)
		if err != nil || n < trimBatch {
			return err
		}
	}
}

// Of is what a refusal asks for; false for every other error.
func Of(err error) (Wanted, bool) {
	var e *apperr.Error
	if !errors.As(err, &e) {
		return Wanted{}, false
	}
	w, ok := e.Params[Param].(Wanted)
	return w, ok
}
