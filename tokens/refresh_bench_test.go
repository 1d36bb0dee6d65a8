package tokens

import (
	"database/sql"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	_ "modernc.org/sqlite"

	"gatehouse/internal/database"
	"gatehouse/internal/testkit"
)

// BenchmarkRotate is a real rotation by 64 callers at once, each with a family
// of its own, on SQLite with synchronous=FULL. BenchmarkRawCommit is what it is
// measured against: commits of one changed row, the bare driver, nothing else.
func BenchmarkRotate(b *testing.B) {
	l := newTrack(b, testkit.DB(b))
	b.ReportAllocs()
	b.ResetTimer()
	l.rotate(b, b.N)
	b.StopTimer()
	if n := l.room.count("SELECT COUNT(*) FROM audit_events WHERE action = 'refresh.rotated'"); n != int64(b.N) {
		b.Errorf("%d rotations, want %d", n, b.N)
	}
}

// More families than callers, so that none rotates more often within the window
// than it may.
const callers, tracks = 64, 512

// track is a room whose families are rotated by many callers at once.
type track struct {
	room  *room
	free  chan string
	moved atomic.Int64
}

func newTrack(b *testing.B, db *database.DB) *track {
	// The clock moves with every rotation, and the window is short, so that no
	// family rotates more often within it than it may.
	l := &track{free: make(chan string, tracks)}
	r := newRoom(b, db, func(d *Deps) { d.Log, d.Config.RetryWindow = nil, time.Second })
	began := r.clock.Now()
	r.deps.Clock = func() time.Time { return began.Add(time.Duration(l.moved.Load())) }
	r.Service = New(r.deps)
	l.room = r
	anna := r.person("anna")
	for range tracks {
		_, token := r.family(anna)
		l.free <- token
	}
	return l
}

// rotate makes n rotations, each caller with a family of its own.
func (l *track) rotate(b *testing.B, n int) {
	var left atomic.Int64
	left.Store(int64(n))
	var all sync.WaitGroup
	for range callers {
		all.Go(func() {
			for left.Add(-1) >= 0 {
				token := <-l.free
				l.moved.Add(int64(5 * time.Millisecond))
				answer, err := l.room.rotate(token)
				if err != nil {
					l.free <- token
					b.Error(err)
					return
				}
				l.free <- answer.Refresh.Token.Reveal()
			}
		})
	}
	all.Wait()
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
