package server

import (
	"testing"
	"time"
)

func TestOnlyASmallBusyHeapMayGrow(t *testing.T) {
	for _, c := range []struct {
		live, pointers uint64
		since          time.Duration
		want           int
	}{
		{6 << 20, 5 << 20, time.Millisecond, 300},
		{1 << 20, 1 << 20, time.Millisecond, 800},
		{12 << 20, 5 << 20, time.Millisecond, 100},
		{13 << 20, 5 << 20, time.Millisecond, 100}, // as with a password hash at work
		{60 << 20, 60 << 20, time.Millisecond, 100},
		{60 << 20, 30 << 20, time.Millisecond, 50},
		{60 << 20, 5 << 20, time.Millisecond, 40}, // as with a million endings
		{60 << 20, 5 << 20, 2 * time.Second, 40},
		{6 << 20, 5 << 20, 2 * time.Second, 100}, // at rest
		{0, 0, 0, 100},
	} {
		if got := growth(c.live, c.pointers, c.since); got != c.want {
			t.Errorf("%d MiB live, %v after the last collection: %d percent, want %d", c.live>>20, c.since, got, c.want)
		}
	}
}
