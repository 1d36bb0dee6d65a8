package audit

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"

	"gorm.io/gorm"

	"gatehouse/internal/database"
	"gatehouse/models"
)

// Verify walks the whole chain and compares every row with what was sealed. It
// reads one batch at a time, so that it needs little memory and holds nobody
// up; what is written meanwhile is either not sealed yet or seen whole.
func (l *Log) Verify(ctx context.Context) (Report, error) {
	return l.VerifyAgainst(ctx, Against{})
}

// VerifyAgainst is Verify that compares the chain with checkpoints as well.
func (l *Log) VerifyAgainst(ctx context.Context, a Against) (Report, error) {
	v := verifier{ctx: ctx, log: l, erased: map[models.ID][]Finding{}, recorded: map[models.ID]bool{}, witness: newWitness(a)}
	v.report.HeadHash = make([]byte, sha256.Size)
	for {
		batch, err := v.next()
		if err != nil {
			return Report{}, err
		}
		if batch == nil {
			break
		}
		if err := v.batch(batch); err != nil {
			return Report{}, err
		}
		if a.Progress != nil {
			a.Progress(v.report.Batches)
		}
	}
	return v.finish()
}

// verifier is one walk along the chain.
type verifier struct {
	ctx     context.Context
	log     *Log
	report  Report
	witness *witness
	// erased holds the blank rows of each subject until it is known whether
	// their erasure was recorded, and recorded who was erased according to rows
	// that are what was sealed.
	erased   map[models.ID][]Finding
	recorded map[models.ID]bool
}

func (v *verifier) read() *gorm.DB { return v.log.db.Read(v.ctx) }

func (v *verifier) next() (*models.AuditBatch, error) {
	var found []models.AuditBatch
	err := v.read().Where("seq > ?", v.report.Head).Order("seq").Limit(1).Find(&found).Error
	if err != nil || len(found) == 0 {
		return nil, database.Unavailable(err)
	}
	return &found[0], nil
}

// batch checks the links of b and then each of its rows.
func (v *verifier) batch(b *models.AuditBatch) error {
	r := &v.report
	for missing := r.Head + 1; missing < b.Seq && missing <= r.Head+maxFindings; missing++ {
		r.add(Finding{Fault: BatchMissing, Batch: missing})
	}
	if !bytes.Equal(b.PrevHash, r.HeadHash) {
		r.add(Finding{Fault: BatchUnlinked, Batch: b.Seq})
	}
	if !bytes.Equal(b.Hash, batchHash(b)) || len(b.Body)%entryLen != 0 {
		r.add(Finding{Fault: BatchChanged, Batch: b.Seq})
	}
	r.Batches, r.Head, r.HeadHash, r.HeadAt = r.Batches+1, b.Seq, b.Hash, b.SealedAt.Time
	v.witness.batch(b)
	return v.rows(b)
}

// rows compares the rows that name the batch with the entries of its body.
func (v *verifier) rows(b *models.AuditBatch) error {
	var rows []models.AuditEvent
	if err := v.read().Where("batch = ?", b.Seq).Find(&rows).Error; err != nil {
		return database.Unavailable(err)
	}
	byID := make(map[models.ID]*models.AuditEvent, len(rows))
	for i := range rows {
		byID[rows[i].ID] = &rows[i]
	}
	for place, entry := 1, b.Body; len(entry) >= entryLen; place, entry = place+1, entry[entryLen:] {
		id := models.ID(entry[:16])
		at := Finding{Batch: b.Seq, Event: id, Place: place}
		if err := v.row(at, byID[id], entry[16:entryLen]); err != nil {
			return err
		}
		delete(byID, id)
	}
	for i := range rows {
		if byID[rows[i].ID] != nil {
			v.report.add(Finding{Fault: EventInserted, Batch: b.Seq, Event: rows[i].ID})
		}
	}
	return nil
}

// row compares one row with its sealed hash. A row that is not in its batch is
// looked for elsewhere, to tell a moved one from a deleted one.
func (v *verifier) row(at Finding, row *models.AuditEvent, sealed []byte) error {
	v.report.Events++
	if row == nil {
		var elsewhere int64
		err := v.read().Model(&models.AuditEvent{}).Where("id = ?", at.Event).Count(&elsewhere).Error
		at.Fault = EventDeleted
		if elsewhere > 0 {
			at.Fault = EventMoved
		}
		v.report.add(at)
		return database.Unavailable(err)
	}
	if !bytes.Equal(eventHash(row), sealed) {
		at.Fault = EventChanged
		v.report.add(at)
	} else if row.Action == string(PersonErased) {
		v.recorded[row.SubjectID] = true
		delete(v.erased, row.SubjectID)
	}
	v.personal(at, row)
	if row.Action == string(DatabaseWentBack) {
		v.report.Restored = append(v.report.Restored, Restored{Batch: at.Batch, At: row.At.Time})
	}
	return nil
}

func (v *verifier) personal(at Finding, row *models.AuditEvent) {
	if row.Personal == nil && len(row.Salt) == 0 {
		v.report.Erased++
		if v.recorded[row.SubjectID] {
			return
		}
		at.Fault = EventErased
		if held := v.erased[row.SubjectID]; len(held) < maxFindings {
			v.erased[row.SubjectID] = append(held, at)
		}
		return
	}
	if !bytes.Equal(commitment(row.Salt, row.Personal), row.Commitment) {
		at.Fault = PersonChanged
		v.report.add(at)
	}
}

// finish looks at what only the whole chain can tell.
func (v *verifier) finish() (Report, error) {
	for subject, blank := range v.erased {
		recorded, err := v.justErased(subject)
		if err != nil {
			return Report{}, err
		}
		for _, f := range blank {
			if !recorded {
				v.report.add(f)
			}
		}
	}
	if err := errors.Join(v.before(), v.strays()); err != nil {
		return Report{}, err
	}
	v.report.Disputes = v.witness.disputes(v.report.Head, v.report.HeadAt)
	v.report.Faults += int64(len(v.report.Disputes))
	err := v.read().Model(&models.AuditEvent{}).Where("batch IS NULL").Count(&v.report.Unsealed).Error
	return v.report, database.Unavailable(err)
}

// justErased reports whether an erasure is on record that the walk has not seen,
// because it is so new. A row of the chain that is not what was sealed records
// nothing: whoever blanks a row may write that one, too.
func (v *verifier) justErased(subject models.ID) (bool, error) {
	var n int64
	err := v.read().Model(&models.AuditEvent{}).
		Where("subject_id = ? AND action = ? AND (batch IS NULL OR batch > ?)", subject, string(PersonErased), v.report.Head).Count(&n).Error
	return n > 0, database.Unavailable(err)
}

// before finds batches before the first one. The walk does not come to them, and
// rows that name them would pass for sealed.
func (v *verifier) before() error {
	var found []models.AuditBatch
	err := v.read().Select("seq").Where("seq < 1").Order("seq").Limit(maxFindings).Find(&found).Error
	for _, b := range found {
		v.report.add(Finding{Fault: BatchUnlinked, Batch: b.Seq})
	}
	return database.Unavailable(err)
}

// strays finds rows that name a batch past the end or before the beginning:
// the batch was cut off, or the row was put in. Batches that were sealed while
// the walk ran exist, and so are not meant.
func (v *verifier) strays() error {
	var rows []models.AuditEvent
	err := v.read().Select("id", "batch").
		Where("batch < 1 OR (batch > ? AND NOT EXISTS (SELECT 1 FROM audit_batches WHERE seq = audit_events.batch))", v.report.Head).
		Order("batch").Limit(maxFindings).Find(&rows).Error
	if err != nil {
		return database.Unavailable(err)
	}
	var missing int64
	for _, row := range rows {
		if batch := *row.Batch; batch > v.report.Head && batch != missing {
			missing = batch
			v.report.add(Finding{Fault: BatchMissing, Batch: batch})
		}
		v.report.add(Finding{Fault: EventInserted, Batch: *row.Batch, Event: row.ID})
	}
	return nil
}
