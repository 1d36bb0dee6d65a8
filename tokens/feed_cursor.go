package tokens

import (
	"context"
	"encoding/base64"
	"encoding/binary"

	"gatehouse/internal/apperr"
	"gatehouse/internal/secrets"
	"gatehouse/models"
)

// A cursor is the base64url of log id (16 bytes), number of a batch (8) and a
// MAC over both (16). A follower cannot make one up: one that is genuine and
// beyond the head tells that the database went back in time, and a guess is
// never taken for that.
const (
	cursorBody = 16 + 8
	cursorMAC  = 16
)

var (
	// ErrCursor sends a follower back to the snapshot: its place in the log is
	// forged, of another log, or trimmed.
	ErrCursor = apperr.New(apperr.Expired, "cursor_unknown")
	// ErrAboveHead refuses the claim to have applied what there is not.
	ErrAboveHead = apperr.New(apperr.Malformed, "cursor_above_head")
)

func (f *Feed) cursor(logID models.ID, seq int64) string {
	body := append(make([]byte, 0, cursorBody+cursorMAC), logID[:]...)
	body = binary.BigEndian.AppendUint64(body, uint64(seq))
	return text64(append(body, f.mac(body)...))
}

// parse reads a cursor of this log. Every cursor has one spelling: the unused
// bits of its last character are zero.
func (f *Feed) parse(cursor string) (at spot, err error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err != nil || len(b) != cursorBody+cursorMAC || f.macKey() == nil || !secrets.Equal(f.mac(b[:cursorBody]), b[cursorBody:]) {
		return spot{}, ErrCursor
	}
	ours, _ := f.log.position()
	at = spot{models.ID(b[:16]), int64(binary.BigEndian.Uint64(b[16:]))}
	if at.logID != ours.logID || at.seq < 0 {
		return spot{}, ErrCursor
	}
	return at, nil
}

// spot is how far a follower is in which log.
type spot struct {
	logID models.ID
	seq   int64
}

// known makes sure that seq is not beyond the log. A follower may come from a
// node that has read further: then this one reads on first. What is genuine
// and still beyond it shows that the database went back in time.
func (f *Feed) known(ctx context.Context, seq int64) error {
	before, _ := f.log.position()
	if seq <= before.seq {
		return nil
	}
	if err := f.log.catchUp(ctx); err != nil {
		return err
	}
	at, _ := f.log.position()
	switch {
	case at.logID != before.logID:
		return ErrCursor
	case seq <= at.seq:
		return nil
	}
	renewed, err := f.log.Suspect(ctx, Evidence{Why: WhyCursor, Log: at.logID, holds: endsBefore(seq)})
	switch {
	case err != nil:
		return err
	case renewed:
		return ErrCursor
	}
	return ErrAboveHead
}
