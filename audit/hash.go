package audit

import (
	"crypto/sha256"
	"encoding/binary"
	"hash"

	"gatehouse/models"
)

// The names at the start of every hash keep a hash of one kind from passing
// for another. Changing what follows them needs a new number.
const (
	personalDomain = "gatehouse/audit/personal/1"
	eventDomain    = "gatehouse/audit/event/1"
	batchDomain    = "gatehouse/audit/batch/1"
)

// digest hashes parts with their lengths, so that none can run into the next.
type digest struct{ h hash.Hash }

func newDigest(domain string) digest {
	d := digest{sha256.New()}
	d.text(domain)
	return d
}

func (d digest) bytes(b []byte) {
	d.number(int64(len(b)))
	d.h.Write(b)
}

func (d digest) text(s string) { d.bytes([]byte(s)) }

func (d digest) number(n int64) {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(n))
	d.h.Write(b[:])
}

func (d digest) sum() []byte { return d.h.Sum(nil) }

// commitment binds a row to its personal fields without showing them.
func commitment(salt, personal []byte) []byte {
	d := newDigest(personalDomain)
	d.bytes(salt)
	d.bytes(personal)
	return d.sum()
}

// eventHash covers everything of a row but its batch, which comes later, and
// its personal fields and salt, which can be erased.
func eventHash(e *models.AuditEvent) []byte {
	d := newDigest(eventDomain)
	d.bytes(e.ID.Bytes())
	d.number(e.At.UnixMicro())
	for _, s := range []string{e.Action, e.Outcome, e.Reason, e.ClientID, e.RequestID} {
		d.text(s)
	}
	for _, id := range []models.ID{e.ActorID, e.SubjectID, e.SessionID} {
		d.bytes(id.Bytes())
	}
	d.bytes(e.Detail)
	d.bytes(e.Commitment)
	return d.sum()
}

// batchHash links a batch to the one before.
func batchHash(b *models.AuditBatch) []byte {
	d := newDigest(batchDomain)
	d.number(b.Seq)
	d.bytes(b.PrevHash)
	d.number(b.SealedAt.UnixMicro())
	d.bytes(b.Body)
	return d.sum()
}
