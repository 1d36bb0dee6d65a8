package tokens

import (
	"database/sql"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	_ "modernc.org/sqlite"

	"gatehouse/internal/testkit"
)

// BenchmarkRotate is a real rotation by 64 callers at once, each with a family
// of its own, on SQLite with synchronous=FULL. BenchmarkRawCommit is what it is
// measured against: commits of one changed row, the bare driver, nothing else.
func BenchmarkRotate(b *testing.B) {
	const callers = 64
	db := testkit.DB(b)
	// The clock moves with every rotation, and the window is short, so that no
	// family rotates more often within it than it may.
	r := newRoom(b, db, func(d *Deps) { d.Log, d.Config.RetryWindow = nil, time.Second })
	var moved atomic.Int64
	began := r.clock.Now()
	r.deps.Clock = func() time.Time { return began.Add(time.Duration(moved.Load())) }
	r.Service = New(r.deps)
	free := make(chan string, callers)
	anna := r.person("anna")
	for range callers {
		_, token := r.family(anna)
		free <- token
	}
	b.ReportAllocs()
	b.SetParallelism(callers)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			token := <-free
			moved.Add(int64(5 * time.Millisecond))
			answer, err := r.rotate(token)
			if err != nil {
				free <- token
				b.Error(err)
				return
			}
			free <- answer.Refresh.Token.Reveal()
		}
	})
	b.StopTimer()
	if n := r.count("SELECT COUNT(*) FROM audit_events WHERE action = 'refresh.rotated'"); n != int64(b.N) {
		b.Errorf("%d rotations, want %d", n, b.N)
	}
}

func BenchmarkRawCommit(b *testing.B) {
	db, err := sql.Open("sqlite", "file:"+filepath.Join(b.TempDir(), "raw.db")+"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)")
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	if _, err := db.Exec("CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER NOT NULL)"); err != nil {
		b.Fatal(err)
	}
	if _, err := db.Exec("INSERT INTO t VALUES (1, 0)"); err != nil {
		b.Fatal(err)
	}
	change, err := db.Prepare("UPDATE t SET n = n + 1 WHERE id = ?")
	if err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	for range b.N {
		if _, err := change.Exec(1); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseRefreshToken(b *testing.B) {
	key := refreshKey(make([]byte, 32))
	raw := string(key.token([16]byte{1}, 1, make([]byte, refreshSecret)).text)
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := key.parse(raw); !ok {
			b.Fatal("refused")
		}
	}
}
