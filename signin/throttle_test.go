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

func TestAfterTenFreeTriesEachOneOfANetworkWaitsFourTimesAsLong(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		h.person("ada@example.com", "ada")
		for i := range defaultFree {
			if got := h.try("ada", wrong); got != "invalid_credentials" {
				t.Fatal("try", i+1, got)
			}
		}
		delay := firstDelay
		for range 12 {
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
			delay = min(4*delay, ofNetwork.last)
		}
		if h.recorded(audit.SignIn, "too_many_attempts") != 24 {
			t.Error("refusals are not on record")
		}
	})
}

func TestStrangersOfManyNetworksShareOneRun(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		h.person("ada@example.com", "ada")
		for i := range defaultFree {
			if got := h.from(i, "ada", wrong); got != "invalid_credentials" {
				t.Fatal("try", i+1, got)
			}
		}
		delay := firstDelay
		for i := range 14 {
			_, err := h.SignIn(h.ctx(), Input{Login: "ada", Password: right, Client: network(100 + i)})
			wantReason(t, err, "too_many_attempts")
			if got := apperr.From(err).RetryAfter; got != delay {
				t.Fatalf("wait %v, want %v", got, delay)
			}
			h.clock.Advance(delay)
			if got := h.from(200+i, "ada", wrong); got != "invalid_credentials" {
				t.Fatal("on time:", got)
			}
			delay = min(2*delay, ofAccount.last)
		}
	})
}

// A refusal by one of the two runs counts in neither: whoever is told to wait
// does not make the others wait longer.
func TestARefusedStrangerIsCountedNowhere(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		h.person("ada@example.com", "ada")
		for range defaultFree + 1 {
			h.try("ada", wrong)
			h.clock.Advance(firstDelay)
		}
		h.clock.Advance(firstDelay) // the account has waited its 2 s
		before := h.tries()
		written := func() int64 { return h.count("SELECT SUM(updated_at) FROM throttle_counters") }
		last := written()
		for range 5 {
			if got := h.try("ada", wrong); got != "too_many_attempts" { // its network waits 4 s
				t.Fatal(got)
			}
		}
		if written() != last {
			t.Error("a refusal by the network writes into the run of the account")
		}
		if got := h.from(2, "ada", wrong); got != "invalid_credentials" {
			t.Error("another network is refused in a gap of the account:", got)
		}
		for i := range 5 {
			if got := h.from(10+i, "ada", wrong); got != "too_many_attempts" {
				t.Fatal(got)
			}
		}
		if got := h.tries(); got != before+2 {
			t.Errorf("%d tries are counted, want %d", got, before+2)
		}
		if n := h.count("SELECT COUNT(*) FROM throttle_counters"); n != 3 {
			t.Errorf("%d runs, want those of the account and of two networks", n)
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
			if h.tries() != 0 {
				t.Fatal("the count stays")
			}
		}
	})
}

// What others tried stays counted when somebody gets it right: a program that
// signs in every minute does not hand a guesser a new run every minute.
func TestARightSecretForgivesWhatItsOwnNetworkTried(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		h.person("ada@example.com", "ada")
		for i := range 6 {
			h.from(i, "ada", wrong)
		}
		for range 3 {
			h.try("ada", wrong)
		}
		if got := h.try("ada", right); got != "" {
			t.Fatal(got)
		}
		if got := h.tries(); got != 6+6 {
			t.Errorf("%d tries are left in the runs of the account and of six networks, want 12", got)
		}
		for i := range 4 {
			if got := h.from(50+i, "ada", wrong); got != "invalid_credentials" {
				t.Fatal("try", 7+i, got)
			}
		}
		if got := h.from(60, "ada", wrong); got != "too_many_attempts" {
			t.Error("the guessers got a new run:", got)
		}
	})
}

// The password of an account with a second factor opens nothing, and is given back
// once: another way to hand guessers a new run.
func TestARightPasswordBeforeASecondFactorForgivesNoOtherNetwork(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		h.withTOTP()
		for i := range defaultFree - 1 {
			h.from(i, "mara", wrong)
		}
		for range 5 {
			h.half()
		}
		if got, want := h.tries(), int64(2*(defaultFree-1)); got != want {
			t.Errorf("%d tries are left in the runs of the account and of nine networks, want %d", got, want)
		}
	})
}

// After the last guess a program waits once at most, however often it signs in.
func TestAProgramIsNotKeptOutByItsOwnRightTries(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		h.person("ada@example.com", "ada")
		for i := range defaultFree + 14 {
			if got := h.from(i, "ada", wrong); got != "invalid_credentials" {
				t.Fatal(i, got)
			}
			h.clock.Advance(ofAccount.last)
		}
		before := h.tries()
		for i := range 20 {
			if got := h.try("ada", right); got != "" {
				t.Fatalf("sign-in %d: %s", i+1, got)
			}
			h.clock.Advance(time.Minute)
		}
		if got := h.tries(); got != before {
			t.Errorf("%d tries are counted, want %d as before", got, before)
		}
		if got := h.from(100, "ada", wrong); got != "invalid_credentials" {
			t.Fatal(got)
		}
		if got := h.from(101, "ada", wrong); got != "too_many_attempts" {
			t.Error("the guessers got a new run:", got)
		}
	})
}

// Only what was wrong counts against a network, and a right secret takes its own
// try back although the network has none.
func TestANetworkIsCountedForWhatWasWrong(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		h.person("ada@example.com", "ada")
		h.try("ada", right)
		if h.counters() != 0 || h.count("SELECT COUNT(*) FROM throttle_counters") != 1 {
			t.Error("a right secret leaves a try, or the run of a network")
		}
		h.try("ada", wrong)
		if n := h.tries(); n != 2 {
			t.Errorf("a wrong one is counted %d times, want once for the account and once for the network", n)
		}
	})
}

// Tries at once of one network are bounded by the run of the account, and each of
// them makes the network wait.
func TestTriesAtOnceOfOneNetworkAllMakeItWait(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		h.person("ada@example.com", "ada")
		race(func(int) error {
			_, err := h.SignIn(h.ctx(), Input{Login: "ada", Password: wrong, Client: visitor})
			return err
		})
		if n := h.tries(); n != 2*defaultFree {
			t.Errorf("%d tries are counted, want %d in each of two runs", n, defaultFree)
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

// Whoever asks for a run asks for the ones of strangers from one network.
func (h *house) strangers(login string) slot {
	return h.throttle.runs(target{factor: FactorKnowledge, login: login, ip: visitor.IP})
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

// A guesser with any number of networks, who waits exactly as long as told, gets
// 100 tries in a run, and never 100 within any day.
func TestNoDayHasAHundredTries(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		ctx := h.ctx()
		var at []time.Time
		for end := h.clock.Now().Add(10 * 24 * time.Hour); h.clock.Now().Before(end); {
			from := target{factor: FactorKnowledge, login: "ada", ip: network(len(at)).IP}
			_, err := h.throttle.reserve(ctx, h.throttle.runs(from))
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
		if got := h.try("ada", wrong); got != "invalid_credentials" || h.tries() != 2 {
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
	of := func(u *models.User) string {
		return string(h.throttle.runs(target{factor: FactorKnowledge, user: u}).run)
	}
	if of(u) == of(&changed) {
		t.Error("a reset does not let the owner in")
	}
}

func TestAClockThatIsALittleBehindLosesNoFreeTry(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		ctx, runs := h.ctx(), h.strangers("ada")
		if _, err := h.throttle.reserve(ctx, runs); err != nil {
			t.Fatal(err)
		}
		h.clock.Advance(-time.Second)
		if _, err := h.throttle.reserve(ctx, runs); err != nil {
			t.Error(err)
		}
	})
}

func TestASlotThatIsGivenBackOpensTheCounterAgain(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		ctx, runs := h.ctx(), h.strangers("ada")
		for range 3 * defaultFree {
			s, err := h.throttle.reserve(ctx, runs)
			if err != nil {
				t.Fatal(err)
			}
			h.throttle.giveBack(ctx, s)
		}
		for range defaultFree {
			if _, err := h.throttle.reserve(ctx, runs); err != nil {
				t.Fatal(err)
			}
		}
		s := runs
		s.at = models.At(h.clock.Now().Add(-time.Hour))
		h.throttle.giveBack(ctx, s) // of an earlier try: the delay of the last one stays
		_, err := h.throttle.reserve(ctx, runs)
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

// TestAClockThatGoesBackLocksNobodyOutForAsLong also shows that a guesser gains no
// try by it.
func TestAClockThatGoesBackLocksNobodyOutForAsLong(t *testing.T) {
	for _, back := range []time.Duration{time.Hour, 24 * time.Hour} {
		eachHouse(t, func(t *testing.T, h *house) {
			h.person("ada@example.com", "ada")
			for range defaultFree {
				h.try("ada", wrong)
			}
			h.clock.Advance(-back)
			_, err := h.SignIn(h.ctx(), Input{Login: "ada", Password: right, Client: visitor})
			wantReason(t, err, "too_many_attempts")
			if got := apperr.From(err).RetryAfter; got != firstDelay {
				t.Fatalf("wait %v, want %v", got, firstDelay)
			}
			h.clock.Advance(firstDelay - time.Microsecond)
			if got := h.try("ada", right); got != "too_many_attempts" {
				t.Fatal("a microsecond early:", got)
			}
			h.clock.Advance(time.Microsecond)
			if got := h.try("ada", wrong); got != "invalid_credentials" {
				t.Fatal("on time:", got)
			}
			if _, err = h.SignIn(h.ctx(), Input{Login: "ada", Password: right, Client: visitor}); apperr.From(err).RetryAfter != 4*firstDelay {
				t.Errorf("the run begins anew: %v", apperr.From(err).RetryAfter)
			}
		})
	}
}
