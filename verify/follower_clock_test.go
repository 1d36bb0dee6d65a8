package verify

import (
	"sync/atomic"
	"testing"
	"time"
)

// jumpy is a service whose clocks a test moves, and an issuer whose clock is right
// until it is moved itself.
func jumpy(t *testing.T, test func(t *testing.T, f *feed, v *Verifier, set, issuer *atomic.Int64)) {
	t.Helper()
	f := newFeed(t)
	var set, ahead atomic.Int64
	var base time.Time
	f.answers = func(claims map[string]any) {
		claims["iat"] = issuedAt.Add(time.Since(base) + time.Duration(ahead.Load())).Unix()
	}
	following(t, f, func(t *testing.T, v *Verifier) { test(t, f, v, &set, &ahead) }, func(o *Options) {
		o.Clock, base = nil, time.Now()
		o.durations = func() (time.Duration, time.Duration) {
			d := time.Since(base)
			return d, time.Duration(issuedAt.UnixNano()) + d + time.Duration(set.Load())
		}
	})
}

// TestAServiceWhoseClockJumpsJudgesByTheIssuers sets the clock of a service alone.
func TestAServiceWhoseClockJumpsJudgesByTheIssuers(t *testing.T) {
	for _, jump := range []time.Duration{time.Hour, -time.Hour, 24 * time.Hour, -24 * time.Hour} {
		t.Run(jump.String(), func(t *testing.T) {
			jumpy(t, func(t *testing.T, _ *feed, v *Verifier, set, _ *atomic.Int64) {
				says(t, v, golden(t, "ES256"), nil)
				set.Store(int64(jump))
				wait(2 * time.Second) // an answer after a jump forward, before which the view counts as old
				says(t, v, golden(t, "ES256"), nil)
				wait(10 * time.Minute)
				says(t, v, golden(t, "ES256"), ErrExpired) // by its own clock an hour back it would be good for an hour more
				set.Store(0)
				wait(2 * time.Second)
				says(t, v, golden(t, "ES256"), ErrExpired)
			})
		})
	}
}

func TestATokenThatExpiredStaysSoWhenTheClockGoesBackDuringAnOutage(t *testing.T) {
	jumpy(t, func(t *testing.T, f *feed, v *Verifier, set, _ *atomic.Int64) {
		wait(9 * time.Minute)
		says(t, v, golden(t, "ES256"), nil)
		f.change(func() { f.before = down })
		wait(2 * time.Minute)
		says(t, v, golden(t, "ES256"), ErrExpired)
		set.Store(int64(-time.Hour))
		says(t, v, golden(t, "ES256"), ErrExpired)
	})
}

func TestTokensOfAnIssuerWhoseClockJumpedAreJudgedByIt(t *testing.T) {
	jumpy(t, func(t *testing.T, _ *feed, v *Verifier, _, issuer *atomic.Int64) {
		wait(15 * time.Minute)
		says(t, v, golden(t, "ES256"), ErrExpired)
		issuer.Store(int64(-12 * time.Minute)) // what it signs now is of now, by its clock
		wait(2 * time.Second)
		says(t, v, golden(t, "ES256"), nil)
	})
}

func TestASecondsDifferenceIsLeftToTheOwnClock(t *testing.T) {
	jumpy(t, func(t *testing.T, _ *feed, v *Verifier, _, issuer *atomic.Int64) {
		issuer.Store(int64(50 * time.Second))
		wait(9*time.Minute + 30*time.Second)
		says(t, v, golden(t, "ES256"), nil) // by the issuer's clock it has expired
	})
}
