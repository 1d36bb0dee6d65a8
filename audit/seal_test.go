package audit

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"gorm.io/gorm"

	"gatehouse/internal/testkit"
	"gatehouse/models"
)

// A seal that looked at all rows that wait for each batch of them would take
// longer than a second when many do.
func TestASealLooksAtTheRowsOfItsBatchAlone(t *testing.T) {
	db := testkit.DB(t)
	plan := func(query string, args ...any) string {
		var steps []struct{ Detail string }
		if err := db.Read(t.Context()).Raw("EXPLAIN QUERY PLAN "+query, args...).Scan(&steps).Error; err != nil {
			t.Fatal(err)
		}
		var all []string
		for _, s := range steps {
			all = append(all, s.Detail)
		}
		return strings.Join(all, "; ")
	}
	if p := plan(unsealedSQLite, batchSize); !strings.Contains(p, "audit_events_by_batch") || strings.Contains(p, "ORDER BY") {
		t.Error("all rows that wait are read or sorted:", p)
	}
	ids := padded(make([]byte, batchSize*entryLen))
	if p := plan(strings.ReplaceAll(linkSQLite, "batch = ?", "batch = 1"), ids); !strings.Contains(p, "autoindex") {
		t.Error("the rows of a batch are not found by their ids:", p)
	}
}

// BenchmarkRecord says what a row costs this process on SQLite: written by one of
// 64 who share a commit, and sealed.
func BenchmarkRecord(b *testing.B) {
	db := testkit.DB(b)
	l := newLog(db)
	users := make([]models.ID, batchSize)
	for i := range users {
		users[i] = models.NewID()
	}
	var written, sealed time.Duration
	rows := 0
	for b.Loop() {
		began := worked(b)
		for range 32 {
			err := db.Write(b.Context(), func(tx *gorm.DB) error {
				for range 64 {
					rows++
					if err := l.Append(tx, event(users[rows%len(users)])); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				b.Fatal(err)
			}
		}
		between := worked(b)
		if n, err := l.Seal(b.Context()); err != nil || n != 32*64 {
			b.Fatal(n, err)
		}
		written, sealed = written+between-began, sealed+worked(b)-between
	}
	b.ReportMetric(float64(written.Microseconds())/float64(rows), "cpu-us/append")
	b.ReportMetric(float64(sealed.Microseconds())/float64(rows), "cpu-us/seal")
}

// worked is the processor time of this process.
func worked(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
