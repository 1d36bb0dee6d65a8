package audit

import (
	"bufio"
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
)

// A checkpoint is a signed note (C2SP signed-note): lines of text, an empty line,
// and lines of signatures by Ed25519 over the text. The form is that of the Go
// checksum database and of transparency logs, so that tools of others read it
// (golang.org/x/mod/sumdb/note does), and so do people.

const (
	// signatureMark begins a line of a signature: an em dash and a space.
	signatureMark = "— "
	// ed25519Type says which algorithm a key is of.
	ed25519Type = 1
	keyIDLen    = 4
	// maxNoteLine bounds a line of a file that somebody else may have written.
	maxNoteLine = 4 << 10
)

// PublicKey checks signatures of notes. Its text is that of a "verifier key" of
// signed notes: name, key id and key with plus signs between them.
type PublicKey struct {
	Name string
	Key  ed25519.PublicKey
}

// SigningKey signs notes. Sign signs bytes with the private half, which the room
// itself does not hold.
type SigningKey struct {
	PublicKey
	Sign func(text []byte) []byte
}

// keyID is the short name of a key beside the name of its owner.
func (k PublicKey) keyID() []byte { return noteKeyID(k.Name, k.Key) }

func noteKeyID(name string, key ed25519.PublicKey) []byte {
	sum := sha256.Sum256(append([]byte(name+"\n"), typed(key)...))
	return sum[:keyIDLen]
}

func typed(key ed25519.PublicKey) []byte { return append([]byte{ed25519Type}, key...) }

// String is what ParsePublicKey reads.
func (k PublicKey) String() string {
	return k.Name + "+" + hex.EncodeToString(k.keyID()) + "+" + base64.StdEncoding.EncodeToString(typed(k.Key))
}

// ErrPublicKey refuses what is no public key of a note.
var ErrPublicKey = errors.New("want a public key as the command audit key prints it: NAME+ID+KEY")

// ParsePublicKey reads NAME+ID+KEY.
func ParsePublicKey(s string) (PublicKey, error) {
	name, rest, _ := strings.Cut(s, "+")
	id, key, _ := strings.Cut(rest, "+")
	raw, err := base64.StdEncoding.DecodeString(key)
	if err != nil || len(raw) != 1+ed25519.PublicKeySize || raw[0] != ed25519Type || !goodName(name) {
		return PublicKey{}, ErrPublicKey
	}
	k := PublicKey{Name: name, Key: raw[1:]}
	if hex.EncodeToString(k.keyID()) != id || k.String() != s {
		return PublicKey{}, ErrPublicKey
	}
	return k, nil
}

// goodName keeps what would end a name early out of it.
func goodName(name string) bool { return name != "" && !strings.ContainsAny(name, "+ \t\r\n") }

// sign makes a note of text.
func (k SigningKey) sign(text string) string {
	signature := append(k.keyID(), k.Sign([]byte(text))...)
	return text + "\n" + signatureMark + k.Name + " " + base64.StdEncoding.EncodeToString(signature) + "\n"
}

// note is one signed text of a file, as it stands there.
type note struct {
	line       int // of its first line in the file, from 1
	text       string
	signatures []noteSignature
}

type noteSignature struct {
	name  string
	keyID []byte
	bytes []byte
}

// What can be wrong with a note.
var (
	errTorn       = errors.New("not a whole checkpoint: a crash or a full disk leaves such a piece, or somebody cut it")
	errForged     = errors.New("the signature does not belong to the text: the checkpoint was changed after it was signed")
	errUnknownKey = errors.New("not signed by a key that is known here: give the public key of that time with --key")
)

// signer is the first of keys that signed n. A signature that names one of keys and
// does not fit is a forgery, whatever other lines say. The name in the note does
// not decide: APP_URL may have changed since.
func (n note) signer(keys []PublicKey) (PublicKey, error) {
	if n.text == "" || len(n.signatures) == 0 {
		return PublicKey{}, errTorn
	}
	for _, s := range n.signatures {
		for _, k := range keys {
			if !bytes.Equal(s.keyID, noteKeyID(s.name, k.Key)) {
				continue
			}
			if !ed25519.Verify(k.Key, []byte(n.text), s.bytes) {
				return PublicKey{}, errForged
			}
			return k, nil
		}
	}
	return PublicKey{}, errUnknownKey
}

// readNotes hands over every note of a file in order. A piece that is no note is
// handed over without signatures, and what follows it is read all the same. Empty
// lines stand between text and signatures, and between notes.
func readNotes(r io.Reader, yield func(note) error) error {
	in := bufio.NewScanner(r)
	in.Buffer(make([]byte, 0, maxNoteLine), maxNoteLine)
	var open note // its text was read, its signatures were not
	var block []string
	number, start := 0, 0
	end := func() (err error) {
		defer func() { block = nil }()
		switch {
		case len(block) == 0:
			return nil
		case strings.HasPrefix(block[0], signatureMark):
			if open.line == 0 {
				open.line = start
			}
			open.signatures = parseSignatures(block)
			err, open = yield(open), note{}
			return err
		}
		if open.line != 0 {
			err = yield(open)
		}
		open = note{line: start, text: strings.Join(block, "\n") + "\n"}
		return err
	}
	for in.Scan() {
		number++
		if in.Text() == "" {
			if err := end(); err != nil {
				return err
			}
			continue
		}
		if len(block) == 0 {
			start = number
		}
		block = append(block, in.Text())
	}
	if err := in.Err(); err != nil {
		return fmt.Errorf("line %d: %w", number+1, err)
	}
	if err := end(); err != nil {
		return err
	}
	if open.line != 0 {
		return yield(open)
	}
	return nil
}

// parseSignatures reads the lines after the text; one that is no signature makes
// all of them none.
func parseSignatures(lines []string) []noteSignature {
	var list []noteSignature
	for _, line := range lines {
		rest, marked := strings.CutPrefix(line, signatureMark)
		name, encoded, _ := strings.Cut(rest, " ")
		raw, err := base64.StdEncoding.DecodeString(encoded)
		if !marked || !goodName(name) || err != nil || len(raw) != keyIDLen+ed25519.SignatureSize {
			return nil
		}
		list = append(list, noteSignature{name: name, keyID: raw[:keyIDLen], bytes: raw[keyIDLen:]})
	}
	return list
}
