package tokens

import (
	"context"
	"errors"
	"time"

	"gorm.io/gorm"

	"gatehouse/internal/database"
	"gatehouse/models"
)

// node is this process among the nodes of the MySQL family. SQLite has one
// server process, which reads what it wrote: it needs no beat, and its row is
// there for the commands that run beside it.
type node struct {
	id, boot models.ID
	beat     int64
	sent     map[int64]time.Time // local: when each beat was sent that no poll has read back
}

// nodeGoneAfter is how long a row may go without a beat before it is deleted.
const nodeGoneAfter = 24 * time.Hour

var errNoNode = errors.New("tokens: the row of this node is not there to read")

// register makes a new node of this process. Its id is of this run alone, so
// that two processes never share one unless somebody copies a running machine.
func (l *Log) register(ctx context.Context) error {
	now := models.At(l.clock())
	n := node{id: models.NewID(), boot: models.NewID(), sent: map[int64]time.Time{0: l.local()}}
	row := models.Node{ID: n.id, Boot: n.boot, StartedAt: now, SeenAt: now}
	err := l.db.Write(ctx, func(tx *gorm.DB) error {
		if l.db.Dialect() == database.SQLite {
			if err := onlyNode(tx); err != nil {
				return err
			}
		}
		if err := tx.Create(&row).Error; err != nil {
			return err
		}
		return tx.Create(&models.NodeAck{NodeID: n.id, Name: plainText(l.name, maxNodeName), LogID: l.logID, Body: []byte{}}).Error
	})
	if err != nil {
		return err
	}
	if l.db.Dialect() != database.SQLite {
		l.node = n
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.self = n.id
	l.known.begin(l.local())
	return nil
}

// maxNodeName is the size of the column.
const maxNodeName = 128

// onlyNode clears the rows of dead predecessors: only one server may work on a
// SQLite file, and this process is it.
func onlyNode(tx *gorm.DB) error {
	if err := tx.Exec("DELETE FROM node_acks").Error; err != nil {
		return err
	}
	return tx.Exec("DELETE FROM nodes").Error
}

// leave takes the row away at a clean stop. It refuses first, because no
// receipt waits for a node whose row is gone.
func (l *Log) leave(ctx context.Context) {
	l.following.Lock()
	defer l.following.Unlock()
	l.running.Store(false)
	self := l.id()
	if self.IsZero() {
		return
	}
	l.asOf.Store(nil)
	err := l.bounded(ctx, func(ctx context.Context) error {
		return l.db.Write(ctx, func(tx *gorm.DB) error {
			if err := tx.Exec("DELETE FROM nodes WHERE id = ?", self).Error; err != nil {
				return err
			}
			return tx.Exec("DELETE FROM node_acks WHERE node_id = ?", self).Error
		})
	})
	if err != nil {
		l.log.Warn("this node could not sign off", "error", err)
	}
}

// id is the row of this process; zero before the start.
func (l *Log) id() models.ID {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.self
}

// readBeat dates the view: everything that was committed before the beat it
// reads was SENT shows in the reads that follow on this connection, whatever
// proxy or replica stands between.
func (l *Log) readBeat(_ context.Context, c *gorm.DB, v *view) error {
	n := &l.node
	if n.id.IsZero() {
		return nil
	}
	var beats []int64
	if err := c.Raw("SELECT beat FROM nodes WHERE id = ? AND boot = ?", n.id, n.boot).Scan(&beats).Error; err != nil {
		return err
	}
	if len(beats) == 0 {
		return errNoNode // a lagging replica; if it is really gone, the next beat finds out
	}
	sent, ok := n.sent[beats[0]]
	if !ok {
		return errBehind
	}
	v.asOf = sent
	for beat := range n.sent {
		if beat < beats[0] {
			delete(n.sent, beat)
		}
	}
	return nil
}

// beat counts this node's row up by one. The condition on the old value makes
// the row count tell whether the database still is where this node left it.
func (l *Log) beat(ctx context.Context) error {
	l.following.Lock()
	defer l.following.Unlock()
	n := &l.node
	if n.id.IsZero() {
		return nil
	}
	next := n.beat + 1
	if _, tried := n.sent[next]; !tried { // of two tries the first one counts
		n.sent[next] = l.local()
	}
	rows, err := l.db.Exec(ctx, "UPDATE nodes SET beat = ?, seen_at = ? WHERE id = ? AND boot = ? AND beat = ?",
		next, models.At(l.clock()), n.id, n.boot, n.beat)
	if err != nil {
		return err
	}
	if rows == 0 {
		return l.missedBeat(ctx, next)
	}
	n.beat = next
	return nil
}

// missedBeat finds out why a beat changed no row, by a causal read.
func (l *Log) missedBeat(ctx context.Context, next int64) error {
	var rows []models.Node
	err := l.db.CausalRead(ctx, func(c *gorm.DB) error {
		return c.Raw("SELECT boot, beat FROM nodes WHERE id = ?", l.node.id).Scan(&rows).Error
	})
	switch {
	case err != nil:
		return database.Unavailable(err)
	case len(rows) == 0:
		// Deleted, because this process stood still for a day, or by a database
		// that went back in time; the cursor tells the two apart by itself.
		l.log.Warn("the row of this node is gone; registering again")
		return l.register(ctx)
	case rows[0].Boot != l.node.boot || rows[0].Beat > next:
		return l.fail(errTwin)
	case rows[0].Beat < l.node.beat:
		return l.lost(ctx, errLostBeat, Evidence{Why: WhyBeat, holds: l.beatIsLost})
	case rows[0].Beat == next: // the answer to an earlier try was lost, not the beat
		l.node.beat = next
	}
	return nil
}

// fail makes this node not ready until the process starts again.
func (l *Log) fail(err error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.status.fault == nil {
		l.status.fault = err
		l.log.Error("this node is no longer ready", "error", err)
	}
	return err
}
