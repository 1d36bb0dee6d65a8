package audit

import (
	"crypto/ed25519"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// signingKey is made of one byte, so that two with the same byte are one.
func signingKey(name string, b byte) SigningKey {
	private := ed25519.NewKeyFromSeed(slices.Repeat([]byte{b}, ed25519.SeedSize))
	return SigningKey{
		PublicKey: PublicKey{Name: name, Key: private.Public().(ed25519.PublicKey)},
		Sign:      func(text []byte) []byte { return ed25519.Sign(private, text) },
	}
}

func someCheckpoint(batch int64) Checkpoint {
	return Checkpoint{
		Origin: "id.example.com/audit", Batch: batch, Hash: slices.Repeat([]byte{byte(batch)}, 32),
		First: slices.Repeat([]byte{1}, 32), At: time.Date(2026, 11, 23, 14, 0, int(batch), 0, time.UTC),
	}
}

// The keys and notes are the examples of C2SP signed-note, so that what we read
// and write is what others do.
func TestC2SPSignedNoteAndTlogCheckpointExamplesAreReadAsTheyAre(t *testing.T) {
	for key, text := range map[string]string{
		"example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k": "This is an example message.\n\n" +
			"— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n",
	} {
		k, err := ParsePublicKey(key)
		if err != nil || k.String() != key {
			t.Fatal(k, err)
		}
		for changed, want := range map[string]error{text: nil, strings.Replace(text, "example m", "exemple m", 1): errForged} {
			err := readNotes(strings.NewReader(changed), func(n note) error { _, err := n.signer([]PublicKey{k}); return err })
			if !errors.Is(err, want) {
				t.Errorf("%v, want %v", err, want)
			}
		}
	}
}

func TestACheckpointIsReadBackByWhoHasThePublicKey(t *testing.T) {
	key := signingKey("id.example.com/audit", 7)
	known, err := ParsePublicKey(key.String())
	if err != nil {
		t.Fatal(err)
	}
	file := key.sign(someCheckpoint(1).text()) + "\n" + key.sign(someCheckpoint(2).text()) + "\n"
	list, problems, err := ReadCheckpoints(strings.NewReader(file), []PublicKey{known})
	if err != nil || len(problems) != 0 || len(list) != 2 || list[1].text() != someCheckpoint(2).text() {
		t.Errorf("%v %v %v", list, problems, err)
	}
}

func TestACheckpointOfBeforeTheServerMovedCounts(t *testing.T) {
	old, now := signingKey("old.example.com/audit", 7), signingKey("id.example.com/audit", 7)
	list, _, _ := ReadCheckpoints(strings.NewReader(old.sign(someCheckpoint(1).text())), []PublicKey{now.PublicKey})
	if len(list) != 1 {
		t.Error("the same key under another name is not known")
	}
}

func TestWhatIsWrongWithACheckpointFileIsSaidWithItsLine(t *testing.T) {
	key, other := signingKey("a/audit", 1), signingKey("a/audit", 2)
	one, two, three := key.sign(someCheckpoint(1).text()), key.sign(someCheckpoint(2).text()), key.sign(someCheckpoint(3).text())
	for name, c := range map[string]struct {
		file string
		good int
		want []NoteProblem
	}{
		"all is well":              {one + "\n" + two + "\n" + three, 3, nil},
		"a number is changed":      {one + "\n" + strings.Replace(two, "\n2\n", "\n3\n", 1) + "\n" + three, 2, []NoteProblem{{9, errForged, false}}},
		"a time is changed":        {strings.Replace(one, "T14", "T15", 1) + "\n" + two, 1, []NoteProblem{{1, errForged, false}}},
		"a signature is swapped":   {someCheckpoint(1).text() + strings.TrimPrefix(two, someCheckpoint(2).text()), 0, []NoteProblem{{1, errForged, false}}},
		"a stranger signed":        {one + "\n" + other.sign(someCheckpoint(2).text()), 1, []NoteProblem{{9, errUnknownKey, false}}},
		"a text lost its end":      {one + "\n" + two[:40] + "\n\n" + three, 2, []NoteProblem{{9, errTorn, true}}},
		"a signature lost its end": {one + "\n" + two[:len(two)-9] + "\n\n" + three, 2, []NoteProblem{{9, errTorn, true}}},
		"a signature lost its text": {strings.TrimPrefix(one, someCheckpoint(1).text()) + "\n" + two, 1,
			[]NoteProblem{{2, errTorn, true}}},
		"the end is torn":               {one + "\n" + two[:30], 1, []NoteProblem{{9, errTorn, true}}},
		"something else is signed":      {key.sign("a/audit\nhello\n") + "\n" + one, 1, []NoteProblem{{1, errNoCheckpoint, false}}},
		"a checkpoint with a line more": {key.sign(someCheckpoint(1).text() + "more\n"), 0, []NoteProblem{{1, errNoCheckpoint, false}}},
		"nothing":                       {"", 0, nil},
		"another kind of file":          {"PK\x03\x04\xff", 0, []NoteProblem{{1, errTorn, true}}},
	} {
		list, problems, err := ReadCheckpoints(strings.NewReader(c.file), []PublicKey{key.PublicKey})
		if err != nil || len(list) != c.good || !slices.Equal(problems, c.want) {
			t.Errorf("%s: %d good, %v, %v", name, len(list), problems, err)
		}
	}
	if _, _, err := ReadCheckpoints(strings.NewReader(strings.Repeat("x", maxNoteLine+1)), nil); err == nil {
		t.Error("a line without end was read")
	}
}

func TestAPublicKeyIsReadWholeOrNotAtAll(t *testing.T) {
	good := signingKey("a/audit", 1).String()
	for _, bad := range []string{"", "a", "a/audit", good[:len(good)-1], good + "=", "b" + good, strings.Replace(good, "+", "+0", 1),
		"+" + good, strings.ReplaceAll(good, "+", " "), good + "\n"} {
		if k, err := ParsePublicKey(bad); err == nil {
			t.Errorf("%q is read as %v", bad, k)
		}
	}
}

// What docs/operations.md tells somebody without our program to do.
func TestACheckpointIsVerifiedByOpenssl(t *testing.T) {
	key := signingKey("id.example.com/audit", 7)
	file := []byte(key.sign(someCheckpoint(1).text()) + "\n" + key.sign(someCheckpoint(2).text()) + "\n")
	script := `
tail -n 8 audit.checkpoints | head -n 5 > text
tail -n 2 audit.checkpoints | head -n 1 | cut -d' ' -f3 | base64 -d | tail -c 64 > signature
( printf '\060\052\060\005\006\003\053\145\160\003\041\000'; echo "$KEY" | sed 's/^[^+]*+[^+]*+//' | base64 -d | tail -c 32 ) > key.der
openssl pkeyutl -verify -pubin -keyform DER -inkey key.der -rawin -in text -sigfile signature`
	for changed, want := range map[string]bool{"": true, "sed -i s/T14/T15/ audit.checkpoints\n": false} {
		cmd := exec.CommandContext(t.Context(), "sh", "-ec", changed+script)
		cmd.Dir, cmd.Env = t.TempDir(), append(os.Environ(), "KEY="+key.String())
		if err := os.WriteFile(filepath.Join(cmd.Dir, "audit.checkpoints"), file, 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := cmd.CombinedOutput()
		if (err == nil) != want {
			t.Errorf("changed %q: %v: %s", changed, err, out)
		}
	}
}

func FuzzReadCheckpoints(f *testing.F) {
	key := signingKey("a/audit", 1)
	one := key.sign(someCheckpoint(1).text())
	for _, seed := range []string{"", one, one + "\n" + one, one[:50], "\n\n\n", "— a b\n", "— a/audit AAAA\n\n— x\n", strings.ReplaceAll(one, "\n", "\r\n")} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, file string) {
		list, _, err := ReadCheckpoints(strings.NewReader(file), []PublicKey{key.PublicKey})
		for _, c := range list {
			if c.text() != someCheckpoint(1).text() {
				t.Errorf("%q is taken for a checkpoint that was signed (%v)", c.text(), err)
			}
		}
	})
}

func FuzzParsePublicKey(f *testing.F) {
	f.Add(signingKey("a/audit", 1).String())
	f.Add("a+00000000+AQ==")
	f.Fuzz(func(t *testing.T, s string) {
		if k, err := ParsePublicKey(s); err == nil && k.String() != s {
			t.Errorf("%q is read as %q", s, k)
		}
	})
}
