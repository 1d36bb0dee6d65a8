package secrets

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
)

// ErrOpen is returned when a sealed column does not open: another SECRET_KEY,
// another row, or changed bytes.
var ErrOpen = errors.New("secrets: sealed value does not open with this SECRET_KEY in this place")

// Box seals columns and makes keyed hashes with keys derived from SECRET_KEY.
// While SECRET_KEY is changed it also knows the one before it.
type Box struct {
	aead   cipher.AEAD
	macKey []byte
	old    *Box // opens and recognises, and never seals; nil without one
}

// NewBox derives the keys (HKDF-SHA-256, RFC 5869) from the bytes of
// SECRET_KEY, which must be at least 32.
func NewBox(master []byte) (*Box, error) { return NewBoxWithOld(master, nil) }

// NewBoxWithOld is NewBox that opens what was sealed with old, too; an empty
// old is none.
func NewBoxWithOld(master, old []byte) (*Box, error) {
	box, err := derive(master)
	if err != nil || len(old) == 0 {
		return box, err
	}
	box.old, err = derive(old)
	return box, err
}

// HasOld reports whether there is an old key beside the one that seals.
func (b *Box) HasOld() bool { return b.old != nil }

func derive(master []byte) (*Box, error) {
	if len(master) < 32 {
		return nil, errors.New("secrets: SECRET_KEY must have at least 32 bytes")
	}
	sealKey, err := hkdf.Key(sha256.New, master, nil, "gatehouse/seal/v1", 32)
	if err != nil {
		return nil, err
	}
	macKey, err := hkdf.Key(sha256.New, master, nil, "gatehouse/mac/v1", 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(sealKey)
	if err != nil {
		return nil, err
	}
	// Random nonces of 96 bits are safe up to about 2^32 values under one key
	// (NIST SP 800-38D, section 8.3); Go prepends the nonce itself.
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, err
	}
	return &Box{aead: aead, macKey: macKey}, nil
}

const sealVersion = 1

// Seal encrypts plain for one cell of the database. Table, column and row are
// authenticated, so that a sealed value copied to another place does not open.
func (b *Box) Seal(table, column string, row, plain []byte) []byte {
	return b.aead.Seal([]byte{sealVersion}, nil, plain, place(table, column, row))
}

// Open is the inverse of Seal; it answers ErrOpen for everything else.
func (b *Box) Open(table, column string, row, sealed []byte) ([]byte, error) {
	if len(sealed) == 0 || sealed[0] != sealVersion {
		return nil, ErrOpen
	}
	plain, err := b.aead.Open(nil, nil, sealed[1:], place(table, column, row))
	if err == nil {
		return plain, nil
	}
	if b.old != nil {
		return b.old.Open(table, column, row, sealed)
	}
	return nil, ErrOpen
}

// Reseal seals with the key of today what only the old one opens. changed is
// false for what today's opens; ErrOpen is for what none does.
func (b *Box) Reseal(table, column string, row, sealed []byte) (again []byte, changed bool, err error) {
	plain, err := b.Open(table, column, row, sealed)
	if err != nil || b.old == nil {
		return sealed, false, err
	}
	if _, err := b.old.Open(table, column, row, sealed); err != nil {
		return sealed, false, nil
	}
	return b.Seal(table, column, row, plain), true, nil
}

// MAC is a keyed hash (HMAC-SHA-256) for one purpose, over parts that cannot
// run into each other. It is for values too short to be stored as a plain hash
// (six-digit codes) and for names that should not be readable in a table.
func (b *Box) MAC(purpose string, parts ...[]byte) []byte {
	return MAC(b.macKey, purpose, parts...)
}

// Seeds are 32 bytes for one purpose from which a key can be made again at any
// time: today's first, then the old one's when there is one. What is made of them
// is in no database, and so out of reach for whoever has the database alone.
func (b *Box) Seeds(purpose string) []Raw {
	seeds := []Raw{NewRaw(b.MAC("seed", []byte(purpose)))}
	if b.old != nil {
		seeds = append(seeds, b.old.Seeds(purpose)...)
	}
	return seeds
}

// Recognises reports, in constant time, whether mac is the MAC of parts by the
// key of today or by the old one.
func (b *Box) Recognises(mac []byte, purpose string, parts ...[]byte) bool {
	ok := Equal(mac, b.MAC(purpose, parts...))
	if b.old != nil {
		ok = Equal(mac, b.old.MAC(purpose, parts...)) || ok
	}
	return ok
}

// MAC is HMAC-SHA-256 under a key of the caller's, framed as Box.MAC.
func MAC(key []byte, purpose string, parts ...[]byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write(frame([]byte(purpose)))
	for _, p := range parts {
		h.Write(frame(p))
	}
	return h.Sum(nil)
}

func place(table, column string, row []byte) []byte {
	return append(append(frame([]byte(table)), frame([]byte(column))...), frame(row)...)
}

func frame(b []byte) []byte {
	return append(binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(b)), uint32(len(b))), b...)
}
