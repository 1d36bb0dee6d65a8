package signin

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gorm.io/gorm"

	"gatehouse/accounts"
	"gatehouse/internal/apperr"
	"gatehouse/internal/testkit"
	"gatehouse/models"
	"gatehouse/tokens"
)

// guessesWithin is how many secrets of one run are looked at in a time, by
// whoever waits exactly as long as it takes (docs/throttling.md).
func guessesWithin(d time.Duration) (n int64) {
	var next time.Duration
	for ; next <= d && n < mostTries; n++ {
		if n+1 >= defaultFree {
			next += min(firstDelay<<min(n+1-defaultFree, ofAccount.most), ofAccount.last)
		}
	}
	return n
}

func TestTheBoundOnGuessesIsTheOneThatIsWrittenDown(t *testing.T) {
	for d, want := range map[time.Duration]int64{
		0: 10, time.Second: 11, time.Hour: 21, 12 * time.Hour: 32, 24 * time.Hour: 44, 79 * time.Hour: 99, 200 * time.Hour: 100,
	} {
		if got := guessesWithin(d); got != want {
			t.Errorf("%v: %d, want %d", d, got, want)
		}
	}
}

// siege is a day in the life of an account that strangers guess at. Its owner
// has a known browser; another account has a passkey.
type siege struct {
	*house
	ada, bea  *models.User
	key       *testkit.Authenticator
	password  string
	home      tokens.Client
	addresses int

	tries, evaluated, atBea atomic.Int64
}

func newSiege(t *testing.T, addresses int) *siege {
	h := newHouse(t, testkit.DB(t))
	s := &siege{house: h, password: right, home: tokens.Client{IP: "203.0.113.5", Browser: accounts.NewDevice()}, addresses: addresses}
	s.ada, s.bea, s.key = h.person("ada@example.com", "ada"), h.person("bea@example.com", "bea"), h.authenticator()
	h.passkey(s.bea, s.key)
	s.signsIn("before", s.home)
	return s
}

// guess is one try of one address. Most end at the throttle, which is all of
// them that costs a database anything; one in fifty goes the whole way of a
// sign-in, to show that it ends there too.
func (s *siege) guess(i int64) {
	from := tokens.Client{IP: fmt.Sprintf("10.%d.%d.7", i%int64(s.addresses)/250, i%int64(s.addresses)%250)}
	s.tries.Add(1)
	u, count := s.ada, &s.evaluated
	if i%100 == 99 {
		u, count = s.bea, &s.atBea
	}
	if i%50 == 0 {
		if s.by(from, "ada", wrong) == "invalid_credentials" {
			s.evaluated.Add(1)
		}
		return
	}
	u, err := s.Accounts.ForSignIn(s.ctx(), u.ID)
	var looked slot
	if err == nil {
		looked, err = s.throttle.reserve(s.ctx(), s.throttle.runs(target{factor: FactorKnowledge, user: u, ip: from.IP}))
	}
	switch {
	case err == nil:
		count.Add(1)
		if err := s.db.Write(s.ctx(), func(tx *gorm.DB) error { return s.throttle.blame(tx, looked) }); err != nil {
			s.t.Error(err)
		}
	case !errTooMany.Is(apperr.From(err)):
		s.t.Error(err)
	}
}

// storm is what all of them try within some time, at once.
func (s *siege) storm(n int64) {
	var work sync.WaitGroup
	begin := s.tries.Load()
	for w := range int64(8) {
		work.Go(func() {
			for i := w; i < n; i += 8 {
				s.guess(begin + i)
			}
		})
	}
	work.Wait()
}

func (s *siege) signsIn(when string, by tokens.Client) {
	s.t.Helper()
	if got := s.by(by, "ada", s.password); got != "" {
		s.t.Errorf("%s: the owner in a known browser is refused: %s", when, got)
	}
}

// anHourOfTheOwner has two typing mistakes before each sign-in.
func (s *siege) anHourOfTheOwner(hour int) {
	s.t.Helper()
	when := fmt.Sprintf("hour %d", hour)
	for range 2 {
		if got := s.by(s.home, "ada", wrong); got != "invalid_credentials" {
			s.t.Errorf("%s: a typing mistake is answered with %q", when, got)
		}
	}
	s.signsIn(when, s.home)
	if _, err := s.withPasskey(s.key.Get(s.challenge())); err != nil {
		s.t.Errorf("%s: the passkey is refused: %v", when, err)
	}
}

// resets takes the mailed way in a browser that nobody has seen, which is known
// from then on.
func (s *siege) resets() {
	s.t.Helper()
	fresh := accounts.NewDevice()
	by := tokens.Client{IP: "203.0.113.200", Browser: fresh, Fresh: fresh}
	attempt, err := s.Accounts.Forgot(s.ctx(), "ada", by)
	if err != nil {
		s.t.Fatal(err)
	}
	box, err := s.Accounts.Mail.Inbox(s.ctx())
	if err != nil || len(box) == 0 {
		s.t.Fatal(box, err)
	}
	s.password = right + " again"
	err = s.Accounts.ResetPassword(s.ctx(), accounts.ResetInput{Attempt: attempt.Reveal(), Code: box[0].Code, Password: s.password, Client: by})
	if err != nil {
		s.t.Fatal(err)
	}
	s.home = by
	s.signsIn("after the reset", by)
}

// For 24 hours strangers send 100,000 guesses an hour from 10,000 addresses at
// one account; the short form has fewer of both, in the same ratio.
func TestADayUnderSiegeNeverKeepsTheOwnerOut(t *testing.T) {
	anHour, addresses := testkit.Sized[int64](200, 100_000), testkit.Sized(20, 10_000)
	const steps = 60
	s := newSiege(t, addresses)
	bound := 2 * guessesWithin(12*time.Hour) // a new password is a new secret, with a new run
	strangers := 0
	for hour := range 24 {
		for step := range int64(steps) {
			s.storm(anHour*(step+1)/steps - anHour*step/steps)
			s.clock.Advance(time.Hour / steps)
		}
		s.anHourOfTheOwner(hour)
		if s.by(at(hour), "ada", s.password) == "" {
			strangers++
		}
		if hour == 11 {
			s.resets()
		}
	}
	if n := s.evaluated.Load(); n > bound || n < 20 {
		t.Errorf("%d guesses were looked at, the bound is %d", n, bound)
	}
	testkit.Found(t, testkit.Finding{
		Proof: "T1", Case: "SQLite, a moved clock",
		Tried: fmt.Sprintf("24 hours, %d guesses from %d addresses at one account, a reset after 12", s.tries.Load(), addresses),
		Found: fmt.Sprintf("looked at %d, bound %d; the owner signed in by password in a known browser 24 of 24 times, each after two typing mistakes, by passkey 24 of 24, and after the reset at once; a browser that nobody knew got in %d times of 24",
			s.evaluated.Load(), bound, strangers),
	})
}
