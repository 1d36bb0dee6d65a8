package tokens

import (
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"time"

	"gorm.io/gorm"

	"gatehouse/models"
)

// ackEvery is how often a node writes its row at the most, and how often who
// waits reads the rows of the others.
const ackEvery = 50 * time.Millisecond

// report is what one node testifies, as of the moment at of whoever holds it:
// what is said of silence only grows from then on, because every later word of
// a follower with that node, and every later beat of another node, comes with a
// view that has everything up to seq.
type report struct {
	node    models.ID
	logID   models.ID
	seq     int64                       // applied there, before it looked at the other nodes
	watched time.Duration               // for how long it has looked at them
	nodes   map[models.ID]time.Duration // silence of the others
	heard   map[models.ID]said
	at      time.Time // local
}

// said is the last word of a follower with that node.
type said struct {
	seq    int64
	silent time.Duration
}

const (
	reportVersion = 1
	saidSize      = 16 + 8 + 8
	silentSize    = 16 + 8
)

var errReport = errors.New("tokens: the row of a node cannot be read")

// encode gives the body of the row: version, time watched, followers and
// nodes; durations in milliseconds, rounded down so that nobody is called
// silent too early.
func (r *report) encode() []byte {
	b := make([]byte, 0, 13+len(r.heard)*saidSize+len(r.nodes)*silentSize)
	b = append(b, reportVersion)
	b = binary.BigEndian.AppendUint64(b, uint64(r.watched.Milliseconds()))
	b = binary.BigEndian.AppendUint32(b, uint32(len(r.heard)))
	for id, s := range r.heard {
		b = append(b, id[:]...)
		b = binary.BigEndian.AppendUint64(b, uint64(s.seq))
		b = binary.BigEndian.AppendUint64(b, uint64(s.silent.Milliseconds()))
	}
	for id, silent := range r.nodes {
		b = append(b, id[:]...)
		b = binary.BigEndian.AppendUint64(b, uint64(silent.Milliseconds()))
	}
	return b
}

// decodeReport reads a row whole or not at all.
func decodeReport(row *models.NodeAck) (*report, error) {
	b := row.Body
	if len(b) < 13 || b[0] != reportVersion {
		return nil, errReport
	}
	count := int(binary.BigEndian.Uint32(b[9:]))
	r := &report{node: row.NodeID, logID: row.LogID, seq: row.Seq, watched: millis(b[1:])}
	b = b[13:]
	if count > len(b)/saidSize || (len(b)-count*saidSize)%silentSize != 0 {
		return nil, errReport
	}
	r.heard = make(map[models.ID]said, count)
	for range count {
		r.heard[models.ID(b[:16])] = said{int64(binary.BigEndian.Uint64(b[16:])), millis(b[24:])}
		b = b[saidSize:]
	}
	r.nodes = make(map[models.ID]time.Duration, len(b)/silentSize)
	for ; len(b) > 0; b = b[silentSize:] {
		r.nodes[models.ID(b[:16])] = millis(b[16:])
	}
	return r, nil
}

// millis reads a duration. One that is too long to be true is none.
func millis(b []byte) time.Duration {
	n := binary.BigEndian.Uint64(b)
	if n > uint64(365*24*time.Hour/time.Millisecond) {
		return 0
	}
	return time.Duration(n) * time.Millisecond
}

// readNodes is the last step of a poll: what it reads is at least as new as the
// batches that were read before it. A beat that it does not see is ordered
// after them, so that whoever lives by that beat has them too.
func (l *Log) readNodes(_ context.Context, c *gorm.DB, v *view) error {
	if v.reload || !l.known.shouldLook(l.local()) {
		return nil
	}
	v.looked = true
	if l.node.id.IsZero() {
		return nil // SQLite has one node
	}
	return c.Raw("SELECT id, beat FROM nodes").Scan(&v.nodes).Error
}

// runAcks writes the row of this node while somebody waits for receipts, at
// most every 50 ms.
func (l *Log) runAcks(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-l.known.wake:
		}
		err := l.bounded(ctx, l.writeAcks)
		if err != nil && ctx.Err() == nil {
			l.log.Warn("telling other nodes what this one has applied failed", "error", err)
			l.known.again()
		}
		timer.Reset(ackEvery + rand.N(ackEvery/10))
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
	}
}

func (l *Log) writeAcks(ctx context.Context) error {
	self := l.id()
	r, ok := l.known.take(self, l.local())
	if !ok || self.IsZero() {
		return nil
	}
	_, err := l.db.Exec(ctx, "UPDATE node_acks SET log_id = ?, seq = ?, body = ? WHERE node_id = ?", r.logID, r.seq, r.encode(), self)
	return err
}
