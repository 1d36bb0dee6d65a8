package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"sync"
	"time"
)

const (
	// finishTimeout is for requests under way; what is still there afterwards
	// (a body that comes byte by byte) is cut off.
	finishTimeout = 7 * time.Second
	// stopTimeout is for the whole stop, the background work included, and below
	// the ten seconds after which supervisors kill.
	stopTimeout = 9500 * time.Millisecond
	// lastAccepts is how long those who have connected already are still taken in
	// before the listeners are closed.
	lastAccepts = 100 * time.Millisecond
	// againAfter is how long a part of the background work rests after a panic.
	againAfter = time.Second
)

var errStopping = errors.New("server: it stops")

// stays is the part of readiness that is false from the first moment of a stop
// on, so that what stands in front of several nodes sends nobody here any more.
func (r *Rooms) stays(context.Context) error {
	if r.stopping.Load() {
		return errStopping
	}
	return nil
}

// leaving asks every client, while the server drains, not to use the connection
// again. Whoever is just about to send on an idle connection that the stop would
// close gets its answer and not a broken pipe.
func (r *Rooms) leaving(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if r.stopping.Load() {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, req)
	})
}

// stop ends the server in order: it calls itself not ready and goes on for as
// long as it was told to drain, then takes no new requests, finishes the old
// ones and ends the background work. That the patience for somebody was over is
// no failure of a stop.
func (r *Rooms) stop(ctx context.Context, servers []*http.Server, stopBackground func(), work *sync.WaitGroup) error {
	ctx = context.WithoutCancel(ctx)
	r.stopping.Store(true)
	if r.Config.DrainTime > 0 {
		r.Logger.Info("stopping: not ready any more, and still serving", "for", r.Config.DrainTime.String())
	}
	time.Sleep(max(r.Config.DrainTime, lastAccepts))
	stopping, cancel := context.WithTimeout(ctx, stopTimeout)
	defer cancel()
	err := r.finish(stopping, servers)
	stopBackground()
	waitAtMost(stopping, work)
	r.lastCheckpoint(stopping)
	return err
}

// finish lets requests under way end, on all listeners at once.
func (r *Rooms) finish(ctx context.Context, servers []*http.Server) error {
	ctx, cancel := context.WithTimeout(ctx, finishTimeout)
	defer cancel()
	failed := make([]error, len(servers))
	var all sync.WaitGroup
	for i, s := range servers {
		all.Go(func() {
			if failed[i] = s.Shutdown(ctx); errors.Is(failed[i], context.DeadlineExceeded) {
				r.Logger.Warn("requests that did not end were cut off", "after", finishTimeout.String())
				failed[i] = s.Close()
			}
		})
	}
	all.Wait()
	return errors.Join(failed...)
}

// waitAtMost gives background work until ctx ends. What is cut off then (a
// mail in the middle of a slow SMTP step) is taken up by the next start.
func waitAtMost(ctx context.Context, work *sync.WaitGroup) {
	done := make(chan struct{})
	go func() { work.Wait(); close(done) }()
	select {
	case <-done:
	case <-ctx.Done():
	}
}

// keep runs a part of the background work until ctx ends. A panic in it is
// logged and does not end the process, which serves people meanwhile; the part
// begins again a moment later.
func (r *Rooms) keep(ctx context.Context, run func(context.Context)) {
	for ctx.Err() == nil {
		if err := survive(ctx, run); err != nil {
			r.Logger.Error("the background work panicked, and begins again", "error", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(againAfter):
		}
	}
}

func survive(ctx context.Context, run func(context.Context)) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	run(ctx)
	return nil
}
