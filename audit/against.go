package audit

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"time"

	"gatehouse/models"
)

// Against is what Verify compares the chain with besides itself.
type Against struct {
	// Checkpoints were written by this server or noted by hand.
	Checkpoints []Checkpoint
	// Every is how often the server writes one; 0 does not look whether the
	// newest is old.
	Every time.Duration
	// Progress is told after each batch how many were seen; nil is nobody.
	Progress func(batches int64)
}

// Dispute is a checkpoint that the chain does not fit. Within itself such a chain
// may be whole: whoever can write to the database can link it anew.
type Dispute struct {
	Fault Fault
	// Checkpoint is the first that does not fit, and More is how many others.
	Checkpoint Checkpoint
	More       int
	// Agreed is the last one before it that does; its Batch is 0 for none.
	Agreed Checkpoint
	// Head is where the chain ends, and HeadAt when that was.
	Head   int64
	HeadAt time.Time
}

// String says it in one line.
func (d Dispute) String() string {
	var s string
	switch d.Fault {
	case ChainReplaced:
		s = fmt.Sprintf("batch 1 is not that of %s: this is another log, or it was written anew from its beginning", d.Checkpoint)
	case ChainCut:
		s = fmt.Sprintf("the chain ends with batch %d: batches up to %d of %s are missing", d.Head, d.Checkpoint.Batch, d.Checkpoint)
	case CheckpointOld:
		return fmt.Sprintf("%s (batch %d) is the newest, but the chain goes on to batch %d of %s: no checkpoint was written since, or the end of the file was cut off",
			d.Checkpoint, d.Checkpoint.Batch, d.Head, d.HeadAt.UTC().Format(time.DateTime)+" UTC")
	default:
		s = fmt.Sprintf("batch %d differs from %s", d.Checkpoint.Batch, d.Checkpoint)
		if d.Agreed.Batch > 0 {
			s += fmt.Sprintf(": something in batches %d to %d was changed after it", d.Agreed.Batch+1, d.Checkpoint.Batch)
		}
	}
	if d.Agreed.Batch > 0 {
		s += fmt.Sprintf("; batches 1 to %d are those of %s", d.Agreed.Batch, d.Agreed)
	}
	if d.More > 0 {
		s += fmt.Sprintf(" (and %d checkpoints more)", d.More)
	}
	return s
}

// Restored is a mark in the log that the database was put back to an earlier state.
type Restored struct {
	Batch int64
	At    time.Time
}

// witness compares the chain with checkpoints while it is walked.
type witness struct {
	Against
	waiting      []Checkpoint // by batch, those that the walk has not reached
	right, wrong []Checkpoint
	first        []byte // hash of batch 1, as it is
}

func newWitness(a Against) *witness {
	w := &witness{Against: a, waiting: slices.Clone(a.Checkpoints)}
	slices.SortStableFunc(w.waiting, func(a, b Checkpoint) int {
		return cmp.Or(cmp.Compare(a.Batch, b.Batch), a.At.Compare(b.At))
	})
	return w
}

// batch judges the checkpoints of b, and those of batches that are missing before
// it. It takes the hash that b's content has, not the one that stands beside it.
func (w *witness) batch(b *models.AuditBatch) {
	hash := batchHash(b)
	if b.Seq == 1 {
		w.first = hash
	}
	for len(w.waiting) > 0 && w.waiting[0].Batch <= b.Seq {
		c := w.waiting[0]
		w.waiting = w.waiting[1:]
		if c.Batch == b.Seq && bytes.Equal(c.Hash, hash) {
			w.right = append(w.right, c)
		} else {
			w.wrong = append(w.wrong, c)
		}
	}
}

// disputes is the judgement, once the walk is over. At most one of each kind tells
// of all that are alike.
func (w *witness) disputes(head int64, headAt time.Time) []Dispute {
	var list []Dispute
	foreign := func(c Checkpoint) bool {
		return len(c.First) > 0 && len(w.first) > 0 && !bytes.Equal(c.First, w.first)
	}
	add := func(f Fault, all []Checkpoint, tell int) {
		if len(all) > 0 {
			list = append(list, Dispute{Fault: f, Checkpoint: all[tell], More: len(all) - 1, Agreed: w.before(all[tell]), Head: head, HeadAt: headAt})
		}
	}
	var strange []Checkpoint
	for _, c := range slices.Concat(w.wrong, w.waiting) {
		if foreign(c) {
			strange = append(strange, c)
		}
	}
	wrong, beyond := slices.DeleteFunc(w.wrong, foreign), slices.DeleteFunc(w.waiting, foreign)
	add(ChainReplaced, strange, 0)
	add(CheckpointDiffers, wrong, 0)
	add(ChainCut, beyond, len(beyond)-1)
	if newest := w.newest(); w.Every > 0 && newest.Batch < head && headAt.Sub(newest.At) > 2*w.Every+time.Minute {
		list = append(list, Dispute{Fault: CheckpointOld, Checkpoint: newest, Head: head, HeadAt: headAt})
	}
	return list
}

// before is the last checkpoint that fits, of those of earlier batches that were
// signed before c: what it covers, c covered too.
func (w *witness) before(c Checkpoint) (found Checkpoint) {
	for _, r := range w.right {
		if r.Batch < c.Batch && !r.At.After(c.At) {
			found = r
		}
	}
	return found
}

// newest goes by the batch: one that was signed while the clock was ahead would be
// the newest for as long as that. A head that was noted by hand has no time.
func (w *witness) newest() (newest Checkpoint) {
	for _, c := range w.Checkpoints {
		if !c.At.IsZero() && cmp.Or(cmp.Compare(c.Batch, newest.Batch), c.At.Compare(newest.At)) >= 0 {
			newest = c
		}
	}
	return newest
}
