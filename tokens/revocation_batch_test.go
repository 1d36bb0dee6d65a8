package tokens

import (
	"bytes"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/models"
)

func TestABatchIsReadBackAsItWasWritten(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC)
	want := []Entry{
		{Kind: EntrySession, Target: models.NewID().Bytes(), Until: at},
		{Kind: EntryToken, Target: models.NewID().Bytes()},
		{Kind: EntrySubject, Target: models.NewID().Bytes(), Epoch: 300, Until: at},
		{Kind: EntryClient, Target: []byte("app"), Epoch: 1, Until: at},
		{Kind: EntryKey, Target: []byte("2026-01-02-abc")},
	}
	got, err := decodeBody(encodeBody(want))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if n := len(encodeBody(want[:1])); n != 26 {
		t.Errorf("an ended session takes %d bytes with its version, want 26", n)
	}
}

func FuzzDecodeBatch(f *testing.F) {
	id := models.NewID().Bytes()
	f.Add(encodeBody([]Entry{{Kind: EntrySession, Target: id}, {Kind: EntrySubject, Target: id, Epoch: 7}}))
	f.Add(encodeBody([]Entry{{Kind: EntryKey, Target: []byte("k")}, {Kind: EntryClient, Target: []byte("c"), Epoch: 1}}))
	f.Add([]byte{1, 5, 0, 0, 0, 0, 0, 0, 0, 0, 200, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		entries, err := decodeBody(b)
		if err != nil {
			return
		}
		again, err := decodeBody(encodeBody(entries))
		if err != nil || len(again) != len(entries) {
			t.Errorf("%x is read as %v and then as %v, %v", b, entries, again, err)
		}
	})
}

func TestAChangedBatchHasAnotherHash(t *testing.T) {
	log := models.NewID()
	b := models.RevocationBatch{Seq: 1, PrevHash: make([]byte, 32), Body: []byte{1}}
	others := []models.RevocationBatch{
		{Seq: 2, PrevHash: b.PrevHash, Body: b.Body},
		{Seq: 1, PrevHash: bytes.Repeat([]byte{1}, 32), Body: b.Body},
		{Seq: 1, PrevHash: b.PrevHash, Body: []byte{1, 1}},
		{Seq: 1, PrevHash: b.PrevHash, Body: b.Body, WantAck: true},
	}
	for _, other := range others {
		if equalHash(hashBatch(log, &b), hashBatch(log, &other)) {
			t.Errorf("%+v has the same hash", other)
		}
	}
	if equalHash(hashBatch(log, &b), hashBatch(models.NewID(), &b)) {
		t.Error("the hash is the same in another log")
	}
}
