package main

import (
	"crypto/rand"
	"database/sql"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"time"
)

// measureMySQLRefresh: refreshes of many clients at once against the statements
// of one refresh, read and transaction, by the driver alone, on copies of the
// product's tables; and how many round trips a refresh takes in the crowd.
func measureMySQLRefresh(b *bench, admin *sql.DB, dsn string) error {
	gh, err := b.gh.serve(filepath.Join(b.tmp, "mysql"), "DATABASE_URL=mysql://"+dsn, benchSecret, "REFRESH_RETRY_WINDOW=1s")
	if err != nil {
		return err
	}
	defer gh.stop()
	ring, err := families(gh, familyCount)
	if err != nil {
		return err
	}
	raw, err := openRawRefresh(dsn)
	if err != nil {
		return err
	}
	defer raw.db.Close()
	var rates, trips []float64
	var last [2]float64
	for range b.rounds {
		theirs, err := rateOf(mysqlConns, raw.once, b.d)
		if err != nil {
			return err
		}
		rest, err := questions(admin, func() error { time.Sleep(2 * time.Second); return nil })
		if err != nil {
			return err
		}
		var ours sample
		begin := time.Now()
		asked, err := questions(admin, func() (err error) { ours, err = ring.load(gh, b.d); return err })
		if err != nil {
			return err
		}
		took := time.Since(begin).Seconds()
		trips = append(trips, (asked-rest/2*took)/(ours.perSecond*took))
		rates, last = append(rates, ours.perSecond/theirs), [2]float64{ours.perSecond, theirs}
	}
	goal, ok := atLeast(0.8)
	b.add(newRow("MariaDB: refresh with rotation / read and transaction of the same statements, raw prepared driver", rates,
		fmt.Sprintf("%.0f/s, against %.0f/s", last[0], last[1]), goal, ok))
	b.add(newRow(fmt.Sprintf("MariaDB round trips of a refresh, %d clients at once", refreshConns), trips, "", "at most 3", func(m float64) bool { return m <= 3 }))
	return nil
}

// rawRefresh is what a refresh says to the database, and nothing else.
type rawRefresh struct {
	db                   *sql.DB
	read, update, insert *sql.Stmt
	ids                  [][]byte
	next                 atomic.Int64
}

func openRawRefresh(dsn string) (r *rawRefresh, err error) {
	r = &rawRefresh{}
	if r.db, err = sql.Open("mysql", dsn); err != nil {
		return nil, err
	}
	// As many connections as the product has on two processors.
	r.db.SetMaxOpenConns(mysqlConns)
	r.db.SetMaxIdleConns(mysqlConns)
	for _, table := range []string{"refresh_families", "audit_events"} {
		for _, query := range []string{
			"DROP TABLE IF EXISTS raw_" + table, "CREATE TABLE raw_" + table + " LIKE " + table,
			"INSERT INTO raw_" + table + " SELECT * FROM " + table,
		} {
			if _, err := r.db.Exec(query); err != nil {
				return nil, err
			}
		}
	}
	if r.ids, err = idsOf(r.db); err != nil {
		return nil, err
	}
	for to, query := range map[**sql.Stmt]string{
		&r.read: `SELECT f.session_id, f.user_id, f.generation, f.cur_hash, f.recent, f.idle_until, f.absolute_until, s.auth_time,
 s.acr, s.amr, s.last_seen_at, s.absolute_until, a.enabled, a.roles, a.token_epoch, a.session_epoch FROM raw_refresh_families f
 JOIN sessions s ON s.id = f.session_id LEFT JOIN admissions a ON a.subject = f.user_id WHERE f.id = ?`,
		&r.update: `UPDATE raw_refresh_families SET generation = generation + 1, cur_hash = ?, recent = ?, idle_until = ? WHERE id = ? AND ended_at IS NULL`,
		&r.insert: `INSERT INTO raw_audit_events (id, at, action, outcome, reason, client_id, request_id, detail, personal, salt, commitment)
 VALUES (?, ?, 'refresh.rotated', 'success', '', 'gatehouse', ?, '{"family":"01890a5d-ac96-774b-bcce-b302099a8057","generation":"1"}', '{"ip":"127.0.0.1"}', ?, ?)`,
	} {
		if *to, err = r.db.Prepare(query); err != nil {
			return nil, err
		}
	}
	return r, nil
}

func idsOf(db *sql.DB) (ids [][]byte, err error) {
	rows, err := db.Query("SELECT id FROM refresh_families")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var id []byte
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, rows.Err()
}

const mysqlConns = 16

func (r *rawRefresh) once(int) error {
	n := r.next.Add(1)
	id, fresh := r.ids[int(n)%len(r.ids)], make([]byte, 121)
	_, _ = rand.Read(fresh)
	found := make([]any, 16)
	for i := range found {
		found[i] = new(sql.RawBytes)
	}
	rows, err := r.read.Query(id)
	if err != nil {
		return err
	}
	rows.Next()
	if err := rows.Scan(found...); err != nil {
		return err
	}
	if err := rows.Close(); err != nil {
		return err
	}
	tx, err := r.db.Begin()
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	now := time.Now().UnixMicro()
	if _, err := tx.Stmt(r.update).Exec(fresh[:32], fresh, now, id); err != nil {
		return err
	}
	if _, err := tx.Stmt(r.insert).Exec(benchID(time.Now(), 0), now, "01890a5d-ac96-774b-bcce-b302099a8057", fresh[:16], fresh[:32]); err != nil {
		return err
	}
	return tx.Commit()
}
