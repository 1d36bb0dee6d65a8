package audit

import (
	"fmt"
	"time"

	"gatehouse/models"
)

// Fault is a way in which the record differs from what was sealed.
type Fault string

// The faults.
const (
	EventChanged  Fault = "event_changed"    // a row is not what was sealed
	EventDeleted  Fault = "event_deleted"    // a sealed row is gone
	EventInserted Fault = "event_inserted"   // a row claims a batch that never held it
	EventMoved    Fault = "event_moved"      // a sealed row stands in another batch
	EventErased   Fault = "event_erased"     // personal fields are blank without a record of it
	PersonChanged Fault = "personal_changed" // personal fields are not what was written
	BatchChanged  Fault = "batch_changed"    // a batch doesn't match its own hash
	BatchUnlinked Fault = "batch_unlinked"   // a batch doesn't follow the one before
	BatchMissing  Fault = "batch_missing"    // a number is left out, or rows name a batch past the end

	ChainReplaced     Fault = "chain_replaced"     // batch 1 is not that of a checkpoint
	CheckpointDiffers Fault = "checkpoint_differs" // a batch is not what a checkpoint says
	ChainCut          Fault = "chain_cut"          // the chain ends before a batch of a checkpoint
	CheckpointOld     Fault = "checkpoint_old"     // the newest checkpoint is older than it should be
)

// Finding is one fault and its place.
type Finding struct {
	Fault Fault
	Batch int64
	Event models.ID // zero for a fault of a batch
	Place int       // in the batch, from 1; 0 when the row has none
}

// String says it in one line.
func (f Finding) String() string {
	if f.Event.IsZero() {
		return fmt.Sprintf("batch %d: %s", f.Batch, f.Fault)
	}
	if f.Place == 0 {
		return fmt.Sprintf("batch %d: event %s: %s", f.Batch, f.Event, f.Fault)
	}
	return fmt.Sprintf("batch %d: event %d, %s: %s", f.Batch, f.Place, f.Event, f.Fault)
}

// maxFindings is how many findings a report lists; all are counted.
const maxFindings = 1000

// Report is what Verify saw.
type Report struct {
	Batches  int64
	Events   int64 // in the chain
	Erased   int64 // of those, with blank personal fields
	Unsealed int64 // not in the chain yet
	// Head is the number of the last batch and HeadHash its hash. Noted elsewhere
	// they prove later that the end was not cut off, as a checkpoint does.
	Head     int64
	HeadHash []byte
	HeadAt   time.Time
	// Restored are the times at which the database was put back, as the log says.
	Restored []Restored
	Faults   int64
	Findings []Finding
	// Disputes are checkpoints that the chain does not fit.
	Disputes []Dispute
}

// OK reports whether the record is whole.
func (r *Report) OK() bool { return r.Faults == 0 }

func (r *Report) add(f Finding) {
	r.Faults++
	if len(r.Findings) < maxFindings {
		r.Findings = append(r.Findings, f)
	}
}
