package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"sync"
	"syscall"
	"time"

	"gatehouse/config"
	"gatehouse/internal/jobs"
)

// The limits of a connection (ASVS 5.0, 15.2.2): a slow client is cut off
// before it can hold many of them.
const (
	headerTimeout  = 10 * time.Second
	bodyTimeout    = 30 * time.Second
	idleTimeout    = 120 * time.Second
	writeTimeout   = 60 * time.Second
	maxHeaderBytes = 32 << 10
)

// Serve runs until ctx ends, then finishes what is under way. What it prints
// on out is for the person who started it; the log goes to errOut.
func Serve(ctx context.Context, c config.Config, out, errOut io.Writer) error {
	started := newStages(time.Now())
	// The port first: a second start says so before it touches anything.
	listener, err := listen(c.ListenAddr, "LISTEN_ADDR")
	if err != nil {
		return err
	}
	defer listener.Close()
	if err := makeDataDir(c); err != nil {
		return err
	}
	if c.UsesSQLite() {
		lock, err := lockDatabase(c.SQLitePath())
		if err != nil {
			return err
		}
		defer lock.Close()
	}
	started.done("port")
	rooms, err := openRooms(ctx, c, errOut, started)
	if err != nil {
		return err
	}
	defer rooms.Close()
	return rooms.serve(ctx, listener, out)
}

// makeRoom lets Go run other work beside the hashes, which have threads of
// their own that yield to others: with one place a processor all of them would
// be taken, and a check of a token would wait for its place and not for its
// processor.
var makeRoom sync.Once

func (r *Rooms) serve(ctx context.Context, listener net.Listener, out io.Writer) error {
	if r.Config.UsesSQLite() {
		r.Tokens.Log.UseHighWater(highWater(r.Config))
	}
	// Not ready before everything that was ever ended is known here.
	if err := r.Tokens.Log.Start(ctx); err != nil {
		return err
	}
	if err := r.Tokens.CheckClock(ctx); err != nil {
		return err
	}
	r.started.done("revocations")
	if err := r.keepKeys(ctx); err != nil {
		return err
	}
	r.started.done("lives")
	handler, err := r.Handler()
	if err != nil {
		return err
	}
	r.started.done("pages")
	keepBound()
	makeRoom.Do(func() { runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + r.Passwords.Slots()) })
	watchCollector()
	servers := []*http.Server{r.httpServer(r.leaving(handler))}
	listeners := []net.Listener{r.bounded(ctx, listener)}
	if r.Config.MetricsAddr != "" {
		l, err := listen(r.Config.MetricsAddr, "METRICS_ADDR")
		if err != nil {
			return err
		}
		mux := http.NewServeMux()
		mux.Handle("GET /metrics", r.Metrics.Handler())
		// A probe that comes here never waits behind a storm of strangers that
		// connect to the other listener.
		mux.Handle("GET /healthz", handler)
		mux.Handle("GET /readyz", handler)
		servers, listeners = append(servers, r.httpServer(mux)), append(listeners, l)
	}
	// Streams have no end of their own that a stop could wait for.
	servers[0].RegisterOnShutdown(r.Tokens.Feed.Stop)
	if err := r.greet(ctx, out); err != nil {
		return err
	}
	r.started.done("greeting")
	r.started.tell(r.Logger)
	return r.runUntil(ctx, servers, listeners)
}

// runUntil serves and works in the background until ctx ends or a listener
// fails, and then stops.
func (r *Rooms) runUntil(ctx context.Context, servers []*http.Server, listeners []net.Listener) error {
	background, stopBackground := context.WithCancel(context.WithoutCancel(ctx))
	defer stopBackground()
	var work sync.WaitGroup
	for _, run := range []func(context.Context){r.DB.Watch, r.Tokens.Log.Run, r.Mail.Run, r.jobs().Run} {
		work.Go(func() { r.keep(background, run) })
	}
	failed := make(chan error, len(servers))
	for i, s := range servers {
		go func() { failed <- s.Serve(listeners[i]) }()
	}
	work.Go(afterStart)
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	return errors.Join(err, r.stop(ctx, servers, stopBackground, &work))
}

func (r *Rooms) httpServer(h http.Handler) *http.Server {
	return &http.Server{
		Handler: h, ReadHeaderTimeout: headerTimeout, ReadTimeout: bodyTimeout, IdleTimeout: idleTimeout,
		WriteTimeout: writeTimeout, MaxHeaderBytes: maxHeaderBytes,
		ErrorLog: slog.NewLogLogger(r.Logger.Handler(), slog.LevelDebug),
	}
}

// jobs is the regular work. What may run on every node at once has no lease.
func (r *Rooms) jobs() *jobs.Runner {
	runner := jobs.New(r.DB, r.Logger, r.Clock)
	runner.Add(jobs.Job{Name: "audit-seal", Every: 500 * time.Millisecond, Run: func(ctx context.Context) error {
		_, err := r.Audit.Seal(ctx)
		return err
	}})
	r.addCheckpointJobs(runner)
	// Commands and other nodes are noticed within a second, jitter included.
	runner.Add(jobs.Job{Name: "keys-reload", Every: 900 * time.Millisecond, Run: r.Keys.Reload})
	runner.Add(jobs.Job{Name: "keys-keep", Every: time.Minute, Run: r.keepKeys})
	runner.Add(jobs.Job{Name: "keys-rotate", Every: r.Keys.TendEvery(), Lease: true, Run: func(ctx context.Context) error {
		// A key must not be deleted by a node that does not know how long
		// tokens live elsewhere.
		if err := r.keepKeys(ctx); err != nil {
			return err
		}
		return r.Keys.Tend(ctx)
	}})
	runner.Add(jobs.Job{Name: "personal-uses", Every: time.Second, Run: r.Tokens.Personal.Flush})
	for _, j := range []jobs.Job{
		{Name: "trim-tokens", Every: time.Minute, Run: r.Tokens.Trim},
		{Name: "trim-signups", Every: 10 * time.Minute, Run: r.Accounts.Trim},
		{Name: "erase-accounts", Every: 10 * time.Minute, Run: r.Accounts.EraseDue},
		{Name: "trim-throttle", Every: 10 * time.Minute, Run: r.SignIn.Trim},
	} {
		j.Lease, j.Run = true, r.settled(j.Run)
		runner.Add(j)
	}
	return runner
}

// settled has a job that deletes by the clock wait until the clock has gone on
// evenly for an hour of this process: what is deleted by a clock that is a day
// ahead for some minutes does not come back with it.
func (r *Rooms) settled(run func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		if !r.cluster.Settled() {
			return nil
		}
		return run(ctx)
	}
}

// keepKeys learns how long keys that no longer sign are needed.
func (r *Rooms) keepKeys(ctx context.Context) error {
	life, err := r.Tokens.Log.LongestLife(ctx)
	if err == nil {
		r.Keys.KeepFor(life)
	}
	return err
}

// greet tells the person who started it where to go.
func (r *Rooms) greet(ctx context.Context, out io.Writer) error {
	where := "MySQL"
	if r.Config.UsesSQLite() {
		where = r.Config.SQLitePath()
	}
	fmt.Fprintf(out, "Gatehouse is at %s\nData is in %s\n", r.Config.AppURL, where)
	if r.Config.SMTPURL == "" {
		if r.devInbox() {
			fmt.Fprintf(out, "Mail is not sent: read it at %s/dev/inbox\n", r.Config.AppURL)
		} else {
			r.Logger.Warn("SMTP_URL is not set: sign-up and everything else that needs mail answers 503")
		}
	}
	needed, err := r.Accounts.SetupNeeded(ctx)
	if err != nil || !needed {
		return err
	}
	token, err := r.Accounts.NewSetupLink(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "Make the first administrator, once, at:\n  %s/setup?token=%s\n", r.Config.AppURL, token.Reveal())
	return nil
}

func listen(addr, name string) (net.Listener, error) {
	// Each part of a connection has a time limit, so that nobody needs the probes
	// of TCP, which take four system calls for each one that is accepted.
	l, err := (&net.ListenConfig{KeepAlive: -1}).Listen(context.Background(), "tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("%s: %s is in use by another program: stop it, or choose another port", name, addr)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: cannot listen on %s: %w", name, addr, err)
	}
	return l, nil
}

func listenHost(addr string) string {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return ""
	}
	return host
}
