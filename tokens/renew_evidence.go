package tokens

import (
	"gorm.io/gorm"

	"gatehouse/models"
)

// What showed that the database went back in time, as the audit record says it.
const (
	WhyRestored = "restored"              // an operator said so
	WhyBeat     = "lost_beat"             // a node's own row is older than the node left it
	WhyLog      = "lost_log"              // the log ends before, or differs from, what a node read
	WhyOtherLog = "unknown_log"           // the log is not one that came after the one a node read
	WhyCursor   = "cursor_of_the_future"  // a follower's genuine place is beyond the log
	WhyRefresh  = "refresh_of_the_future" // a genuine refresh token is ahead of its family
	WhyFile     = "high_water_file"       // the file beside the database has seen more
)

// Evidence that the database went back in time. It comes from a causal read,
// and is looked at again in the transaction that reacts: that one runs where
// the data is written, which no replica that lags can answer for.
type Evidence struct {
	Why string
	// Log is the log that it speaks of; once that was left, it says nothing.
	// The zero id is the log that the caller holds on to.
	Log models.ID
	// lost is a log that was followed and that this database does not know.
	lost  models.ID
	holds func(tx *gorm.DB) (bool, error) // nil always holds
}

// batchAt is the batch of a number, nil when there is none, and the ends of the
// log.
func batchAt(tx *gorm.DB, seq int64) (b *models.RevocationBatch, first, last int64, err error) {
	var rows []models.RevocationBatch
	err = tx.Raw("SELECT seq, prev_hash, body, want_ack FROM revocation_batches WHERE seq = ?", seq).Scan(&rows).Error
	if err != nil {
		return nil, 0, 0, err
	}
	if len(rows) == 1 {
		b = &rows[0]
	}
	err = tx.Raw("SELECT COALESCE(MIN(seq), 0), COALESCE(MAX(seq), 0) FROM revocation_batches").Row().Scan(&first, &last)
	return b, first, last, err
}

// lacks reports whether the log is shorter than seq, or has another batch there.
// Nothing is said of a batch that may have been trimmed.
func lacks(tx *gorm.DB, logID models.ID, seq int64, hash []byte) (bool, error) {
	if seq == 0 {
		return false, nil
	}
	b, first, last, err := batchAt(tx, seq)
	switch {
	case err != nil:
		return false, err
	case b != nil:
		return !equalHash(hashBatch(logID, b), hash), nil
	}
	return last < seq || first < seq, nil
}

// peakIsGone: the newest batch that this process ever applied is not there.
func (l *Log) peakIsGone(tx *gorm.DB) (bool, error) {
	return lacks(tx, l.logID, l.peak.seq, l.peak.hash)
}

// beatIsLost: the row of this node, of this very run, counts less than this
// node was told it does.
func (l *Log) beatIsLost(tx *gorm.DB) (bool, error) {
	var n int64
	err := tx.Raw("SELECT COUNT(*) FROM nodes WHERE id = ? AND boot = ? AND beat < ?", l.node.id, l.node.boot, l.node.beat).Scan(&n).Error
	return n == 1, err
}

// endsBefore: the log ends before a place that a follower can prove.
func endsBefore(seq int64) func(*gorm.DB) (bool, error) {
	return func(tx *gorm.DB) (bool, error) {
		_, _, last, err := batchAt(tx, seq)
		return err == nil && last < seq, err
	}
}

// neverLeft: a log that was followed is not among those that were left.
func neverLeft(logID models.ID) Evidence {
	return Evidence{Why: WhyOtherLog, lost: logID, holds: func(tx *gorm.DB) (bool, error) {
		var n int64
		err := tx.Raw("SELECT COUNT(*) FROM past_logs WHERE log_id = ?", logID).Scan(&n).Error
		return n == 0, err
	}}
}
