package mail

import (
	"testing"
	"time"
)

func TestAMomentThatWasSetBeforeTheClockWentBackIsNotWaitedFor(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for wait, want := range map[time.Duration]bool{
		-time.Second: false, 0: false, time.Second: true, longestPause: true, 24 * time.Hour: false,
	} {
		if got := ahead(now, now.Add(wait), 2*longestPause); got != want {
			t.Errorf("%v ahead: got %v", wait, got)
		}
	}
}
