package keys

import (
	"context"
	"errors"

	"gorm.io/gorm"

	"gatehouse/audit"
	"gatehouse/internal/database"
	"gatehouse/models"
)

// errTaken means that another process was first; what it made is then loaded.
var errTaken = errors.New("keys: another node was first")

// maxTries bounds how often a change is planned anew because another process
// was first. Each time at least one of them got on.
const maxTries = 50

var errBusy = errors.New("keys: other processes keep changing the ring")

// step is one change of one purpose. All steps of a plan are one transaction.
type step struct {
	purpose string
	from    string            // the kid in the slot, "" when there is none
	to      models.SigningKey // takes the slot; without a KID the slot stays
	fresh   bool              // to has no row yet
	ahead   string            // the kid in the slot of the next key, "" when there is none
	next    models.SigningKey // takes that slot; always new; without a KID it stays
	left    string            // the algorithm that is left behind, "" when it stays
}

// nextSlot names the slot of the key that will sign after the current one.
func nextSlot(purpose string) string { return purpose + ".next" }

// leftSlot names the mark that says that a purpose has left an algorithm.
func leftSlot(purpose, alg string) string { return purpose + ".left." + alg }

// settle loads the ring, plans and applies, until there is nothing to do. Every
// key that is there has been opened before the first is made, so that a wrong
// SECRET_KEY changes nothing.
func (r *Ring) settle(ctx context.Context, plan func(*view) ([]step, error)) error {
	for range maxTries {
		if err := r.Reload(ctx); err != nil {
			return err
		}
		steps, err := plan(r.view.Load())
		if err != nil || len(steps) == 0 {
			return err
		}
		err = r.o.DB.Write(ctx, func(tx *gorm.DB) error { return r.apply(tx, steps) })
		if err == nil {
			return r.Reload(ctx)
		}
		if !errors.Is(err, errTaken) {
			return err
		}
	}
	return errBusy
}

// apply makes all changes or none.
func (r *Ring) apply(tx *gorm.DB, steps []step) error {
	for _, s := range steps {
		if err := r.applyNext(tx, s); err != nil {
			return err
		}
		if err := r.applyCurrent(tx, s); err != nil {
			return err
		}
		if s.left != "" {
			if err := leave(tx, s, models.At(r.o.Clock())); err != nil {
				return err
			}
		}
	}
	return nil
}

// applyNext publishes a new next key. When the one before it does not move to
// the slot of the current key, it is put aside without having signed.
func (r *Ring) applyNext(tx *gorm.DB, s step) error {
	if s.next.KID == "" {
		return nil
	}
	if err := moveSlot(tx, nextSlot(s.purpose), s.ahead, s.next.KID, s.next.CreatedAt); err != nil {
		return err
	}
	if s.ahead != "" && s.ahead != s.to.KID {
		if err := r.retire(tx, s.ahead, StateNext, s.purpose); err != nil {
			return err
		}
	}
	return r.insert(tx, s.next)
}

func (r *Ring) applyCurrent(tx *gorm.DB, s step) error {
	if s.to.KID == "" {
		return nil
	}
	now := models.At(r.o.Clock())
	if err := moveSlot(tx, s.purpose, s.from, s.to.KID, now); err != nil {
		return err
	}
	if err := r.begin(tx, s, now); err != nil || s.from == "" {
		return err
	}
	return r.retire(tx, s.from, StateCurrent, s.purpose)
}

// begin lets the key of a step sign.
func (r *Ring) begin(tx *gorm.DB, s step, now models.Time) error {
	if s.fresh {
		return r.insert(tx, s.to)
	}
	done := tx.Model(&models.SigningKey{}).Where("kid = ? AND state = ?", s.to.KID, StateNext).
		Updates(map[string]any{"state": StateCurrent, "signs_from": now})
	if done.Error == nil && done.RowsAffected != 1 {
		return errTaken
	}
	if done.Error != nil {
		return done.Error
	}
	return r.record(tx, audit.KeyPromoted, s.to.KID, s.purpose, s.to.Alg)
}

func (r *Ring) insert(tx *gorm.DB, row models.SigningKey) error {
	if err := tx.Create(&row).Error; err != nil {
		return err
	}
	return r.record(tx, audit.KeyCreated, row.KID, row.Purpose, row.Alg)
}

// moveSlot claims a slot, which must still hold old ("" for none yet). The
// primary key or the row count decides between several processes.
func moveSlot(tx *gorm.DB, slot, old, kid string, now models.Time) error {
	if old == "" {
		err := tx.Create(&models.KeySlot{Purpose: slot, KID: kid, ChangedAt: now}).Error
		if database.IsDuplicate(err) {
			return errTaken
		}
		return err
	}
	moved := tx.Model(&models.KeySlot{}).Where("purpose = ? AND kid = ?", slot, old).
		Updates(map[string]any{"kid": kid, "changed_at": now})
	if moved.Error == nil && moved.RowsAffected != 1 {
		return errTaken
	}
	return moved.Error
}

// leave marks that an algorithm was left, so that no start brings it back. The
// slot that moved in the same transaction keeps two from writing one mark.
func leave(tx *gorm.DB, s step, now models.Time) error {
	slot := leftSlot(s.purpose, s.left)
	if err := tx.Where("purpose = ?", slot).Delete(&models.KeySlot{}).Error; err != nil {
		return err
	}
	return tx.Create(&models.KeySlot{Purpose: slot, KID: s.left, ChangedAt: now}).Error
}

// retire stops a key from signing; it stays published. A revoked key stays revoked.
func (r *Ring) retire(tx *gorm.DB, kid, state, purpose string) error {
	done := tx.Model(&models.SigningKey{}).Where("kid = ? AND state = ?", kid, state).
		Updates(map[string]any{"state": StateRetiring, "retired_at": models.At(r.o.Clock())})
	if done.Error != nil || done.RowsAffected == 0 {
		return done.Error
	}
	return r.record(tx, audit.KeyRetired, kid, purpose, "")
}

func (r *Ring) record(tx *gorm.DB, action audit.Action, kid, purpose, alg string) error {
	detail := map[string]string{"kid": kid, "purpose": purpose}
	if alg != "" {
		detail["alg"] = alg
	}
	return r.o.Audit.Append(tx, audit.Event{Action: action, Outcome: audit.Success, Detail: detail})
}
