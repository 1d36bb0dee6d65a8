package tokens

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"time"

	"gorm.io/gorm"

	"gatehouse/internal/database"
	"gatehouse/models"
)

// errRival says that another sealer was faster; the transaction is undone.
var errRival = errors.New("tokens: another node sealed these revocations")

func equalHash(a, b []byte) bool { return bytes.Equal(a, b) }

// seal moves outbox rows into the next batch and returns how many. It needs no
// leader: number n+1 is computed only by one who saw n committed, so n is
// visible wherever n+1 is; the key lets one sealer win; and the count of
// deleted rows puts each entry into exactly one batch. The loser tries again.
func (l *Log) seal(ctx context.Context) (int, error) {
	var rows []models.RevocationOutbox
	var batch models.RevocationBatch
	err := l.db.Write(ctx, func(tx *gorm.DB) (err error) {
		if rows, err = l.sealable(tx); err != nil || len(rows) == 0 {
			return err
		}
		batch, err = l.sealRows(tx, rows)
		return err
	})
	if database.IsDuplicate(err) {
		err = errRival
	}
	if err != nil {
		return 0, err
	}
	l.sealedIn(rows, batch)
	return len(rows), nil
}

// sealable reads at most 500 rows: what this node wrote itself, and what two
// of its polls saw. A command, which is no node, takes what there is: perhaps
// there is no server to do it.
func (l *Log) sealable(tx *gorm.DB) ([]models.RevocationOutbox, error) {
	var rows []models.RevocationOutbox
	err := tx.Raw("SELECT id, kind, target, epoch, until_at, want_ack FROM revocation_outbox ORDER BY id LIMIT ?", maxBatch).
		Scan(&rows).Error
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	mine := rows[:0]
	for _, row := range rows {
		if l.own[row.ID] || l.seen[row.ID].polls >= 2 || l.self.IsZero() {
			mine = append(mine, row)
		}
	}
	return mine, nil
}

func (l *Log) sealRows(tx *gorm.DB, rows []models.RevocationOutbox) (models.RevocationBatch, error) {
	batch, err := l.nextBatch(tx)
	if err != nil {
		return batch, err
	}
	entries := make([]Entry, len(rows))
	for i, row := range rows {
		entries[i] = entryOf(row)
		batch.WantAck = batch.WantAck || row.WantAck
	}
	batch.Body = encodeBody(entries)
	if err := tx.Create(&batch).Error; err != nil {
		return batch, err
	}
	deleted, err := deleteOutbox(tx, l.db.Dialect(), rows)
	if err == nil && deleted != int64(len(rows)) {
		err = errRival
	}
	return batch, err
}

// The batch and the log that it is of are read in one statement: a log that
// begins anew meanwhile takes the next number, and its key then refuses ours.
const newestBatchSQL = `SELECT b.seq, b.prev_hash, b.body, b.want_ack, d.log_id
 FROM revocation_batches b JOIN deployment d ON d.id = 1 ORDER BY b.seq DESC LIMIT 1`

// nextBatch is an empty batch that follows the newest one.
func (l *Log) nextBatch(tx *gorm.DB) (models.RevocationBatch, error) {
	var last []struct {
		models.RevocationBatch
		LogID models.ID
	}
	err := tx.Raw(newestBatchSQL).Scan(&last).Error
	if err != nil {
		return models.RevocationBatch{}, err
	}
	next := models.RevocationBatch{Seq: 1, PrevHash: make([]byte, 32), SealedAt: models.At(l.clock())}
	if len(last) == 1 {
		next.Seq, next.PrevHash = last[0].Seq+1, hashBatch(last[0].LogID, &last[0].RevocationBatch)
	}
	return next, nil
}

// deleteChunk bounds the ids of one DELETE, and so the number of statements
// that connections keep prepared; the rest of a chunk is filled with NULL,
// which matches nothing.
const deleteChunk = 64

func deleteOutbox(tx *gorm.DB, dialect string, rows []models.RevocationOutbox) (int64, error) {
	var deleted int64
	for len(rows) > 0 {
		n := min(len(rows), deleteChunk)
		size := 1
		if n > 1 {
			size = deleteChunk
		}
		args := make([]any, size)
		for i, row := range rows[:n] {
			args[i] = row.ID
		}
		res := tx.Exec(deleteSQL(dialect, size), args...)
		if res.Error != nil {
			return deleted, res.Error
		}
		deleted += res.RowsAffected
		rows = rows[n:]
	}
	return deleted, nil
}

// deleteSQL deletes by id. On InnoDB the plain form may scan a small table
// from end to end and then waits for the uncommitted rows of strangers, which
// turned a quarter of a second into nine: the join starts at the ids instead.
func deleteSQL(dialect string, n int) string {
	if dialect == database.SQLite {
		return "DELETE FROM revocation_outbox WHERE id IN (?" + strings.Repeat(",?", n-1) + ")"
	}
	return "DELETE o FROM (SELECT CAST(? AS BINARY(16)) AS id" + strings.Repeat(" UNION ALL SELECT CAST(? AS BINARY(16))", n-1) +
		") k STRAIGHT_JOIN revocation_outbox o ON o.id = k.id"
}

// runSeals seals when asked, at once, and at most every 50 ms.
func (l *Log) runSeals(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-l.wakeSeal:
		}
		if again := l.sealOnce(ctx); again {
			l.askForSeal()
		}
		timer.Reset(sealEvery + rand.N(sealEvery/5))
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
	}
}

// sealOnce reports whether there may be more to seal. Other failures are left
// to the next poll, which asks again.
func (l *Log) sealOnce(ctx context.Context) (again bool) {
	var n int
	err := l.bounded(ctx, func(ctx context.Context) (err error) {
		n, err = l.seal(ctx)
		return err
	})
	if err != nil && !errors.Is(err, errRival) && ctx.Err() == nil {
		l.log.Warn("sealing revocations failed", "error", err)
	}
	return errors.Is(err, errRival) || n == maxBatch
}
