package database_test

import (
	"context"
	"database/sql"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"gatehouse/internal/database"
	"gatehouse/internal/testkit"
	"gatehouse/models"

	"gorm.io/gorm"
)

const benchFamilies = 1024

// seedFamilies makes rows that the benchmarks rotate.
func seedFamilies(b *testing.B, db *database.DB) []models.ID {
	b.Helper()
	ids := make([]models.ID, benchFamilies)
	err := db.Write(b.Context(), func(tx *gorm.DB) error {
		for i := range ids {
			ids[i] = models.NewID()
			at := models.At(testkit.NewClock().Now())
			f := models.RefreshFamily{ID: ids[i], SessionID: ids[i], UserID: ids[i], CurHash: make([]byte, 32),
				CreatedAt: at, IdleUntil: at, AbsoluteUntil: at}
			if err := tx.Create(&f).Error; err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	return ids
}

// rotate is the write of a refresh: one conditional UPDATE and one INSERT.
func rotate(tx *gorm.DB, id models.ID, n int64, at models.Time) error {
	res := tx.Model(&models.RefreshFamily{}).Where("id = ?", id).Where("ended_at IS NULL").
		Updates(map[string]any{"generation": n, "cur_hash": make([]byte, 32), "idle_until": at})
	if res.Error != nil {
		return res.Error
	}
	return tx.Create(&models.AuditEvent{ID: models.NewID(), At: at, Action: "refresh", Outcome: "success",
		ActorID: id, Salt: make([]byte, 16), Commitment: make([]byte, 32)}).Error
}

// BenchmarkRefresh is 32 writers that rotate through GORM and the group.
func BenchmarkRefresh(b *testing.B) {
	db := testkit.DB(b)
	ids := seedFamilies(b, db)
	at := models.At(testkit.NewClock().Now())
	var n atomic.Int64
	b.ReportAllocs()
	b.SetParallelism(16)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			i := n.Add(1)
			err := db.Write(b.Context(), func(tx *gorm.DB) error { return rotate(tx, ids[i%benchFamilies], i, at) })
			if err != nil {
				b.Error(err)
				return
			}
		}
	})
}

// BenchmarkRefreshAlone is one writer.
func BenchmarkRefreshAlone(b *testing.B) {
	db := testkit.DB(b)
	ids := seedFamilies(b, db)
	at := models.At(testkit.NewClock().Now())
	b.ReportAllocs()
	for i := int64(1); b.Loop(); i++ {
		err := db.Write(b.Context(), func(tx *gorm.DB) error { return rotate(tx, ids[i%benchFamilies], i, at) })
		if err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRawCommit is the anchor: one prepared INSERT a commit on one bare
// connection, with the same durability.
func BenchmarkRawCommit(b *testing.B) {
	pool, err := sql.Open("sqlite", filepath.Join(b.TempDir(), "raw.db")+"?_journal_mode=WAL&_synchronous=FULL")
	if err != nil {
		b.Fatal(err)
	}
	defer pool.Close()
	pool.SetMaxOpenConns(1)
	if _, err := pool.Exec("CREATE TABLE raw (id BLOB PRIMARY KEY, v BLOB) WITHOUT ROWID"); err != nil {
		b.Fatal(err)
	}
	insert, err := pool.Prepare("INSERT INTO raw (id, v) VALUES (?, ?)")
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := insert.Exec(models.NewID(), make([]byte, 32)); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRead is one row by its primary key through GORM.
func BenchmarkRead(b *testing.B) {
	db := testkit.DB(b)
	ids := seedFamilies(b, db)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		var f models.RefreshFamily
		if err := db.Read(context.Background()).Where("id = ?", ids[i%benchFamilies]).Take(&f).Error; err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkMySQL compares GORM on our connections with the bare driver and
// prepared statements, on the server of GATEHOUSE_TEST_MYSQL.
func BenchmarkMySQL(b *testing.B) {
	url := testkit.MySQLURL(b)
	db := testkit.Open(b, url, testkit.NewClock().Now)
	ids := seedFamilies(b, db)
	raw, err := sql.Open("mysql", strings.TrimPrefix(url, "mysql://"))
	if err != nil {
		b.Fatal(err)
	}
	defer raw.Close()
	raw.SetMaxIdleConns(32)
	raw.SetMaxOpenConns(32)
	get := prepare(b, raw, "SELECT * FROM refresh_families WHERE id = ? LIMIT 1")
	set := prepare(b, raw, "UPDATE refresh_families SET generation = ? WHERE id = ?")
	b.Run("ReadRaw", func(b *testing.B) { parallel(b, func(i int64) error { return scanAll(get, ids[i%benchFamilies]) }) })
	b.Run("ReadGORM", func(b *testing.B) {
		parallel(b, func(i int64) error {
			var f models.RefreshFamily
			return db.Read(context.Background()).Where("id = ?", ids[i%benchFamilies]).Take(&f).Error
		})
	})
	b.Run("CommitRaw", func(b *testing.B) {
		parallel(b, func(i int64) error { _, err := set.Exec(i, ids[i%benchFamilies]); return err })
	})
	b.Run("CommitExec", func(b *testing.B) {
		parallel(b, func(i int64) error {
			_, err := db.Exec(context.Background(), "UPDATE refresh_families SET generation = ? WHERE id = ?", i, ids[i%benchFamilies])
			return err
		})
	})
	b.Run("CommitWrite", func(b *testing.B) {
		parallel(b, func(i int64) error {
			return db.Write(context.Background(), func(tx *gorm.DB) error {
				return tx.Model(&models.RefreshFamily{}).Where("id = ?", ids[i%benchFamilies]).Update("generation", i).Error
			})
		})
	})
}

func prepare(b *testing.B, pool *sql.DB, query string) *sql.Stmt {
	b.Helper()
	s, err := pool.Prepare(query)
	if err != nil {
		b.Fatal(err)
	}
	return s
}

// scanAll reads one row into bare values.
func scanAll(s *sql.Stmt, id models.ID) error {
	rows, err := s.Query(id.Bytes())
	if err != nil {
		return err
	}
	defer rows.Close()
	dest := make([]any, 14)
	for i := range dest {
		dest[i] = new(any)
	}
	for rows.Next() {
		if err := rows.Scan(dest...); err != nil {
			return err
		}
	}
	return rows.Err()
}

// parallel runs do in 16 goroutines, numbered from 1.
func parallel(b *testing.B, do func(i int64) error) {
	b.Helper()
	var n atomic.Int64
	b.SetParallelism(8)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := do(n.Add(1)); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

// BenchmarkWarmStart opens a migrated file, finds it current and reads.
func BenchmarkWarmStart(b *testing.B) {
	url := testkit.SQLiteURL(b)
	for b.Loop() {
		db, err := database.Open(b.Context(), database.Options{URL: url, Clock: testkit.NewClock().Now})
		if err != nil {
			b.Fatal(err)
		}
		if err := db.Migrate(b.Context()); err != nil {
			b.Fatal(err)
		}
		if err := db.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkReadRow is the read of one row by its key under a context that may
// end, as every request has one, both ways.
func BenchmarkReadRow(b *testing.B) {
	db := testkit.DB(b)
	id := seedFamilies(b, db)[0]
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	const query = "SELECT generation FROM refresh_families WHERE id = ?"
	for name, read := range map[string]func() *sql.Row{
		"Read":    func() *sql.Row { return db.Read(ctx).Raw(query, id).Row() },
		"ReadRow": func() *sql.Row { return db.ReadRow(ctx, query, id) },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				var generation int64
				if err := read().Scan(&generation); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
