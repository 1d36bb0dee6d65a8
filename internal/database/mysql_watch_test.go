package database_test

import (
	"context"
	"io"
	"net"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/internal/apperr"
	"gatehouse/internal/database"
	"gatehouse/internal/testkit"

	"github.com/go-sql-driver/mysql"
	"gorm.io/gorm"
)

// mute stands between us and the server and can swallow every answer, as a
// stopped server or a broken network does.
type mute struct {
	socket string
	silent atomic.Bool
	mu     sync.Mutex
	open   []net.Conn
}

func newMute(t *testing.T, to string) *mute {
	t.Helper()
	m := &mute{socket: filepath.Join(t.TempDir(), "s")}
	l, err := net.Listen("unix", m.socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		l.Close()
		m.mu.Lock()
		defer m.mu.Unlock()
		for _, c := range m.open {
			c.Close()
		}
	})
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("unix", to)
			if err != nil {
				c.Close()
				return
			}
			m.mu.Lock()
			m.open = append(m.open, c, server)
			m.mu.Unlock()
			go func() { _, _ = io.Copy(server, c); server.Close() }()
			go m.back(c, server)
		}
	}()
	return m
}

func (m *mute) back(c, server net.Conn) {
	defer c.Close()
	buf := make([]byte, 64<<10)
	for {
		n, err := server.Read(buf)
		if err != nil {
			return
		}
		if m.silent.Load() {
			continue
		}
		if _, err := c.Write(buf[:n]); err != nil {
			return
		}
	}
}

// A server that falls silent refuses nothing, so that every request would wait
// for its own end, and those that come later for a free connection.
func TestNobodyWaitsForAServerThatFellSilent(t *testing.T) {
	cfg, err := mysql.ParseDSN(testkit.MySQLURL(t)[len("mysql://"):])
	if err != nil {
		t.Fatal(err)
	}
	between := newMute(t, cfg.Addr)
	cfg.Addr = between.socket
	db := testkit.Open(t, "mysql://"+cfg.FormatDSN(), testkit.NewClock().Now)
	ctx, stop := context.WithCancel(t.Context())
	var watching sync.WaitGroup
	watching.Go(func() { db.Watch(ctx) })
	defer watching.Wait()
	defer stop()
	addCounter(t, db, 1)
	ask := map[string]func() error{
		"a read":  func() error { return database.Unavailable(db.Read(t.Context()).Exec("SELECT 1").Error) },
		"a write": func() error { return db.Write(t.Context(), func(tx *gorm.DB) error { return increment(tx, 1) }) },
		"a statement": func() error {
			_, err := db.Exec(t.Context(), "UPDATE throttle_counters SET tries = tries + 1 WHERE bucket = ?", bucket(1))
			return err
		},
		"readiness": func() error { return db.Ready(t.Context()) },
	}
	between.silent.Store(true)
	// Far less than the 30 s after which the driver gives a statement up, and
	// with room for a machine that is busy.
	const soon = 10 * time.Second
	for round := range 2 {
		var all sync.WaitGroup
		for name, do := range ask {
			for range 20 { // more than the pool has connections
				all.Go(func() {
					began := time.Now()
					err := do()
					if e := apperr.From(err); err == nil || e.Kind != apperr.Unavailable || e.RetryAfter == 0 {
						t.Errorf("%s of a silent server: %v", name, err)
					}
					if took := time.Since(began); took > soon {
						t.Errorf("%s of a silent server was let go after %v, round %d", name, took, round)
					}
				})
			}
		}
		all.Wait()
	}
	between.silent.Store(false)
	for deadline := time.Now().Add(soon); ; time.Sleep(10 * time.Millisecond) {
		var err error
		for _, do := range ask {
			if failed := do(); failed != nil {
				err = failed
			}
		}
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("it answers again, and is not asked: %v", err)
		}
	}
}
