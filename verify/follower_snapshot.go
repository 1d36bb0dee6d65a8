package verify

import (
	"bufio"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// errTooLarge keeps the old set: it ages, and is refused at the bound.
var errTooLarge = errors.New("the snapshot is larger than Options.MaxFeedBytes")

// load reads a snapshot and puts it in force, whole or not at all.
func (f *follower) load(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, loadLimit)
	defer cancel()
	if f.keys.size() == 0 {
		f.keys.fetch(ctx) // as often as we try, and not as seldom as it does
	}
	res, err := f.call(ctx, http.MethodGet, "", nil)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	h, set, err := f.readSnapshot(ctx, res.Body)
	if err != nil {
		return fmt.Errorf("snapshot: %w", err)
	}
	return f.replace(&h, set)
}

// readSnapshot reads entry by entry into a set that nobody sees yet, because
// the sum over them is known to be right only at their end.
func (f *follower) readSnapshot(ctx context.Context, body io.Reader) (head, *Ended, error) {
	r := bufio.NewReaderSize(body, maxToken+1)
	line, err := r.ReadSlice('\n')
	if err != nil {
		return head{}, nil, orGarbage(short(err))
	}
	h, err := f.openHead(ctx, strings.TrimSuffix(string(line), "\n"))
	if err != nil {
		return h, nil, err
	}
	if h.count > f.maxEntries() {
		return h, nil, errTooLarge
	}
	limited := &io.LimitedReader{R: r, N: f.maxBytes + 1}
	sum := sha256.New()
	set := NewEnded(int(h.count))
	count, err := set.fill(io.TeeReader(limited, sum), h.seq)
	switch {
	case limited.N <= 0:
		return h, nil, errTooLarge
	case err != nil:
		return h, nil, err
	case count != h.count || hash(sum.Sum(nil)) != h.sum:
		return h, nil, errGarbage
	}
	return h, set, nil
}

// short tells a line that is too long from an end of the network.
func short(err error) error {
	if err == bufio.ErrBufferFull {
		return errGarbage
	}
	return err
}

// fill adds the entries of a snapshot, some thousands at a time.
func (s *Ended) fill(r io.Reader, seq uint64) (count int64, err error) {
	part := make([]entry, 0, 4096)
	err = readEntries(bufio.NewReaderSize(r, 32<<10), func(e entry) error {
		if part = append(part, e); len(part) == cap(part) {
			s.add(part, seq)
			part = part[:0]
		}
		count++
		return nil
	})
	s.add(part, seq)
	return count, err
}
