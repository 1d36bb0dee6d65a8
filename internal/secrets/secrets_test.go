package secrets

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/big"
	"strings"
	"testing"
)

func TestARawSecretNeverPrintsItself(t *testing.T) {
	r := NewRaw([]byte("hunter2"))
	js, err := json.Marshal(map[string]any{"r": r})
	if err != nil {
		t.Fatal(err)
	}
	all := fmt.Sprintf("%v %s %q %x %#v %+v %s", r, r, r, r, r, &r, js)
	if strings.Contains(all, "hunter2") || strings.Contains(all, "68756e74657232") {
		t.Errorf("printed %s", all)
	}
}

func TestAHashOfOneKindNeverMatchesAnother(t *testing.T) {
	a, _ := HashOf("session", "x")
	b, _ := HashOf("link", "x")
	if a == b {
		t.Error("two kinds gave one hash")
	}
	if _, ok := HashOf("session", ""); ok {
		t.Error("an empty secret was hashed")
	}
}

func TestEmptyValuesAreNeverEqual(t *testing.T) {
	if Equal(nil, nil) || Equal([]byte{}, nil) || !Equal([]byte("a"), []byte("a")) || Equal([]byte("a"), []byte("ab")) {
		t.Error("Equal is wrong")
	}
}

func TestASealedValueOpensInItsOwnPlaceOnly(t *testing.T) {
	box, err := NewBox(Random(32))
	if err != nil {
		t.Fatal(err)
	}
	sealed := box.Seal("t", "c", []byte("row"), []byte("plain"))
	if got, err := box.Open("t", "c", []byte("row"), sealed); err != nil || string(got) != "plain" {
		t.Errorf("got %q, %v", got, err)
	}
	for name, try := range map[string]func() ([]byte, error){
		"another table":  func() ([]byte, error) { return box.Open("u", "c", []byte("row"), sealed) },
		"another column": func() ([]byte, error) { return box.Open("t", "d", []byte("row"), sealed) },
		"another row":    func() ([]byte, error) { return box.Open("t", "c", []byte("row2"), sealed) },
		"shifted names":  func() ([]byte, error) { return box.Open("tc", "", []byte("row"), sealed) },
		"a cut value":    func() ([]byte, error) { return box.Open("t", "c", []byte("row"), sealed[:len(sealed)-1]) },
		"nothing":        func() ([]byte, error) { return box.Open("t", "c", []byte("row"), nil) },
	} {
		if _, err := try(); err != ErrOpen {
			t.Errorf("%s: %v, want ErrOpen", name, err)
		}
	}
	if _, err := NewBox(make([]byte, 31)); err == nil {
		t.Error("a short key was accepted")
	}
}

func TestABoxWithAnOldKeyOpensBothAndSealsAnew(t *testing.T) {
	was, now := Random(32), Random(32)
	before, err := NewBox(was)
	if err != nil {
		t.Fatal(err)
	}
	both, err := NewBoxWithOld(now, was)
	if err != nil {
		t.Fatal(err)
	}
	after, _ := NewBox(now)
	row := []byte("row")
	sealed := before.Seal("t", "c", row, []byte("plain"))
	again, changed, err := both.Reseal("t", "c", row, sealed)
	if err != nil || !changed {
		t.Fatal(changed, err)
	}
	if got, err := after.Open("t", "c", row, again); err != nil || string(got) != "plain" {
		t.Errorf("got %q, %v", got, err)
	}
	if _, changed, err := both.Reseal("t", "c", row, again); changed || err != nil {
		t.Error("sealed twice", err)
	}
	if _, err := before.Open("t", "c", row, both.Seal("t", "c", row, []byte("x"))); err != ErrOpen {
		t.Error("it seals with the old key")
	}
	if _, _, err := after.Reseal("t", "c", row, sealed); err != ErrOpen {
		t.Error("without the old key it opens", err)
	}
	mac := before.MAC("p", row)
	if !both.Recognises(mac, "p", row) || !both.Recognises(after.MAC("p", row), "p", row) || after.Recognises(mac, "p", row) ||
		both.Recognises(mac, "q", row) || both.Recognises(nil, "p", row) {
		t.Error("Recognises is wrong")
	}
	if _, err := NewBoxWithOld(now, was[:31]); err == nil || after.HasOld() || !both.HasOld() {
		t.Error("a short old key was accepted")
	}
}

func TestTokensAreOfOneLengthAndNeverTheSame(t *testing.T) {
	seen := map[string]bool{}
	for range 200 {
		s := NewToken("gh_x_").Reveal()
		if len(s) != len("gh_x_")+43 || seen[s] {
			t.Fatalf("bad token %q", s)
		}
		seen[s] = true
	}
}

func TestDigitsAreDigits(t *testing.T) {
	for range 100 {
		d := Digits(6).Reveal()
		if len(d) != 6 || strings.Trim(d, "0123456789") != "" {
			t.Fatalf("bad code %q", d)
		}
	}
}

func FuzzBase62(f *testing.F) {
	f.Add([]byte{0, 1, 255}, "0")
	f.Add(bytes.Repeat([]byte{255}, 32), "zzzz")
	f.Fuzz(func(t *testing.T, b []byte, s string) {
		if len(b) > 128 || len(s) > 256 {
			return
		}
		back, err := DecodeBase62(string(EncodeBase62(b)), len(b))
		if err != nil || !bytes.Equal(back, b) {
			t.Fatalf("%x became %x, %v", b, back, err)
		}
		for n := range 40 {
			if got, err := DecodeBase62(s, n); err == nil && string(EncodeBase62(got)) != s {
				t.Fatalf("%q has a second spelling", s)
			}
		}
	})
}

// The spelling is that of the number in base 62, as any calculator writes it:
// tokens that were handed out years ago must still be read.
func TestBase62IsTheNumberInBase62(t *testing.T) {
	for n := range 100 {
		for range 20 {
			b := Random(n)
			if n > 2 {
				b[0], b[1] = b[0]&1*255, b[1]&1*255 // leading zeros and ones, often
			}
			want := strings.Map(swapCase, new(big.Int).SetBytes(b).Text(62))
			if n == 0 {
				want = ""
			}
			want = strings.Repeat("0", base62Len(n)-len(want)) + want
			if got := string(EncodeBase62(b)); got != want {
				t.Fatalf("%x: %s, want %s", b, got, want)
			}
			if back, err := DecodeBase62(want, n); err != nil || !bytes.Equal(back, b) {
				t.Fatalf("%s: %x %v, want %x", want, back, err, b)
			}
		}
		over := strings.Repeat("z", base62Len(n))
		if _, err := DecodeBase62(over, n); n > 0 && err == nil {
			t.Errorf("%s was read as %d bytes: the value is too large", over, n)
		}
	}
}

// swapCase makes our order of the letters of big.Int's.
func swapCase(r rune) rune {
	switch {
	case r >= 'a' && r <= 'z':
		return r - 'a' + 'A'
	case r >= 'A' && r <= 'Z':
		return r - 'A' + 'a'
	}
	return r
}

func TestSeedsComeBackFromTheSameKeyForTheSamePurposeOnly(t *testing.T) {
	one, two := bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32)
	seeds := func(purpose string, now, old []byte) []Raw {
		box, err := NewBoxWithOld(now, old)
		if err != nil {
			t.Fatal(err)
		}
		return box.Seeds(purpose)
	}
	a := seeds("a", one, nil)
	if len(a) != 1 || len(a[0].RevealBytes()) != 32 || !Equal(a[0].RevealBytes(), seeds("a", one, nil)[0].RevealBytes()) {
		t.Error("a seed does not come back")
	}
	if Equal(a[0].RevealBytes(), seeds("b", one, nil)[0].RevealBytes()) || Equal(a[0].RevealBytes(), seeds("a", two, nil)[0].RevealBytes()) {
		t.Error("purposes or keys share a seed")
	}
	if both := seeds("a", two, one); len(both) != 2 || !Equal(both[1].RevealBytes(), a[0].RevealBytes()) {
		t.Error("the seed of the old key is not the second")
	}
}
