package tokens

import (
	"context"
	"errors"
	"maps"
	"strconv"

	"gorm.io/gorm"

	"gatehouse/audit"
	"gatehouse/internal/database"
	"gatehouse/keys"
	"gatehouse/models"
)

// Renewal is what a database that went back in time costs: everything that it
// may have revived ends, once.
type Renewal struct {
	Why          string
	At           models.Time
	From, LogID  models.ID
	KeepSessions bool
	// Ended counts what ended, by kind.
	Ended map[string]int64
}

// renewer carries it out.
type renewer struct {
	deps Deps
	// ends are what else has to end, in the transaction of the renewal: one
	// function for each kind of secret that the database could have revived.
	ends []func(tx *gorm.DB, r *Renewal) error
}

func newRenewer(d Deps) *renewer {
	return &renewer{deps: d, ends: []func(*gorm.DB, *Renewal) error{endAllSessions, endAllPersonal, endAllLinks}}
}

// OnRenewal has a kind of secret end with all the others when the database went
// back in time. fn runs in the transaction of it, may run twice, and counts
// into Renewal.Ended what it ended. Call it while the rooms are built.
func (s *Service) OnRenewal(fn func(tx *gorm.DB, r *Renewal) error) {
	s.renew.ends = append(s.renew.ends, fn)
}

// Restored is for the command that put a database back: it ends all that may
// have come back to life, with or without the sessions. Running nodes notice
// with their next poll.
func (s *Service) Restored(ctx context.Context, keepSessions bool) (*Renewal, error) {
	if err := s.Log.openDeployment(ctx); err != nil {
		return nil, err
	}
	for {
		row, err := s.Log.deployment(ctx)
		if err != nil {
			return nil, err
		}
		// A node that finds out by itself may be first, and has not been told
		// to keep anything; the command's word is carried out after it.
		done, err := s.renew.renew(ctx, row.LogID, Evidence{Why: WhyRestored}, keepSessions)
		if done != nil || err != nil {
			return done, err
		}
	}
}

var (
	errUnfounded = errors.New("tokens: the database did not go back in time after all")
	errRenewed   = errors.New("tokens: another process began the revocation log anew")
)

// renew begins the log "from" anew, once: the row count of the one UPDATE of
// the deployment decides between any number of processes. nil without an error
// is that another one was first.
func (n *renewer) renew(ctx context.Context, from models.ID, e Evidence, keepSessions bool) (*Renewal, error) {
	r := &Renewal{Why: e.Why, At: models.At(n.deps.Clock()), From: from, KeepSessions: keepSessions}
	err := n.deps.DB.Write(ctx, func(tx *gorm.DB) error { return n.confirm(tx, from, e) })
	if err == nil && !keepSessions {
		err = n.sweep(ctx, r)
	}
	if err == nil {
		err = n.commit(ctx, e, r)
	}
	if errors.Is(err, errRenewed) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	line := "the database went back in time: every session, token, link and key was ended, and everybody has to sign in again"
	if keepSessions {
		line = "the database went back in time: every access token, link and key was ended; sessions were kept, also those that had ended since"
	}
	n.deps.Log.Error(line, "why", r.Why, "log", r.LogID.String())
	return r, nil
}

// confirm looks at the evidence where the data is written.
func (n *renewer) confirm(tx *gorm.DB, from models.ID, e Evidence) error {
	var ids []models.ID
	if err := tx.Raw("SELECT log_id FROM deployment WHERE id = 1").Scan(&ids).Error; err != nil {
		return err
	}
	if len(ids) != 1 || ids[0] != from {
		return errRenewed
	}
	if e.holds == nil {
		return nil
	}
	if ok, err := e.holds(tx); err != nil || ok {
		return err
	}
	return errUnfounded
}

// commit is the one transaction of it. A sealer that took the next number of
// the log meanwhile makes it plan again.
func (n *renewer) commit(ctx context.Context, e Evidence, r *Renewal) error {
	kept := []string{}
	if r.KeepSessions {
		kept = append(kept, keys.PurposeRefresh)
	}
	var err error
	for range rotateRounds {
		err = n.deps.Keys.Renew(ctx, kept, func(change func(tx *gorm.DB) ([]string, error)) error {
			return n.deps.DB.Write(ctx, func(tx *gorm.DB) error { return n.apply(tx, e, r, change) })
		})
		if !database.IsDuplicate(err) {
			return err
		}
	}
	return err
}

func (n *renewer) apply(tx *gorm.DB, e Evidence, r *Renewal, change func(tx *gorm.DB) ([]string, error)) error {
	r.LogID, r.Ended = models.NewID(), map[string]int64{}
	if err := n.confirm(tx, r.From, e); err != nil {
		return err
	}
	res := tx.Exec("UPDATE deployment SET log_id = ? WHERE id = 1 AND log_id = ?", r.LogID, r.From)
	if res.Error == nil && res.RowsAffected != 1 {
		return errRenewed
	}
	if res.Error != nil {
		return res.Error
	}
	kids, err := change(tx)
	if err != nil {
		return err
	}
	r.Ended["keys"] = int64(len(kids))
	if err := n.beginLog(tx, r, kids); err != nil {
		return err
	}
	if !e.lost.IsZero() { // who followed that one finds out where it went
		if err := leaveLog(tx, r, e.lost); err != nil {
			return err
		}
	}
	for _, end := range n.ends {
		if err := end(tx, r); err != nil {
			return err
		}
	}
	return n.record(tx, r)
}

// beginLog makes the first batch of the new log, out of the keys that are
// refused for ever. It takes the next number of the log before it: a sealer
// that has not noticed yet wants the same one, and the key lets one of the two
// have it. All batches before it are about tokens of those keys, so nobody
// needs them; what is not sealed yet is left and does no harm.
func (n *renewer) beginLog(tx *gorm.DB, r *Renewal, kids []string) error {
	entries := make([]Entry, len(kids))
	for i, kid := range kids {
		entries[i] = Entry{Kind: EntryKey, Target: []byte(kid)}
	}
	first := entries[:min(len(entries), maxBatch)]
	_, _, last, err := batchAt(tx, 0)
	if err != nil {
		return err
	}
	batch := models.RevocationBatch{Seq: last + 1, PrevHash: make([]byte, 32), Body: encodeBody(first), SealedAt: r.At}
	if err := tx.Create(&batch).Error; err != nil {
		return err
	}
	if err := tx.Exec("DELETE FROM revocation_batches WHERE seq <= ?", last).Error; err != nil {
		return err
	}
	if err := insertForever(tx, entries[len(first):]); err != nil {
		return err
	}
	return leaveLog(tx, r, r.From)
}

func leaveLog(tx *gorm.DB, r *Renewal, logID models.ID) error {
	return tx.Create(&models.PastLog{
		LogID: logID, NextLogID: r.LogID, Why: r.Why, SessionsKept: r.KeepSessions, LeftAt: r.At,
	}).Error
}

// insertForever writes entries of keys into the outbox.
func insertForever(tx *gorm.DB, entries []Entry) error {
	for _, e := range entries {
		row := models.RevocationOutbox{ID: models.NewID(), Kind: e.Kind, Target: e.Target}
		if err := tx.Create(&row).Error; err != nil {
			return err
		}
	}
	return nil
}

func (n *renewer) record(tx *gorm.DB, r *Renewal) error {
	detail := map[string]string{"from": r.From.String(), "log": r.LogID.String(), "sessions_kept": strconv.FormatBool(r.KeepSessions)}
	for kind, count := range maps.All(r.Ended) {
		detail[kind] = strconv.FormatInt(count, 10)
	}
	return n.deps.Audit.Append(tx, audit.Event{Action: audit.DatabaseWentBack, Outcome: audit.Success, Reason: r.Why, Detail: detail})
}

// learn reads the keys that a renewal made.
func (n *renewer) learn(ctx context.Context) {
	if n == nil {
		return
	}
	if err := n.deps.Keys.Reload(ctx); err != nil { // a job tries again within a second
		n.deps.Log.Error("reading the new keys failed", "error", err)
	}
}
