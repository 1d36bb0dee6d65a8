package server

import (
	"testing"
	"time"
)

func TestOnlyASmallBusyHeapMayGrow(t *testing.T) {
	for _, c := range []struct {
		live  uint64
		since time.Duration
		want  int
	}{
		{6 << 20, time.Millisecond, 300},
		{1 << 20, time.Millisecond, 800},
		{12 << 20, time.Millisecond, 100},
		{13 << 20, time.Millisecond, 100}, // as with a password hash at work
		{60 << 20, time.Millisecond, 100},
		{6 << 20, 2 * time.Second, 100}, // at rest
		{0, 0, 100},
	} {
		if got := growth(c.live, c.since); got != c.want {
			t.Errorf("%d MiB live, %v after the last collection: %d percent, want %d", c.live>>20, c.since, got, c.want)
		}
	}
}
