package audit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"gorm.io/gorm"

	"gatehouse/internal/database"
	"gatehouse/internal/safehttp"
	"gatehouse/models"
)

// CheckpointOptions say who signs checkpoints and where they go.
type CheckpointOptions struct {
	Key SigningKey
	// Old are keys of before, whose checkpoints in File are still believed.
	Old []PublicKey
	// File and URL are where they are written and sent; "" is not.
	File, URL string
	Client    *safehttp.Client
	Every     time.Duration
	// Wall is the clock of this machine and not that of the database, which
	// whoever has the database can set.
	Wall func() time.Time
	Log  *slog.Logger
}

// Checkpoints writes signed checkpoints, so that a chain which was linked anew is
// known for one.
type Checkpoints struct {
	CheckpointOptions
	log     *Log
	started time.Time

	mu       sync.Mutex
	looked   bool       // for the last one in File
	last     Checkpoint // that this process wrote, or found in File at its start
	wroteAt  time.Time  // to File
	queuedAt time.Time  // for URL
	// After a failure the receiver is left alone until then.
	sendAt time.Time
	wait   time.Duration
}

// NewCheckpoints makes one. Without a file and an address it still signs what Make
// is asked for.
func (l *Log) NewCheckpoints(o CheckpointOptions) *Checkpoints {
	return &Checkpoints{CheckpointOptions: o, log: l, started: o.Wall()}
}

// On reports whether checkpoints go anywhere.
func (c *Checkpoints) On() bool { return c.File != "" || c.URL != "" }

// Keys are the public halves that this server believes.
func (c *Checkpoints) Keys() []PublicKey { return append([]PublicKey{c.Key.PublicKey}, c.Old...) }

// Due writes a checkpoint when it is time, and sends what waits. It is for the one
// node that holds the lease.
func (c *Checkpoints) Due(ctx context.Context) error {
	_, err := c.writeDue(ctx, time.Time{}, c.Every)
	return errors.Join(err, c.Send(ctx))
}

// Overdue writes one on a node that does not hold the lease and has not written for
// twice as long, and sends it. A lease is a row, and so whoever has the database can
// keep it from everybody: that must not end the checkpoints.
func (c *Checkpoints) Overdue(ctx context.Context) error {
	wrote, err := c.writeDue(ctx, c.started, 2*c.Every)
	if wrote || c.hasFailed() {
		err = errors.Join(err, c.Send(ctx))
	}
	return err
}

// writeDue writes where that is due, and reports whether it was anywhere.
func (c *Checkpoints) writeDue(ctx context.Context, from time.Time, after time.Duration) (bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	file := c.File != "" && c.due(c.wroteAt, from, after)
	url := c.URL != "" && c.due(c.queuedAt, from, after)
	if !file && !url {
		return false, nil
	}
	return true, c.write(ctx, file, url)
}

// due also says yes when the clock was set back, so that it never waits for long.
func (c *Checkpoints) due(last, from time.Time, after time.Duration) bool {
	if last.After(from) {
		from = last
	}
	passed := c.Wall().Sub(from)
	return passed >= after || passed < 0
}

// Write seals what is new, signs where the chain is then, and writes it down. It
// does nothing for a log in which nothing stands.
func (c *Checkpoints) Write(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.write(ctx, c.File != "", c.URL != "")
}

// write writes to the file, for the receiver, or both; neither waits for the other
// to work again.
func (c *Checkpoints) write(ctx context.Context, file, url bool) error {
	c.lookBack()
	point, note, err := c.make(ctx)
	if err != nil || note == "" {
		return err
	}
	compared := c.compare(ctx, point)
	var written, queued error
	if file {
		if written = appendNote(c.File, note); written == nil {
			c.wroteAt = c.Wall()
		} else {
			written = fmt.Errorf("AUDIT_CHECKPOINT_FILE: %w", written)
		}
	}
	if url {
		if queued = c.queue(ctx, note); queued == nil {
			c.queuedAt = c.Wall()
		}
	}
	err = errors.Join(compared, written, queued)
	if err == nil {
		c.last = point
	}
	return err
}

// Make signs a checkpoint of this moment and writes it nowhere; "" for a log in
// which nothing stands.
func (c *Checkpoints) Make(ctx context.Context) (string, error) {
	_, note, err := c.make(ctx)
	return note, err
}

func (c *Checkpoints) make(ctx context.Context) (point Checkpoint, note string, err error) {
	for {
		n, err := c.log.Seal(ctx)
		if err != nil {
			return point, "", err
		}
		if n < maxBatches*batchSize {
			break
		}
	}
	var ends []models.AuditBatch
	err = c.log.db.CausalRead(ctx, func(tx *gorm.DB) error {
		last, err := c.log.head(tx)
		if err != nil || last.Seq == 0 {
			return err
		}
		return tx.Select("seq", "hash").Where("seq = 1 OR seq = ?", last.Seq).Order("seq").Find(&ends).Error
	})
	if err != nil || len(ends) == 0 {
		return point, "", database.Unavailable(err)
	}
	first, last := ends[0], ends[len(ends)-1]
	point = Checkpoint{Origin: c.Key.Name, Batch: last.Seq, Hash: last.Hash, First: first.Hash, At: c.Wall().UTC().Truncate(time.Second)}
	return point, c.Key.sign(point.text()), nil
}

// lookBack finds, once, what was written before this process started.
func (c *Checkpoints) lookBack() {
	if c.looked || c.File == "" {
		return
	}
	c.looked = true
	last, err := lastCheckpoint(c.File, c.Keys())
	if err != nil {
		c.Log.Error("the last checkpoint of the audit log cannot be read", "error", err)
		return
	}
	c.last = last
}

// compare says so at once when the chain is not what it was at the last checkpoint.
// The new one is written all the same: what is known cannot be less for it. After an
// error the next one is compared with the same checkpoint.
func (c *Checkpoints) compare(ctx context.Context, now Checkpoint) error {
	if c.last.Batch == 0 {
		return nil
	}
	var then []models.AuditBatch
	err := c.log.db.Read(ctx).Select("seq", "hash").Where("seq = ?", c.last.Batch).Find(&then).Error
	if err != nil {
		return database.Unavailable(err)
	}
	if len(then) == 0 || !bytes.Equal(then[0].Hash, c.last.Hash) {
		c.Log.ErrorContext(ctx, "the audit log is not what it was: run audit verify with the checkpoints",
			"checkpoint", c.last.String(), "batch", c.last.Batch, "head", now.Batch)
	}
	return nil
}
