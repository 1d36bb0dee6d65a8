package audit

import (
	"context"
	"crypto/sha256"
	"errors"

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
	rows, err := l.unsealed(ctx)
	if err != nil || len(rows) == 0 {
		return 0, err
	}
	last, err := l.head(l.db.Read(ctx))
	if err != nil {
		return 0, err
	}
	batch := models.AuditBatch{
		Seq:      last.Seq + 1,
		PrevHash: last.Hash,
		Body:     body(rows),
		SealedAt: models.At(l.clock()),
	}
	batch.Hash = batchHash(&batch)
	err = l.db.Write(ctx, func(tx *gorm.DB) error { return link(tx, &batch, rows) })
	if err != nil {
		return 0, err
	}
	return len(rows), nil
}

func (l *Log) unsealed(ctx context.Context) ([]models.AuditEvent, error) {
	var rows []models.AuditEvent
	err := l.db.Read(ctx).Where("batch IS NULL").Order("id").Limit(batchSize).Find(&rows).Error
	return rows, database.Unavailable(err)
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

func link(tx *gorm.DB, batch *models.AuditBatch, rows []models.AuditEvent) error {
	if err := tx.Create(batch).Error; err != nil {
		if database.IsDuplicate(err) {
			return errLost
		}
		return err
	}
	done := tx.Model(&models.AuditEvent{}).
		Where("batch IS NULL AND id IN ?", padded(rows)).
		UpdateColumn("batch", batch.Seq)
	if done.Error != nil {
		return done.Error
	}
	if done.RowsAffected != int64(len(rows)) {
		return errLost
	}
	return nil
}

// padded lists the ids, the last one repeated up to a power of two: a list of
// every length would be a prepared statement of its own on every connection.
func padded(rows []models.AuditEvent) [][]byte {
	size := 1
	for size < len(rows) {
		size *= 2
	}
	ids := make([][]byte, size)
	for i := range ids {
		ids[i] = rows[min(i, len(rows)-1)].ID.Bytes()
	}
	return ids
}

// entryLen is an id and a hash.
const entryLen = 16 + sha256.Size

// body lists the id and the hash of each row in order.
func body(rows []models.AuditEvent) []byte {
	out := make([]byte, 0, len(rows)*entryLen)
	for i := range rows {
		out = append(out, rows[i].ID.Bytes()...)
		out = append(out, eventHash(&rows[i])...)
	}
	return out
}
