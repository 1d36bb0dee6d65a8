package tokens

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"math"
	"strings"
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

// An end so far away that it has turned round into the past must not be trimmed
// as if it were over.
func TestAnUntilInTheFarFutureIsKeptOrRefusedAndNeverThePast(t *testing.T) {
	id := models.NewID()
	for name, until := range map[string]uint64{
		"the year 9999": uint64(time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC).UnixMicro()), "the last there is": math.MaxInt64,
	} {
		body := binary.BigEndian.AppendUint64([]byte{bodyVersion, entryCode(EntrySession)}, until)
		entries, err := decodeBody(append(body, id[:]...))
		if err != nil || len(entries) != 1 || entries[0].Until.Before(time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)) {
			t.Errorf("%s: got %+v and %v", name, entries, err)
		}
	}
	for name, until := range map[string]uint64{"beyond the last": 1 << 63, "all ones": math.MaxUint64} {
		body := binary.BigEndian.AppendUint64([]byte{bodyVersion, entryCode(EntrySession)}, until)
		if entries, err := decodeBody(append(body, id[:]...)); !errors.Is(err, errBody) {
			t.Errorf("%s: got %+v and %v", name, entries, err)
		}
	}
}

// Who has stolen a key, or a clock that was set, can write any "exp". Ending
// such a token must not keep an entry in the log for thousands of years.
func TestATokenWithAnEndInTheFarFutureKeepsNothingInTheLog(t *testing.T) {
	eachRoom(t, func(t *testing.T, r *room) {
		_, token := r.family(r.person("anna"))
		answer, err := r.rotate(token)
		if err != nil {
			t.Fatal(err)
		}
		parts := strings.Split(answer.Access.Token.Reveal(), ".")
		payload, err := base64.RawURLEncoding.DecodeString(parts[1])
		if err != nil {
			t.Fatal(err)
		}
		var claims map[string]any
		if err := json.Unmarshal(payload, &claims); err != nil {
			t.Fatal(err)
		}
		for _, exp := range []int64{253402300799, 1<<53 - 1, math.MaxInt64} {
			claims["exp"] = exp
			far, err := signJWT(r.deps.Keys.Signer(), accessType, claims)
			if err != nil {
				t.Fatal(err)
			}
			if err := r.Revoke(t.Context(), far.Reveal(), r.verifierOf(r.deps.Keys).Verify, Client{}); err != nil {
				t.Errorf("%d: %v", exp, err)
			}
		}
		if n := r.count("SELECT COUNT(*) FROM revocation_outbox"); n != 0 {
			t.Errorf("%d entries", n)
		}
		if err := r.Revoke(t.Context(), answer.Access.Token.Reveal(), r.verifierOf(r.deps.Keys).Verify, Client{}); err != nil {
			t.Fatal(err)
		}
		if n := r.count("SELECT COUNT(*) FROM revocation_outbox"); n != 1 {
			t.Errorf("the honest one: %d entries", n)
		}
	})
}
