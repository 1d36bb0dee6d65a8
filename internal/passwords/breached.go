package passwords

import (
	"bytes"
	"crypto/sha1" // the lists have SHA-1; it protects nothing here
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
)

// Breached is a list of passwords that leaked: a file of an operator's own, in
// the form that Have I Been Pwned calls "ordered by hash". It is searched where
// it lies on the disk, so that a thousand million lines take no memory.
type Breached struct {
	file io.ReaderAt
	size int64
}

// hashLine is the SHA-1 at the beginning of a line.
type hashLine [sha1.Size]byte

const (
	// readSize is what one look at the file reads: some ninety lines.
	readSize = 4096
	// maxHashLine is the longest line: 40 digits, a colon, a count, CR and LF.
	maxHashLine = 64
	// guesses are tried before the search halves; an even list needs three.
	guesses = 5
	// samples is how many places of the file are looked at when it is opened.
	samples = 256
)

var (
	errHashLine  = errors.New(`want lines of 40 hexadecimal digits, sorted, with or without ":" and a count (Have I Been Pwned, SHA-1, ordered by hash)`)
	errHashOrder = errors.New("the lines are not sorted by hash")
)

// OpenBreached opens a list and looks at a sample of it, so that a file of
// another form (NTLM, by count, packed) stops the start and not a sign-up.
func OpenBreached(path string) (*Breached, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is no regular file", path)
	}
	b := &Breached{file: f}
	if err == nil {
		b.size = info.Size()
		if err = b.sample(); err != nil {
			err = fmt.Errorf("%s: %w", path, err)
		}
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return b, nil
}

// sample reads evenly spread places of the file, the first and the last line
// among them, and compares their order.
func (b *Breached) sample() error {
	if b.size == 0 {
		return errors.New("the file is empty")
	}
	var least hashLine
	for i := range int64(samples + 1) {
		from := max(0, b.size-readSize) * i / samples
		first, err := b.inOrder(from)
		if err != nil {
			return err
		}
		if bytes.Compare(first[:], least[:]) < 0 {
			return errHashOrder
		}
		least = first
	}
	return nil
}

// inOrder reads one block and returns its first hash.
func (b *Breached) inOrder(from int64) (first hashLine, err error) {
	s, err := b.read(span{from, b.size}, from > 0)
	if err != nil {
		return first, err
	}
	var last hashLine
	for n := 0; s.next(); n++ {
		if n == 0 {
			first = s.hash
		}
		if bytes.Compare(s.hash[:], last[:]) < 0 {
			return first, errHashOrder
		}
		last = s.hash
	}
	return first, s.err
}

// Has reports whether a password is on the list. It reads a few blocks: the
// hashes are spread evenly, so that a guess lands near.
func (b *Breached) Has(password string) (bool, error) {
	return b.has(sha1.Sum([]byte(password)))
}

// span is a part of the file that begins and ends with whole lines.
type span struct{ from, to int64 }

// has searches by interpolation. After guesses looks every other one halves
// instead, so that an uneven file costs no more than twice a binary search.
func (b *Breached) has(want hashLine) (bool, error) {
	in := span{0, b.size}
	low, high := uint64(0), ^uint64(0)
	for look := 0; in.from < in.to; look++ {
		at := in.from + (in.to-in.from)/2
		if (look < guesses || look%2 == 0) && high > low {
			share := float64(want.top()-low) / float64(high-low)
			at = in.from + int64(share*float64(in.to-in.from))
		}
		from := max(in.from, min(at-readSize/2, in.to-readSize))
		s, err := b.read(span{from, in.to}, from > in.from)
		if err != nil {
			return false, err
		}
		before := in
		for s.next() {
			order := bytes.Compare(s.hash[:], want[:])
			if order == 0 {
				return true, nil
			}
			if order > 0 {
				in.to, high = s.begin, s.hash.top()
				break
			}
			in.from, low = s.end, s.hash.top()
		}
		if s.err != nil {
			return false, s.err
		}
		if in == before { // no whole line where there must be some
			return false, errHashLine
		}
	}
	return false, nil
}

// top is the number by which a hash is interpolated.
func (h hashLine) top() uint64 { return binary.BigEndian.Uint64(h[:8]) }

// scan goes through the whole lines of one block.
type scan struct {
	rest       []byte
	begin, end int64 // of the line in the file
	last       bool  // the block reaches the end of the span
	hash       hashLine
	err        error
}

// read reads a block at the beginning of p. inside says that it may begin in
// the middle of a line, which is then left out.
func (b *Breached) read(p span, inside bool) (*scan, error) {
	block := make([]byte, min(readSize, p.to-p.from))
	if _, err := b.file.ReadAt(block, p.from); err != nil {
		return nil, err
	}
	s := &scan{rest: block, end: p.from, last: p.from+int64(len(block)) == p.to}
	if inside {
		i := bytes.IndexByte(block, '\n')
		if i < 0 {
			return nil, errHashLine
		}
		s.rest, s.end = block[i+1:], p.from+int64(i)+1
	}
	return s, nil
}

// next reads one more line. A line that the block cuts is left out.
func (s *scan) next() bool {
	if len(s.rest) == 0 || s.err != nil {
		return false
	}
	length := bytes.IndexByte(s.rest, '\n') + 1
	if length == 0 {
		if length = len(s.rest); !s.last {
			if length >= maxHashLine {
				s.err = errHashLine
			}
			return false
		}
	}
	if s.hash, s.err = parseHashLine(s.rest[:length]); s.err != nil {
		return false
	}
	s.begin, s.end, s.rest = s.end, s.end+int64(length), s.rest[length:]
	return true
}

// parseHashLine reads "HASH", "HASH:COUNT", in either case of the digits, with
// LF, CRLF or the end of the file behind.
func parseHashLine(line []byte) (h hashLine, err error) {
	line = bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))
	digits, count, counted := bytes.Cut(line, []byte(":"))
	if len(digits) != hex.EncodedLen(len(h)) || len(line) > maxHashLine || counted && !isNumber(count) {
		return h, errHashLine
	}
	if _, err := hex.Decode(h[:], digits); err != nil {
		return h, errHashLine
	}
	return h, nil
}

func isNumber(b []byte) bool {
	for _, c := range b {
		if c < '0' || c > '9' {
			return false
		}
	}
	return len(b) > 0
}
