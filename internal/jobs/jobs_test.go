package jobs_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/internal/database"
	"gatehouse/internal/jobs"
	"gatehouse/internal/testkit"

	"gorm.io/gorm"
)

// none is a store for jobs that ask for no lease.
type none struct{}

func (none) Write(context.Context, func(*gorm.DB) error) error { return errors.New("no store") }

// runFor runs jobs for a while of synctest's time.
func runFor(t *testing.T, d time.Duration, log *slog.Logger, list ...jobs.Job) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := jobs.New(none{}, log, time.Now)
		for _, j := range list {
			r.Add(j)
		}
		ctx, cancel := context.WithTimeout(t.Context(), d)
		defer cancel()
		r.Run(ctx)
	})
}

func TestAJobRunsEverySoOften(t *testing.T) {
	var n int
	runFor(t, time.Hour, slog.New(slog.DiscardHandler), jobs.Job{Name: "count", Every: time.Minute, Run: func(context.Context) error {
		n++
		return nil
	}})
	if n < 55 || n > 65 {
		t.Fatalf("it ran %d times in 60 periods", n)
	}
}

func TestAJobThatFailsOrPanicsIsLoggedAndRunsAgain(t *testing.T) {
	var out bytes.Buffer
	var fails, panics, fine int
	runFor(t, 10*time.Second, slog.New(slog.NewTextHandler(&out, nil)),
		jobs.Job{Name: "fails", Every: time.Second, Run: func(context.Context) error {
			fails++
			return errors.New("it rains")
		}},
		jobs.Job{Name: "panics", Every: time.Second, Run: func(context.Context) error {
			panics++
			panic("it pours")
		}},
		jobs.Job{Name: "fine", Every: time.Second, Run: func(context.Context) error {
			fine++
			return nil
		}})
	if fails < 8 || panics < 8 || fine < 8 {
		t.Fatalf("they ran %d, %d and %d times", fails, panics, fine)
	}
	for _, want := range []string{"job=fails", "it rains", "job=panics", "it pours"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the log lacks %q", want)
		}
	}
}

func TestRunWaitsForTheJobThatIsRunning(t *testing.T) {
	ended := false
	runFor(t, time.Minute, slog.New(slog.DiscardHandler), jobs.Job{Name: "slow", Every: time.Second, Run: func(ctx context.Context) error {
		<-ctx.Done()
		time.Sleep(time.Second)
		ended = true
		return ctx.Err()
	}})
	if !ended {
		t.Fatal("Run returned before its job")
	}
}

func TestAnIncompleteJobIsAProgrammersError(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Fatal("no panic")
		}
	}()
	jobs.New(none{}, nil, nil).Add(jobs.Job{Name: "x"})
}

// TestAJobUnderALeaseRunsOnOneNode lets two nodes run until one of them was
// often enough the one, and hands over when it stops.
func TestAJobUnderALeaseRunsOnOneNode(t *testing.T) {
	testkit.EachDB(t, func(t *testing.T, db *database.DB) {
		clock := testkit.NewClock()
		var first, second atomic.Int64
		stop, wait := node(t, db, clock, &first, 20)
		wait()
		stopSecond, waitSecond := node(t, db, clock, &second, 1)
		if second.Load() != 0 {
			t.Fatal("both nodes ran the job")
		}
		stop()
		waitSecond()
		stopSecond()
	})
}

// node starts a runner whose job counts; wait returns once it ran often times,
// and stop returns once it gave its leases up.
func node(t *testing.T, db *database.DB, clock *testkit.Clock, count *atomic.Int64, times int64) (stop, wait func()) {
	t.Helper()
	enough := make(chan struct{})
	r := jobs.New(db, testkit.Log(t), clock.Now)
	r.Add(jobs.Job{Name: "count", Every: 2 * time.Millisecond, Lease: true, Run: func(context.Context) error {
		if count.Add(1) == times {
			close(enough)
		}
		return nil
	}})
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { r.Run(ctx) })
	return func() { cancel(); wg.Wait() }, func() { <-enough }
}
