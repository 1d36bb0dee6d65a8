package verify

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io"
	"math"
)

// The kinds of endings, as they stand in a batch and in a snapshot.
const (
	kindSession byte = 1 // every token of a session
	kindToken   byte = 2 // one token
	kindSubject byte = 3 // tokens of a user below an epoch
	kindClient  byte = 4 // tokens of a client below an epoch
	kindKey     byte = 5 // everything under a key, for ever
)

const (
	bodyVersion = 1
	maxName     = 64
)

var errGarbage = errors.New("the feed sends something that is not the feed")

// entry is one ending. Its time of expiry is read over: entries are dropped
// below the floor that the feed announces, never by a clock of ours.
type entry struct {
	kind  byte
	id    [16]byte
	name  string
	epoch int64
}

// hash is the SHA-256 that links the batches.
type hash [sha256.Size]byte

// batch is one step of the log as the stream delivers it.
type batch struct {
	seq     uint64
	prev    hash
	wantAck bool
	body    []byte
}

// link is the hash of a batch in the log of that id: it covers the hash of the
// batch before, so that equal hashes are equal histories.
func (b *batch) link(log [16]byte) hash {
	h := sha256.New()
	h.Write([]byte("gatehouse/revocation-batch/v1\x00"))
	h.Write(log[:])
	h.Write(binary.BigEndian.AppendUint64(nil, b.seq))
	h.Write(b.prev[:])
	if b.wantAck {
		h.Write([]byte{1})
	} else {
		h.Write([]byte{0})
	}
	h.Write(b.body)
	return hash(h.Sum(nil))
}

// entries reads the body whole or not at all.
func (b *batch) entries() ([]entry, error) {
	var all []entry
	err := readEntries(bufio.NewReaderSize(bytes.NewReader(b.body), 512), func(e entry) error {
		all = append(all, e)
		return nil
	})
	return all, err
}

// readEntries reads a version and then entries until the end.
func readEntries(r *bufio.Reader, each func(entry) error) error {
	if version, err := r.ReadByte(); err != nil || version != bodyVersion {
		return orGarbage(err)
	}
	for {
		kind, err := r.ReadByte()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		e, err := readEntry(r, kind)
		if err != nil {
			return orGarbage(err)
		}
		if err := each(e); err != nil {
			return err
		}
	}
}

// orGarbage keeps the errors of the network and turns an early end into what
// it means.
func orGarbage(err error) error {
	if err == nil || err == io.EOF || err == io.ErrUnexpectedEOF {
		return errGarbage
	}
	return err
}

func readEntry(r *bufio.Reader, kind byte) (entry, error) {
	e := entry{kind: kind}
	if _, err := r.Discard(8); err != nil { // until
		return e, err
	}
	var err error
	switch kind {
	case kindSession, kindToken, kindSubject:
		if _, err = io.ReadFull(r, e.id[:]); err == nil && e.id == ([16]byte{}) {
			err = errGarbage
		}
	case kindClient, kindKey:
		e.name, err = readName(r)
	default:
		err = errGarbage
	}
	if err == nil && (kind == kindSubject || kind == kindClient) {
		e.epoch, err = readEpoch(r)
	}
	return e, err
}

func readName(r *bufio.Reader) (string, error) {
	n, err := r.ReadByte()
	if err != nil || n == 0 || n > maxName {
		return "", orGarbage(err)
	}
	b := make([]byte, n)
	_, err = io.ReadFull(r, b)
	return string(b), err
}

func readEpoch(r *bufio.Reader) (int64, error) {
	n, err := binary.ReadUvarint(r)
	if err == nil && (n == 0 || n > math.MaxInt64) {
		err = errGarbage
	}
	return int64(n), err
}
