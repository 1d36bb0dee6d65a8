package tokens

import (
	"bytes"
	"testing"
	"time"

	"gatehouse/internal/secrets"
	"gatehouse/models"
)

func TestATokenIsReadBackAsItWasWritten(t *testing.T) {
	key := refreshKey(bytes.Repeat([]byte{1}, 32))
	written := key.token(models.NewID(), 7, secrets.Random(refreshSecret))
	read, ok := key.parse(string(written.text))
	if !ok || read.family != written.family || read.generation != 7 || read.secret != written.secret || read.hash != written.hash {
		t.Errorf("got %+v, want %+v", read, written)
	}
	if _, ok := refreshKey(bytes.Repeat([]byte{2}, 32)).parse(string(written.text)); ok {
		t.Error("another ring's token passes")
	}
}

func TestASuccessorNeedsItsPredecessor(t *testing.T) {
	key := refreshKey(bytes.Repeat([]byte{1}, 32))
	family, salt := models.NewID(), secrets.Random(refreshSalt)
	a, b := key.token(family, 1, bytes.Repeat([]byte{3}, 32)), key.token(family, 1, bytes.Repeat([]byte{4}, 32))
	first, again := key.successor(a, salt), key.successor(a, salt)
	if first.hash != again.hash {
		t.Error("the successor cannot be given again")
	}
	for _, other := range []refreshToken{key.successor(b, salt), key.successor(a, secrets.Random(refreshSalt))} {
		if key.successor(a, salt).secret == other.secret {
			t.Error("the successor does not depend on secret and salt")
		}
	}
}

func TestRecentGenerationsAreReadBackAsTheyWereWritten(t *testing.T) {
	if got, err := decodeRecent(encodeRecent(nil)); err != nil || got != nil {
		t.Errorf("got %v and %v", got, err)
	}
	at := time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC)
	want := []used{{generation: 3, hash: secrets.Hash{9}, salt: [16]byte{8}, at: at}, {generation: 4, hash: secrets.Hash{7}, at: at.Add(time.Second)}}
	got, err := decodeRecent(encodeRecent(want))
	if err != nil || len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("got %v and %v", got, err)
	}
	for _, bad := range [][]byte{{2}, {1, 0}, encodeRecent(want)[:60]} {
		if _, err := decodeRecent(bad); err == nil {
			t.Errorf("%x was read", bad)
		}
	}
}

func FuzzParseRefreshToken(f *testing.F) {
	key := refreshKey(bytes.Repeat([]byte{1}, 32))
	good := string(key.token(models.NewID(), 1, make([]byte, refreshSecret)).text)
	f.Add(good)
	f.Add("")
	f.Add(refreshPrefix)
	f.Add(good[:len(good)-1])
	f.Add("gh_rt_zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz")
	f.Fuzz(func(t *testing.T, raw string) {
		token, ok := key.parse(raw)
		if !ok {
			return
		}
		if again := key.token(token.family, token.generation, token.secret[:]); string(again.text) != raw {
			t.Errorf("%q has a second spelling %q", raw, again.text)
		}
	})
}

func FuzzDecodeRecent(f *testing.F) {
	f.Add(encodeRecent([]used{{generation: 1}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		recent, err := decodeRecent(b)
		if err == nil && len(b) > 0 && len(recent) != (len(b)-1)/usedSize {
			t.Errorf("%d entries from %d bytes", len(recent), len(b))
		}
	})
}
