package signin

import (
	"testing"
	"time"

	"gatehouse/accounts"
	"gatehouse/audit"
	"gatehouse/internal/apperr"
	"gatehouse/internal/testkit"
	"gatehouse/models"
)

func TestAfterTenFreeTriesEachOneWaitsLonger(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		h.person("ada@example.com", "ada")
		for i := range defaultFree {
			if got := h.try("ada", wrong); got != "invalid_credentials" {
				t.Fatal("try", i+1, got)
			}
		}
		delay := firstDelay
		for range 14 {
			_, err := h.SignIn(h.ctx(), Input{Login: "ada", Password: right, Client: visitor})
			wantReason(t, err, "too_many_attempts")
			if got := apperr.From(err).RetryAfter; got != delay {
				t.Fatalf("wait %v, want %v", got, delay)
			}
			h.clock.Advance(delay - time.Microsecond)
			if got := h.try("ada@example.com", right); got != "too_many_attempts" {
				t.Fatal("a microsecond early, by the other name:", got)
			}
			h.clock.Advance(time.Microsecond)
			if got := h.try("ada", wrong); got != "invalid_credentials" {
				t.Fatal("on time:", got)
			}
			delay = min(2*delay, lastDelay)
		}
		if h.recorded(audit.SignIn, "too_many_attempts") != 28 {
			t.Error("refusals are not on record")
		}
	})
}

func TestARightSecretGivesTheWholeRunBack(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		h.person("ada@example.com", "ada")
		for range 5 {
			for range defaultFree - 1 {
				if got := h.try("ada", wrong); got != "invalid_credentials" {
					t.Fatal(got)
				}
			}
			if got := h.try("ada", right); got != "" {
				t.Fatal(got)
			}
			if h.counters() != 0 {
				t.Fatal("the counter stays")
			}
		}
	})
}

func TestAnAccountThatIsNotThereIsCountedLikeOneThatIs(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		h.person("ada@example.com", "ada")
		gone := h.person("gone@example.com", "gone")
		if err := h.Accounts.SetDisabled(h.ctx(), gone.ID, true, visitor); err != nil {
			t.Fatal(err)
		}
		h.create(accounts.NewUser{Email: "empty@example.com", Username: "empty", Verified: true})
		for _, login := range []string{"ada", "nobody", "gone", "empty", "nobody@example.com", "no\u200bbody"} {
			for i := range defaultFree {
				if got := h.try(login, wrong); got != "invalid_credentials" {
					t.Fatalf("%q, try %d: %s", login, i+1, got)
				}
			}
			_, err := h.SignIn(h.ctx(), Input{Login: login, Password: wrong, Client: visitor})
			wantReason(t, err, "too_many_attempts")
			if e := apperr.From(err); e.RetryAfter != firstDelay {
				t.Errorf("%q waits %v", login, e.RetryAfter)
			}
		}
		if got := h.try(" NOBODY ", wrong); got != "too_many_attempts" {
			t.Error("another spelling of the same name goes around the counter:", got)
		}
	})
}

func TestTriesAtOnceGetNoMoreThanTheFreeSlots(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		h.person("ada@example.com", "ada")
		m := h.counting()
		answers := race(func(i int) error {
			login := "ada"
			if i%2 == 0 {
				login = "Ada@example.com"
			}
			_, err := h.SignIn(h.ctx(), Input{Login: login, Password: wrong, Client: visitor})
			return err
		})
		if m.asked != defaultFree || answers["invalid_credentials"] != defaultFree || answers["too_many_attempts"] != rivals-defaultFree {
			t.Errorf("%d secrets were looked at, answers %v", m.asked, answers)
		}
		h.clock.Advance(firstDelay)
		race(func(int) error {
			_, err := h.SignIn(h.ctx(), Input{Login: "ada", Password: wrong, Client: visitor})
			return err
		})
		if m.asked != defaultFree+1 {
			t.Errorf("after the first delay %d secrets were looked at, want one more", m.asked-defaultFree)
		}
	})
}

// A guesser who waits exactly as long as told gets 100 tries in a run, and
// never 100 within any day.
func TestNoDayHasAHundredTries(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		ctx, bucket := h.ctx(), h.throttle.bucket(FactorKnowledge, nil, "ada")
		var at []time.Time
		for end := h.clock.Now().Add(10 * 24 * time.Hour); h.clock.Now().Before(end); {
			_, err := h.throttle.reserve(ctx, bucket)
			if err == nil {
				at = append(at, h.clock.Now())
				continue
			}
			h.clock.Advance(apperr.From(err).RetryAfter)
		}
		day, run := 0, 0
		for i := range at {
			n := 0
			for _, other := range at[i:] {
				if other.Sub(at[i]) < 24*time.Hour {
					n++
				}
			}
			day = max(day, n)
			if i > 0 && at[i].Sub(at[i-1]) >= forgetAfter && run == 0 {
				run = i
			}
		}
		if run != mostTries || day >= mostTries {
			t.Errorf("%d tries in the first run, %d in one day, %d in ten days", run, day, len(at))
		}
	})
}

func TestARunIsForgottenAfterAQuietDay(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		h.person("ada@example.com", "ada")
		for range defaultFree {
			h.try("ada", wrong)
		}
		h.clock.Advance(forgetAfter)
		if got := h.try("ada", wrong); got != "invalid_credentials" || h.tries() != 1 {
			t.Error(got, h.tries())
		}
		h.clock.Advance(forgetAfter)
		if err := h.Trim(h.ctx()); err != nil || h.counters() != 0 {
			t.Error("the counter stays", err)
		}
	})
}

func TestANewPasswordHasItsOwnCount(t *testing.T) {
	h := newHouse(t, testkit.DB(t))
	u := h.person("ada@example.com", "ada")
	for range defaultFree {
		h.try("ada", wrong)
	}
	if got := h.try("ada", right); got != "too_many_attempts" {
		t.Fatal(got)
	}
	changed := *u
	changed.PasswordChangedAt = models.At(h.clock.Now().Add(time.Second))
	if string(h.throttle.bucket(FactorKnowledge, u, "")) == string(h.throttle.bucket(FactorKnowledge, &changed, "")) {
		t.Error("a reset does not let the owner in")
	}
}

func TestAClockThatIsALittleBehindLosesNoFreeTry(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		ctx, bucket := h.ctx(), h.throttle.bucket(FactorKnowledge, nil, "ada")
		if _, err := h.throttle.reserve(ctx, bucket); err != nil {
			t.Fatal(err)
		}
		h.clock.Advance(-time.Second)
		if _, err := h.throttle.reserve(ctx, bucket); err != nil {
			t.Error(err)
		}
	})
}

func TestASlotThatIsGivenBackOpensTheCounterAgain(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		ctx, bucket := h.ctx(), h.throttle.bucket(FactorKnowledge, nil, "ada")
		for range 3 * defaultFree {
			s, err := h.throttle.reserve(ctx, bucket)
			if err != nil {
				t.Fatal(err)
			}
			h.throttle.giveBack(ctx, s)
		}
		for range defaultFree {
			if _, err := h.throttle.reserve(ctx, bucket); err != nil {
				t.Fatal(err)
			}
		}
		s := slot{bucket, models.At(h.clock.Now().Add(-time.Hour))}
		h.throttle.giveBack(ctx, s) // of an earlier try: the delay of the last one stays
		_, err := h.throttle.reserve(ctx, bucket)
		wantReason(t, err, "too_many_attempts")
	})
}

func TestWithoutCountersNothingIsWritten(t *testing.T) {
	h := newHouse(t, testkit.DB(t), func(d *Deps) { d.Config.FreeTries = -1 })
	h.person("ada@example.com", "ada")
	for range 2 * defaultFree {
		if got := h.try("ada", wrong); got != "invalid_credentials" {
			t.Fatal(got)
		}
	}
	if got := h.try("ada", right); got != "" || h.counters() != 0 {
		t.Error(got, h.counters())
	}
}

func TestOneFreeTryIsOne(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		h.person("ada@example.com", "ada")
		if got := h.try("ada", wrong); got != "invalid_credentials" {
			t.Fatal(got)
		}
		if got := h.try("ada", wrong); got != "too_many_attempts" {
			t.Error(got)
		}
	}, func(d *Deps) { d.Config.FreeTries = 1 })
}
