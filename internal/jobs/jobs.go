package jobs

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"sync"
	"time"

	"gatehouse/internal/lease"

	"gorm.io/gorm"
)

// leaseSpare is how much longer than its period a job keeps its lease, so that
// a slow run does not lose it.
const leaseSpare = 30 * time.Second

// Job is a function that runs every so often.
type Job struct {
	Name  string
	Every time.Duration
	Lease bool // one node of the cluster only
	Run   func(ctx context.Context) error
}

// Store runs a function in a transaction; it is a *database.DB.
type Store interface {
	Write(ctx context.Context, fn func(tx *gorm.DB) error) error
}

// Runner runs jobs.
type Runner struct {
	store  Store
	log    *slog.Logger
	clock  func() time.Time
	holder string
	jobs   []Job
}

// New makes a runner. The table of leases must be there when it runs; a nil log
// is silence.
func New(store Store, log *slog.Logger, clock func() time.Time) *Runner {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Runner{store: store, log: log, clock: clock, holder: lease.NewHolder()}
}

// Add puts a job on the list. It must not be called once Run was.
func (r *Runner) Add(j Job) {
	if j.Name == "" || j.Every <= 0 || j.Run == nil {
		panic(fmt.Sprintf("jobs: incomplete job %q", j.Name))
	}
	r.jobs = append(r.jobs, j)
}

// Run runs every job at its times until ctx ends, and then waits for those that
// are running and gives their leases up.
func (r *Runner) Run(ctx context.Context) {
	var wg sync.WaitGroup
	for _, j := range r.jobs {
		wg.Go(func() { r.repeat(ctx, j) })
	}
	wg.Wait()
	r.release(context.WithoutCancel(ctx))
}

// repeat runs one job. The jitter keeps nodes that started together apart.
func (r *Runner) repeat(ctx context.Context, j Job) {
	timer := time.NewTimer(rand.N(j.Every))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		if err := r.once(ctx, j); err != nil && ctx.Err() == nil {
			r.log.WarnContext(ctx, "a job failed", "job", j.Name, "error", err)
		}
		timer.Reset(j.Every - j.Every/20 + rand.N(j.Every/10+1))
	}
}

// once runs a job if this node may.
func (r *Runner) once(ctx context.Context, j Job) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	if j.Lease {
		mine, err := r.acquire(ctx, j)
		if err != nil || !mine {
			return err
		}
	}
	return j.Run(ctx)
}

func (r *Runner) acquire(ctx context.Context, j Job) (mine bool, err error) {
	err = r.store.Write(ctx, func(tx *gorm.DB) (err error) {
		mine, err = lease.Acquire(ctx, tx, leaseName(j), r.holder, j.Every+leaseSpare, r.clock())
		return err
	})
	return mine && err == nil, err
}

// release gives every lease up, so that another node takes over at once.
func (r *Runner) release(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	for _, j := range r.jobs {
		if !j.Lease {
			continue
		}
		err := r.store.Write(ctx, func(tx *gorm.DB) error { return lease.Release(ctx, tx, leaseName(j), r.holder) })
		if err != nil {
			r.log.DebugContext(ctx, "a lease was not given up; it ends by itself", "job", j.Name, "error", err)
		}
	}
}

func leaseName(j Job) string { return "job." + j.Name }
