package main

import (
	"database/sql"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// measureFamilies: a refresh with 10,000 and with 10,000,000 families in the
// table. The ones that are rotated lie scattered among the others, so that each
// is on a page of its own and the table is far larger than the page cache.
func measureFamilies(b *bench) error {
	few, fewLines, err := b.manyFamilies("few", 10_000)
	if err != nil {
		return err
	}
	defer few.stop()
	many, manyLines, err := b.manyFamilies("many", *manyCount)
	if err != nil {
		return err
	}
	defer many.stop()
	_, cpu, last, err := b.against(
		func() (sample, error) { return manyLines.load(many, b.d) },
		func() (sample, error) { return fewLines.load(few, b.d) })
	if err != nil {
		return err
	}
	goal, ok := atMost(1.25)
	b.add(newRow(fmt.Sprintf("%d refresh families / 10000: a refresh, CPU", *manyCount), cpu, figures(last), goal, ok))
	size, err := os.Stat(filepath.Join(b.tmp, "many", "gatehouse.db"))
	if err == nil {
		goal, ok = seen()
		b.add(newRow("that file, MB", []float64{float64(size.Size()) / 1e6}, "", goal, ok))
	}
	return err
}

// manyFamilies signs in, fills up the table around the families of that, and
// starts the product again.
func (b *bench) manyFamilies(name string, n int) (*proc, *lines, error) {
	const window = "REFRESH_RETRY_WINDOW=1s"
	p, err := b.fresh(name, window)
	if err != nil {
		return nil, nil, err
	}
	ring, err := families(p, familyCount)
	p.stop()
	if err != nil {
		return nil, nil, err
	}
	data := filepath.Join(b.tmp, name)
	db, err := sql.Open("sqlite", "file:"+filepath.Join(data, "gatehouse.db")+"?_pragma=synchronous(off)&_pragma=journal_mode(wal)&_pragma=temp_store(memory)")
	if err != nil {
		return nil, nil, err
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	if err := fillFamilies(db, n); err != nil {
		return nil, nil, err
	}
	if err := db.Close(); err != nil {
		return nil, nil, err
	}
	p, err = b.gh.serve(data, window)
	return p, ring, err
}

// fillPiece keeps the write-ahead log of one statement small.
const fillPiece = 500_000

// Ids are of the time between the first and the last sign-in, in their order,
// each family with a session of its own that is not there.
const fillSQL = `WITH RECURSIVE c(i) AS (SELECT ?1 UNION ALL SELECT i + 1 FROM c WHERE i + 1 < ?2)
INSERT INTO refresh_families (id, session_id, user_id, client_id, scope, audience, generation, cur_hash, recent,
 created_at, idle_until, absolute_until, ended_why)
SELECT unhex(printf('%012x7%03x%016x', ?3 + ?4 * i / ?5, i % 4096, 0x4000000000000000 + i)), randomblob(16), randomblob(16),
 'gatehouse', 'account', '', 3, randomblob(32), NULL, ?6, ?6 + 604800000000, ?6 + 2592000000000 + i, '' FROM c`

func fillFamilies(db *sql.DB, n int) error {
	var first, last []byte
	if err := db.QueryRow("SELECT MIN(id), MAX(id) FROM refresh_families").Scan(&first, &last); err != nil {
		return err
	}
	begin, span := millis(first), millis(last)-millis(first)
	// Building the indexes afterwards takes a fraction of the time.
	columns := []string{"session_id", "user_id", "absolute_until"}
	for _, c := range columns {
		if _, err := db.Exec("DROP INDEX refresh_families_by_" + c); err != nil {
			return err
		}
	}
	at := time.Now().UnixMicro()
	for i := 0; i < n; i += fillPiece {
		if _, err := db.Exec(fillSQL, i, min(n, i+fillPiece), begin, span, n, at); err != nil {
			return err
		}
	}
	for _, c := range columns {
		if _, err := db.Exec("CREATE INDEX refresh_families_by_" + c + " ON refresh_families (" + c + ")"); err != nil {
			return err
		}
	}
	_, err := db.Exec("PRAGMA wal_checkpoint(TRUNCATE)")
	return err
}

// millis is the time in an id (RFC 9562, section 5.7).
func millis(id []byte) int64 {
	var ms int64
	_, _ = fmt.Sscanf(hex.EncodeToString(id[:6]), "%x", &ms)
	return ms
}
