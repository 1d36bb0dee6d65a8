package server

import (
	"context"
	"testing"
	"time"

	"gatehouse/internal/testkit"
	"gatehouse/tokens"
)

func TestWhatDeletesByTheClockWaitsUntilItHasSettled(t *testing.T) {
	clock := testkit.NewClock()
	r := &Rooms{cluster: tokens.NewClusterClock(clock.Now)}
	ran := 0
	job := r.settled(func(context.Context) error { ran++; return nil })
	for hours, want := range []int{0, 1} {
		clock.Advance(time.Duration(hours) * time.Hour)
		if err := job(t.Context()); err != nil || ran != want {
			t.Errorf("%d hours after the start it ran %d times, %v", hours, ran, err)
		}
	}
}
