package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"gatehouse/accounts"
	"gatehouse/config"
	"gatehouse/internal/passwords"
	"gatehouse/signin"
	"gatehouse/tokens"
)

// BenchOptions say what Bench measures.
type BenchOptions struct {
	For    time.Duration // of each measurement
	Target time.Duration // of one hash; 0 when Rate is given
	Rate   float64       // sign-ins a second that the machine has to do
	Step   func(what string)
}

// Bench is what this machine does, through the rooms, on a database of its own.
type Bench struct {
	Processors int      `json:"processors"`
	Cost       string   `json:"password_hash"`
	HashMS     float64  `json:"hash_ms"`
	Slots      []Slots  `json:"slots"`
	SignIns    float64  `json:"sign_ins_per_second"`
	Refreshes  float64  `json:"refreshes_per_second"`
	Checks     float64  `json:"token_checks_per_second"`
	New        float64  `json:"new_token_checks_per_second"`
	Proposal   Proposal `json:"proposal"`
}

// Slots is what a number of hashes at once brings and takes.
type Slots struct {
	Slots     int     `json:"slots"`
	PerSecond float64 `json:"hashes_per_second"`
	MemoryMB  float64 `json:"memory_mb"`
}

// Proposal is what would fit a target. Concurrency 0 is the default, one a
// processor.
type Proposal struct {
	TargetMS    float64 `json:"target_ms"`
	Cost        string  `json:"password_hash"`
	HashMS      float64 `json:"hash_ms"`
	PerSecond   float64 `json:"hashes_per_second"`
	MemoryMB    float64 `json:"memory_mb"`
	Concurrency int     `json:"hash_concurrency"`
	Floor       bool    `json:"floor"` // even the least cost takes longer than the target
}

const benchPassword = "four plain words here"

// RunBench measures for some seconds. It uses the settings for hashes and the
// kind of tokens, and nothing else of c: no database, no mail, no limits.
func RunBench(ctx context.Context, c config.Config, o BenchOptions) (b Bench, err error) {
	dir, err := os.MkdirTemp("", "gatehouse-bench-")
	if err != nil {
		return b, err
	}
	defer os.RemoveAll(dir)
	rooms, err := OpenRooms(ctx, benchConfig(c, dir), io.Discard)
	if err != nil {
		return b, err
	}
	defer rooms.Close()
	if err := rooms.Tokens.Log.Start(ctx); err != nil {
		return b, err
	}
	following, stop := context.WithCancel(ctx)
	var followed sync.WaitGroup
	followed.Go(func() { rooms.Tokens.Log.Run(following) })
	defer followed.Wait()
	defer stop()
	m := &benchRun{BenchOptions: o, ctx: ctx, rooms: rooms, cost: passwords.Params(rooms.Config.PasswordHash)}
	b.Processors, b.Cost = runtime.GOMAXPROCS(0), rooms.Config.PasswordHash.String()
	for _, step := range []func(*Bench) error{m.hashes, m.signIns, m.refreshes, m.checks, m.propose} {
		if err = step(&b); err != nil {
			return b, err
		}
	}
	return b, nil
}

// benchConfig is the settings of a throwaway server on loopback.
func benchConfig(c config.Config, dir string) config.Config {
	b := config.Config{
		AppURL: "http://localhost:5000", ListenAddr: "127.0.0.1:5000", DataDir: dir,
		DatabaseURL: config.Secret("sqlite:" + filepath.Join(dir, "gatehouse.db")),
		Signup:      "closed", EmailVerification: "required", EmailCodeLogin: "off", MFA: "optional", PasswordMinLength: 8,
		AccessTokenTTL: 10 * time.Minute, RefreshTokenTTL: time.Hour, RefreshTokenIdleTTL: time.Hour,
		RefreshRetryWindow: time.Millisecond, // a few families do here what thousands do elsewhere
		SessionIdleTTL:     time.Hour, SessionAbsoluteTTL: time.Hour, KeyRotationEvery: 720 * time.Hour,
		LimitLoginFreeTries: config.NoDelay, LogLevel: "error", LogFormat: "json",
		SigningAlg: c.SigningAlg, PasswordHash: c.PasswordHash, HashConcurrency: c.HashConcurrency,
	}
	return b
}

// benchRun is a measurement under way, with what the steps leave each other.
type benchRun struct {
	BenchOptions
	ctx      context.Context
	rooms    *Rooms
	cost     passwords.Params
	families []tokens.RefreshToken
	access   []string
}

// hashes tries numbers of slots up to one a processor.
func (m *benchRun) hashes(b *Bench) error {
	most := runtime.GOMAXPROCS(0)
	for slots := 1; ; slots = min(2*slots, most) {
		m.Step(fmt.Sprintf("hashes, %d at once", slots))
		s, err := m.hashRate(m.cost, slots)
		if err != nil {
			return err
		}
		b.Slots = append(b.Slots, s)
		if slots == 1 {
			b.HashMS = 1000 / s.PerSecond
		}
		if slots >= most {
			return nil
		}
	}
}

func (m *benchRun) hashRate(cost passwords.Params, slots int) (Slots, error) {
	h := passwords.New(passwords.Options{Concurrency: slots, Params: cost})
	if _, err := h.Hash(m.ctx, benchPassword); err != nil { // the memory is there
		return Slots{}, err
	}
	rate, err := m.rate(slots, func(int) error { _, err := h.Hash(m.ctx, benchPassword); return err })
	return Slots{Slots: slots, PerSecond: rate, MemoryMB: float64(slots) * float64(cost.MemoryKiB) / 1024 * 1.048576}, err
}

// signIns signs in one person for each slot, as a program does.
func (m *benchRun) signIns(b *Bench) error {
	m.Step("sign-ins")
	workers := m.slots()
	for i := range max(workers, benchFamilies) {
		if _, err := m.rooms.Accounts.CreateUser(m.ctx, accounts.NewUser{Email: benchAddress(i), Password: benchPassword, Verified: true}, benchClient); err != nil {
			return err
		}
	}
	var err error
	b.SignIns, err = m.rate(workers, func(i int) error { _, err := m.signIn(i); return err })
	return err
}

// benchFamilies is how many sign-ins are refreshed and checked at once.
const benchFamilies = 8

var benchClient = tokens.Client{IP: "127.0.0.1", UserAgent: "bench"}

func benchAddress(i int) string { return fmt.Sprintf("person%d@example.com", i) }

func (m *benchRun) slots() int {
	if n := m.rooms.Config.HashConcurrency; n > 0 {
		return n
	}
	return runtime.GOMAXPROCS(0)
}

func (m *benchRun) signIn(i int) (signin.Result, error) {
	res, err := m.rooms.SignIn.SignIn(m.ctx, signin.Input{Login: benchAddress(i), Password: benchPassword, Client: benchClient})
	if err == nil && res.Refresh == nil {
		err = errors.New("the sign-in gave no tokens")
	}
	return res, err
}

// refreshes rotates the families of some sign-ins side by side.
func (m *benchRun) refreshes(b *Bench) error {
	m.Step("refreshes")
	for i := range benchFamilies {
		res, err := m.signIn(i)
		if err != nil {
			return err
		}
		m.families = append(m.families, *res.Refresh)
	}
	var mu sync.Mutex
	var err error
	b.Refreshes, err = m.rate(benchFamilies, func(i int) error {
		done, err := m.rooms.Tokens.Refresh.Rotate(m.ctx, m.families[i].Token.Reveal(), tokens.FirstParty, benchClient)
		if err != nil {
			return err
		}
		m.families[i] = done.Refresh
		mu.Lock()
		defer mu.Unlock()
		m.access = append(m.access, done.Access.Token.Reveal())
		return nil
	})
	return err
}

// checks verifies each access token of the refreshes once, and then some of
// them again and again, as a service does.
func (m *benchRun) checks(b *Bench) error {
	m.Step("token checks")
	v, err := m.rooms.verifier()
	if err != nil {
		return err
	}
	var next atomic.Int64
	check := func(n int64) error { _, err := v.Verify(m.ctx, m.access[int(n)%len(m.access)]); return err }
	begin, first := time.Now(), int64(len(m.access))
	if _, err = rateUntil(m.ctx, runtime.GOMAXPROCS(0), func() bool { return next.Load() >= first }, func(int) error { return check(next.Add(1)) }); err != nil {
		return err
	}
	b.New = float64(next.Load()) / time.Since(begin).Seconds()
	m.access = m.access[:min(len(m.access), 100)]
	b.Checks, err = m.rate(runtime.GOMAXPROCS(0), func(int) error { return check(next.Add(1)) })
	return err
}

// rate calls work in workers for a while and returns the calls a second.
func (m *benchRun) rate(workers int, work func(worker int) error) (float64, error) {
	end := time.Now().Add(m.For)
	return rateUntil(m.ctx, workers, func() bool { return time.Now().After(end) }, work)
}

func rateUntil(ctx context.Context, workers int, done func() bool, work func(worker int) error) (float64, error) {
	var calls atomic.Int64
	var first atomic.Pointer[error]
	var all sync.WaitGroup
	begin := time.Now()
	for i := range workers {
		all.Go(func() {
			for ok := true; ok && first.Load() == nil && ctx.Err() == nil; ok = !done() {
				if err := work(i); err != nil {
					first.CompareAndSwap(nil, &err)
					return
				}
				calls.Add(1)
			}
		})
	}
	all.Wait()
	if err := first.Load(); err != nil {
		return 0, *err
	}
	return float64(calls.Load()) / time.Since(begin).Seconds(), ctx.Err()
}
