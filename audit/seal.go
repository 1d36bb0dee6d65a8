package audit

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"time"

	"gorm.io/gorm"

	"gatehouse/internal/database"
	"gatehouse/models"
)

// batchSize is how many rows one batch links, and maxBatches how many batches
// one run seals before it lets others have the database.
const (
	batchSize  = 512
	maxBatches = 16
)

// errLost is a seal that another node was faster with. It rolls back and means
// nothing else.
var errLost = errors.New("audit: another node sealed first")

// Seal links the rows that are not in the chain yet and says how many it
// linked. Any number of nodes may run it at once: the unique number of the
// batch and the count of updated rows decide, and the loser writes nothing.
func (l *Log) Seal(ctx context.Context) (int, error) {
	sealed := 0
	for range maxBatches {
		n, err := l.sealOne(ctx)
		sealed += n
		if errors.Is(err, errLost) {
			return sealed, nil
		}
		if err != nil || n < batchSize {
			return sealed, err
		}
	}
	return sealed, nil
}

// sealOne reads and hashes outside the transaction. What it read may be stale
// by then: a batch or a row that another node sealed meanwhile makes the
// INSERT or the UPDATE miss.
func (l *Log) sealOne(ctx context.Context) (int, error) {
	body, err := l.unsealed(ctx)
	if err != nil || len(body) == 0 {
		return 0, err
	}
	last, err := l.head(l.db.Read(ctx))
	if err != nil {
		return 0, err
	}
	batch := models.AuditBatch{
		Seq:      last.Seq + 1,
		PrevHash: last.Hash,
		Body:     body,
		SealedAt: models.At(l.clock()),
	}
	batch.Hash = batchHash(&batch)
	err = l.db.Write(ctx, func(tx *gorm.DB) error { return l.link(tx, &batch) })
	if err != nil {
		return 0, err
	}
	return len(body) / entryLen, nil
}

// entryLen is an id and a hash.
const entryLen = 16 + sha256.Size

// Both statements read as many rows as a batch has, however many wait, or the seal
// would fall behind a storm. MySQL's index of the batches has the rows in the order
// of their ids, SQLite's in that in which they were written; another order would
// sort all of them. SQLite would also look for the ids of a batch among all that
// wait, not by their key, but for the plus before the column.
const (
	unsealedSQL = `SELECT id, at, action, outcome, reason, actor_id, subject_id, session_id, client_id, request_id,
 detail, commitment FROM audit_events WHERE batch IS NULL ORDER BY `
	unsealedMySQL  = unsealedSQL + `id LIMIT ?`
	unsealedSQLite = unsealedSQL + `rowid LIMIT ?`

	linkMySQL  = `UPDATE audit_events SET batch = ? WHERE batch IS NULL AND id IN ?`
	linkSQLite = `UPDATE audit_events SET batch = ? WHERE +batch IS NULL AND id IN ?`
)

// unsealed lists the id and the hash of the rows that wait longest. Every row of
// the record goes through here once, so its columns are scanned one by one and none
// is copied that only goes into the hash.
func (l *Log) unsealed(ctx context.Context) (body []byte, err error) {
	query := unsealedMySQL
	if l.db.Dialect() == database.SQLite {
		query = unsealedSQLite
	}
	rows, err := l.db.Read(ctx).Raw(query, batchSize).Rows()
	if err != nil {
		return nil, database.Unavailable(err)
	}
	defer rows.Close()
	var e models.AuditEvent
	var detail, commitment sql.RawBytes
	for rows.Next() {
		err := rows.Scan(&e.ID, &e.At, &e.Action, &e.Outcome, &e.Reason, &e.ActorID, &e.SubjectID, &e.SessionID,
			&e.ClientID, &e.RequestID, &detail, &commitment)
		if err != nil {
			return nil, database.Unavailable(err)
		}
		e.Detail, e.Commitment = detail, commitment
		body = append(append(body, e.ID.Bytes()...), eventHash(&e)...)
	}
	return body, database.Unavailable(rows.Err())
}

// head is the last batch. Before the first one it is number 0 with a hash of
// zeros.
func (l *Log) head(tx *gorm.DB) (models.AuditBatch, error) {
	var found []models.AuditBatch
	err := tx.Select("seq", "hash").Order("seq DESC").Limit(1).Find(&found).Error
	if err != nil {
		return models.AuditBatch{}, database.Unavailable(err)
	}
	if len(found) == 0 {
		return models.AuditBatch{Hash: make([]byte, sha256.Size)}, nil
	}
	return found[0], nil
}

// LastSealed is when the newest batch of the chain was sealed, by the clock of
// then; the zero time before the first.
func (l *Log) LastSealed(ctx context.Context) (time.Time, error) {
	var found []models.AuditBatch
	err := l.db.Read(ctx).Select("sealed_at").Order("seq DESC").Limit(1).Find(&found).Error
	if err != nil || len(found) == 0 {
		return time.Time{}, database.Unavailable(err)
	}
	return found[0].SealedAt.Time, nil
}

func (l *Log) link(tx *gorm.DB, batch *models.AuditBatch) error {
	if err := tx.Create(batch).Error; err != nil {
		if database.IsDuplicate(err) {
			return errLost
		}
		return err
	}
	query := linkMySQL
	if l.db.Dialect() == database.SQLite {
		query = linkSQLite
	}
	done := tx.Exec(query, batch.Seq, padded(batch.Body))
	if done.Error != nil {
		return done.Error
	}
	if done.RowsAffected != int64(len(batch.Body)/entryLen) {
		return errLost
	}
	return nil
}

// padded lists the ids, the last one repeated up to a power of two: a list of
// every length would be a prepared statement of its own on every connection.
func padded(body []byte) [][]byte {
	n, size := len(body)/entryLen, 1
	for size < n {
		size *= 2
	}
	ids := make([][]byte, size)
	for i := range ids {
		ids[i] = body[min(i, n-1)*entryLen:][:16]
	}
	return ids
}
