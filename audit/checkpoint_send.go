package audit

import (
	"context"
	"fmt"
	"strings"
	"time"

	"gorm.io/gorm"

	"gatehouse/internal/database"
	"gatehouse/models"
)

const (
	// After a failure the receiver is asked again after sendFirst, then twice as
	// long each time up to sendLongest.
	sendFirst   = 10 * time.Second
	sendLongest = 10 * time.Minute
	// sendAtOnce is how many go out in one run.
	sendAtOnce = 100
)

// Sent is the body of the POST to AUDIT_CHECKPOINT_URL. The note alone is signed;
// what stands beside it is for the eyes. One and the same ID may come twice.
type Sent struct {
	Type  string    `json:"type"`
	ID    string    `json:"id"`
	Batch int64     `json:"batch"`
	Hash  string    `json:"hash"`
	Time  time.Time `json:"time"`
	Note  string    `json:"note"`
}

// SentType is the type of every Sent.
const SentType = "gatehouse.audit.checkpoint"

// queue keeps a note until the receiver has it, through restarts of this node.
func (c *Checkpoints) queue(ctx context.Context, note string) error {
	row := models.AuditCheckpoint{ID: models.NewID(), Note: note, MadeAt: models.At(c.Wall())}
	err := c.log.db.Write(ctx, func(tx *gorm.DB) error { return tx.Create(&row).Error })
	return database.Unavailable(err)
}

// Send posts what waits, the oldest first, and forgets what was taken (2xx). What
// was not goes out again later, so that each arrives at least once.
func (c *Checkpoints) Send(ctx context.Context) error {
	if c.URL == "" || !c.maySend() {
		return nil
	}
	var rows []models.AuditCheckpoint
	if err := c.log.db.Read(ctx).Order("id").Limit(sendAtOnce).Find(&rows).Error; err != nil {
		return database.Unavailable(err)
	}
	for i := range rows {
		if err := c.send(ctx, &rows[i]); err != nil {
			return fmt.Errorf("AUDIT_CHECKPOINT_URL: %w; tried again in %s", err, c.failed())
		}
		err := c.log.db.Write(ctx, func(tx *gorm.DB) error { return tx.Where("id = ?", rows[i].ID).Delete(&rows[i]).Error })
		if err != nil {
			return database.Unavailable(err)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wait = 0
	return nil
}

func (c *Checkpoints) send(ctx context.Context, row *models.AuditCheckpoint) error {
	body := Sent{Type: SentType, ID: row.ID.String(), Note: row.Note}
	// The row may have been changed by whoever has the database. The receiver sees
	// it by the signature, so it goes out as it is.
	err := readNotes(strings.NewReader(row.Note), func(n note) error {
		if p, err := parseCheckpoint(n.text); err == nil {
			body.Batch, body.Hash, body.Time = p.Batch, encode(p.Hash), p.At
		}
		return nil
	})
	if err != nil {
		return err
	}
	answer, err := c.Client.PostJSON(ctx, c.URL, body)
	if err == nil && (answer.Status < 200 || answer.Status > 299) {
		err = fmt.Errorf("answered %d", answer.Status)
	}
	return err
}

func (c *Checkpoints) maySend() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.wait == 0 || !c.Wall().Before(c.sendAt)
}

// hasFailed says that something waits that this node could not send.
func (c *Checkpoints) hasFailed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.wait > 0
}

func (c *Checkpoints) failed() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wait = min(max(sendFirst, 2*c.wait), sendLongest)
	c.sendAt = c.Wall().Add(c.wait)
	return c.wait
}
