package mail

import (
	"context"
	"database/sql"
	"testing"
	"time"

	"gorm.io/gorm"

	"gatehouse/internal/database"
	"gatehouse/internal/passwords"
	"gatehouse/internal/testkit"
)

// countingPool counts the statements of a transaction.
type countingPool struct {
	gorm.ConnPool
	n int
}

func (c *countingPool) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	c.n++
	return c.ConnPool.ExecContext(ctx, query, args...)
}

func (c *countingPool) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	c.n++
	return c.ConnPool.QueryContext(ctx, query, args...)
}

func (c *countingPool) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	c.n++
	return c.ConnPool.QueryRowContext(ctx, query, args...)
}

// A mail costs the transaction of its cause one statement, with a cap and
// without, and for nobody as for somebody.
func TestAMailAddsOneStatementToTheTransactionOfItsCause(t *testing.T) {
	testkit.EachDB(t, func(t *testing.T, db *database.DB) {
		f := newFixture(t, db, nil)
		past, err := f.Recent(t.Context(), "ada@harbour.example", f.clock.Now().Add(-time.Hour), false)
		if err != nil {
			t.Fatal(err)
		}
		capped := confirm("ada@harbour.example")
		capped.Allowance = past.Allowance(func([]Letter) bool { return true })
		for what, write := range map[string]func(*gorm.DB) error{
			"with a cap": func(tx *gorm.DB) error { return f.Enqueue(tx, capped) },
			"without":    func(tx *gorm.DB) error { return f.Enqueue(tx, confirm("bob@harbour.example")) },
			"for nobody": func(tx *gorm.DB) error { return f.EnqueueNobody(tx, confirm("nobody@harbour.example")) },
		} {
			var n int
			err := db.Write(t.Context(), func(tx *gorm.DB) error {
				pool := &countingPool{ConnPool: tx.Statement.ConnPool}
				tx.Statement.ConnPool = pool
				err := write(tx)
				n = pool.n
				return err
			})
			if err != nil || n != 1 {
				t.Errorf("%s: %d statements, %v", what, n, err)
			}
		}
	})
}

// BenchmarkEnqueue compares a mail (rendered, sealed and inserted, with its share
// of a commit for a hundred) with the one hash that every sign-up takes. The goal
// is under 5 in a hundred.
func BenchmarkEnqueue(b *testing.B) {
	db := testkit.Open(b, testkit.SQLiteURL(b), testkit.NewClock().Now)
	m, err := New(Deps{DB: db, Box: testkit.Box(b), Clock: testkit.NewClock().Now, Dev: true, AppName: "Gatehouse", BaseURL: "http://localhost:5000"})
	if err != nil {
		b.Fatal(err)
	}
	hasher := passwords.New(passwords.Options{})
	var mails, hashes time.Duration
	for b.Loop() {
		start := time.Now()
		err := db.Write(b.Context(), func(tx *gorm.DB) error {
			for range 100 {
				if err := m.Enqueue(tx, confirm("ada@harbour.example")); err != nil {
					return err
				}
			}
			return nil
		})
		mails += time.Since(start) / 100
		start = time.Now()
		if _, hashErr := hasher.Hash(b.Context(), "four plain words here"); err != nil || hashErr != nil {
			b.Fatal(err, hashErr)
		}
		hashes += time.Since(start)
	}
	b.ReportMetric(float64(mails.Nanoseconds())/float64(b.N)/1000, "us/mail")
	b.ReportMetric(100*float64(mails)/float64(hashes), "%ofahash")
}
