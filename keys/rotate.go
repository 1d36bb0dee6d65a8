package keys

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"gorm.io/gorm"

	"gatehouse/audit"
	"gatehouse/internal/apperr"
	"gatehouse/models"
)

// TooSoon is the answer of Rotate while a next key has not been published for
// long enough: whoever keeps the key set may not know it yet.
type TooSoon struct {
	Purpose, KID string
	Wait         time.Duration
}

// Error implements error.
func (e TooSoon) Error() string {
	return fmt.Sprintf("the next key for %s has not been published for long enough: services that keep the key set may not know it yet. Wait %s, or use --now and accept that they refuse tokens until they read the set again",
		e.Purpose, e.Wait)
}

// Rotation says what Rotate did for one purpose.
type Rotation struct {
	Purpose, Retired, Current, Alg string
	// Early means that the key was promoted before every cache knows it; for
	// Wait, some may not.
	Early bool
	Wait  time.Duration
}

// Tend does what is due: it rotates by time, makes what is missing and forgets
// keys that nobody needs. It is for a job; when several nodes run it at once,
// exactly one changes anything.
func (r *Ring) Tend(ctx context.Context) error {
	if err := r.settle(ctx, func(v *view) ([]step, error) { return r.plan(v, r.byTime) }); err != nil {
		return err
	}
	return r.forget(ctx)
}

// TendEvery is how often Tend should run.
func (r *Ring) TendEvery() time.Duration {
	return min(max(r.o.RotateEvery/10, time.Second), time.Minute)
}

// forget deletes keys that have outlived everything they signed: a private key
// that nobody needs can only be stolen. Revoked keys keep their row.
func (r *Ring) forget(ctx context.Context) error {
	for _, p := range signing {
		before := models.At(r.o.Clock().Add(-r.keptFor(p.name)))
		_, err := r.o.DB.Exec(ctx, "DELETE FROM signing_keys WHERE state = ? AND purpose = ? AND retired_at < ?", StateRetiring, p.name, before)
		if err != nil {
			return err
		}
	}
	return nil
}

// Rotate lets the next key of every purpose sign at once and publishes new
// next ones. While a next key is younger than caches may be old, it changes
// nothing and answers TooSoon, unless now is set.
//
// An empty answer means that another process did it at the same moment.
//
// A SIGNING_ALG that differs from the next key's replaces that key, so that
// operators can go back to an algorithm; its time has to be waited for, too.
func (r *Ring) Rotate(ctx context.Context, now bool) ([]Rotation, error) {
	if err := r.settle(ctx, r.planAlg); err != nil {
		return nil, err
	}
	var done []Rotation
	var seen map[string]string
	err := r.settle(ctx, func(v *view) ([]step, error) {
		if seen == nil {
			seen = v.slots
		} else if seen[PurposeAccess] != v.slots[PurposeAccess] {
			done = nil // another process was first, and once is what was asked for
			return nil, nil
		}
		var err error
		if done, err = r.review(v, now); err != nil {
			return nil, err
		}
		return r.plan(v, func(string, models.SigningKey, models.SigningKey) bool { return true })
	})
	return done, err
}

// planAlg replaces next keys that have another algorithm than the setting.
func (r *Ring) planAlg(v *view) ([]step, error) {
	var steps []step
	for _, p := range signing {
		next, want := v.inSlot(nextSlot(p.name)), r.algOf(p.name)
		if next.KID == "" || next.Alg == want {
			continue
		}
		s, err := r.newNext(v, p.name, next, want)
		if err != nil {
			return nil, err
		}
		steps = append(steps, s)
	}
	return steps, nil
}

// review says what a rotation will do, or why it should wait.
func (r *Ring) review(v *view, force bool) ([]Rotation, error) {
	var list []Rotation
	for _, p := range signing {
		next := v.inSlot(nextSlot(p.name))
		one := Rotation{Purpose: p.name, Retired: v.slots[p.name], Current: next.KID, Alg: next.Alg}
		if wait := next.SignsFrom.Sub(r.o.Clock()); next.KID != "" && wait > 0 {
			one.Early, one.Wait = true, wait.Round(time.Second)+time.Second
			if !force {
				return nil, TooSoon{p.name, next.KID, one.Wait}
			}
		}
		list = append(list, one)
	}
	return list, nil
}

// Revoke ends keys in an emergency. What they signed is refused from then on,
// for ever, by the entries that commit has to write into the revocation log in
// the same transaction as the change that it is given. If one was the current
// key, the next one signs at once, unless it is revoked too.
//
// It answers NotFound for a kid that is no signing key, and Conflict for one
// that is revoked already.
func (r *Ring) Revoke(ctx context.Context, kids []string, commit func(change func(tx *gorm.DB) error) error) error {
	kids = slices.Compact(slices.Sorted(slices.Values(kids)))
	for range maxTries {
		if err := r.Reload(ctx); err != nil {
			return err
		}
		v := r.view.Load()
		if err := r.revocable(ctx, v, kids); err != nil {
			return err
		}
		steps, err := r.plan(v.without(kids), never)
		if err != nil {
			return err
		}
		err = commit(func(tx *gorm.DB) error {
			if err := r.revoke(tx, v, kids); err != nil {
				return err
			}
			return r.apply(tx, steps)
		})
		if err == nil {
			return r.Reload(ctx)
		}
		if !errors.Is(err, errTaken) {
			return err
		}
	}
	return errBusy
}

func (r *Ring) revocable(ctx context.Context, v *view, kids []string) error {
	for _, kid := range kids {
		if v.opened[kid].signer != nil {
			continue
		}
		rows, err := r.List(ctx)
		if err != nil {
			return err
		}
		for _, row := range rows {
			if row.KID == kid && row.State == StateRevoked {
				return apperr.New(apperr.Conflict, "key_revoked")
			}
		}
		return apperr.New(apperr.NotFound, "no_such_key")
	}
	return nil
}

// revoke blanks the private half too: nothing needs it any more.
func (r *Ring) revoke(tx *gorm.DB, v *view, kids []string) error {
	for _, kid := range kids {
		row := v.opened[kid].row
		done := tx.Model(&models.SigningKey{}).Where("kid = ? AND state = ?", kid, row.State).
			Updates(map[string]any{"state": StateRevoked, "revoked_at": models.At(r.o.Clock()), "private": []byte{}})
		if done.Error == nil && done.RowsAffected != 1 {
			return errTaken
		}
		if done.Error != nil {
			return done.Error
		}
		if err := r.record(tx, audit.KeyRevoked, kid, row.Purpose, row.Alg); err != nil {
			return err
		}
	}
	return nil
}
