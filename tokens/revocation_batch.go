package tokens

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"time"

	"gatehouse/models"
)

// A batch body is one byte of version and then its entries: kind, until
// (microseconds, 0 is for ever), target, and the epoch where the kind has one.
// An ended session takes 25 bytes.
const (
	bodyVersion = 1
	maxBatch    = 500
)

// entryCodes are the kinds as they stand in a body; the order never changes.
var entryCodes = [...]string{1: EntrySession, 2: EntryToken, 3: EntrySubject, 4: EntryClient, 5: EntryKey}

var errBody = errors.New("tokens: a revocation batch cannot be read")

func entryCode(kind string) byte {
	for code, k := range entryCodes {
		if code > 0 && k == kind {
			return byte(code)
		}
	}
	return 0
}

// entryOf is what an outbox row ends.
func entryOf(row models.RevocationOutbox) Entry {
	return Entry{Kind: row.Kind, Target: row.Target, Epoch: row.Epoch, Until: row.Until.Time, WantAck: row.WantAck}
}

func encodeBody(entries []Entry) []byte {
	b := append(make([]byte, 0, 1+33*len(entries)), bodyVersion)
	for _, e := range entries {
		b = appendEntry(b, e)
	}
	return b
}

func appendEntry(b []byte, e Entry) []byte {
	until := uint64(0)
	if !e.Until.IsZero() {
		until = uint64(e.Until.UnixMicro())
	}
	b = append(b, entryCode(e.Kind))
	b = binary.BigEndian.AppendUint64(b, until)
	if e.Kind == EntryClient || e.Kind == EntryKey {
		b = append(b, byte(len(e.Target)))
	}
	b = append(b, e.Target...)
	if e.byEpoch() {
		b = binary.AppendUvarint(b, uint64(e.Epoch))
	}
	return b
}

// decodeBody reads a body whole or not at all. Its targets are parts of b.
func decodeBody(b []byte) ([]Entry, error) {
	if len(b) == 0 || b[0] != bodyVersion {
		return nil, errBody
	}
	entries := make([]Entry, 0, len(b)/25)
	for b = b[1:]; len(b) > 0; {
		e, rest, err := decodeEntry(b)
		if err != nil {
			return nil, err
		}
		entries, b = append(entries, e), rest
	}
	return entries, nil
}

func decodeEntry(b []byte) (e Entry, rest []byte, err error) {
	if len(b) < 10 || b[0] == 0 || int(b[0]) >= len(entryCodes) {
		return Entry{}, nil, errBody
	}
	e.Kind = entryCodes[b[0]]
	until := int64(binary.BigEndian.Uint64(b[1:]))
	if until < 0 {
		return Entry{}, nil, errBody // so far in the future that it would count as long past
	}
	if until != 0 {
		e.Until = time.UnixMicro(until).UTC()
	}
	b = b[9:]
	size := 16
	if e.Kind == EntryClient || e.Kind == EntryKey {
		size, b = int(b[0]), b[1:]
	}
	if len(b) < size {
		return Entry{}, nil, errBody
	}
	e.Target, b = b[:size:size], b[size:]
	if e.byEpoch() {
		epoch, n := binary.Uvarint(b)
		if n <= 0 {
			return Entry{}, nil, errBody
		}
		e.Epoch, b = int64(epoch), b[n:]
	}
	return e, b, e.check()
}

// hashBatch links the batches: each holds the hash of the one before, so that
// a database that went back in time and grew another way is recognised.
func hashBatch(logID models.ID, b *models.RevocationBatch) []byte {
	h := sha256.New()
	h.Write([]byte("gatehouse/revocation-batch/v1\x00"))
	h.Write(logID[:])
	h.Write(binary.BigEndian.AppendUint64(nil, uint64(b.Seq)))
	h.Write(b.PrevHash)
	if b.WantAck {
		h.Write([]byte{1})
	} else {
		h.Write([]byte{0})
	}
	h.Write(b.Body)
	return h.Sum(nil)
}
