package verify

import (
	"bytes"
	"io"
	"strings"
	"testing"
)

// FuzzSnapshot: no bytes crash the reader of a snapshot, and none but what the
// feed key signed is taken.
func FuzzSnapshot(f *testing.F) {
	source := newFeed(f)
	source.end(goldenSession, entry{kind: kindClient, name: "c", epoch: 300}, entry{kind: kindKey, name: "k"})
	good := source.snapshot()
	_, tail, _ := bytes.Cut(good, []byte("\n"))
	f.Add(good)
	f.Add(tail)
	f.Add(good[:len(good)-1])
	f.Add([]byte("a.b.c\n\x01"))
	reader := fuzzFollower(f, source)
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, set, err := reader.readSnapshot(t.Context(), bytes.NewReader(b)); err == nil && !bytes.Equal(b, good) {
			t.Fatalf("%d entries that nobody signed: %q", set.Size(), b)
		}
		// The same bytes as a body: what is read is what is written.
		one := &batch{body: b}
		if list, err := one.entries(); err == nil && len(list) > 0 {
			again := &batch{body: bodyOf(list...)}
			if second, err := again.entries(); err != nil || len(second) != len(list) || second[0] != list[0] {
				t.Fatalf("%v is read back as %v (%v)", list, second, err)
			}
		}
	})
}

func fuzzFollower(f *testing.F, source *feed) *follower {
	f.Helper()
	set := NewKeySet()
	if err := set.Set([]Key{{KID: "feed-1", Alg: "EdDSA", Public: source.key.Public()}}); err != nil {
		f.Fatal(err)
	}
	first := make(chan struct{})
	close(first)
	return &follower{issuer: issuer, maxBytes: 1 << 16, keys: &remote{KeySet: set, first: first}}
}

// FuzzStream: no bytes crash the reader of the stream, it ends, and no batch
// goes beyond its bounds.
func FuzzStream(f *testing.F) {
	source := newFeed(f)
	f.Add(": hello\n\nevent: floor\ndata: {\"floor\":1}\n\n" + source.event(1, hash{}, bodyOf(goldenSession)))
	f.Add("id: a\r\nevent: batch\r\ndata:{}\r\n\r\n")
	f.Add("data\n\n")
	f.Fuzz(func(t *testing.T, text string) {
		alive := 0
		r := newEventReader(strings.NewReader(text), func() { alive++ })
		for range len(text) + 1 {
			ev, err := r.next()
			if err != nil {
				if err == io.EOF && alive > strings.Count(text, "\n") {
					t.Fatal("more lines than there are")
				}
				return
			}
			if b, err := readBatch(ev.data); err == nil && (len(b.body) > maxBody || b.seq == 0) {
				t.Fatalf("%d bytes in batch %d", len(b.body), b.seq)
			}
		}
		t.Fatal("it does not end")
	})
}
