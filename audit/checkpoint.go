package audit

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// Checkpoint is what the chain was at one moment. It is kept where whoever has the
// database has no hand in it; a chain that was written anew no longer fits it.
type Checkpoint struct {
	// Origin names the server that signed it.
	Origin string
	// Batch is the last one of that moment, and Hash its hash, which covers all
	// batches before it.
	Batch int64
	Hash  []byte
	// First is the hash of batch 1: it tells one chain from another. A head that
	// somebody noted by hand has none.
	First []byte
	// At is when, by the clock of the machine that signed; zero for a noted head.
	At time.Time
}

// String names it for people.
func (c Checkpoint) String() string {
	if c.At.IsZero() {
		return fmt.Sprintf("the head that was noted (batch %d)", c.Batch)
	}
	return "the checkpoint of " + c.At.UTC().Format(time.DateTime) + " UTC"
}

// text is the signed part: the three lines of a checkpoint of a transparency log
// (C2SP tlog-checkpoint: origin, size, hash), and two of our own. The hash is not
// the root of a Merkle tree but that of the last batch of the chain.
func (c Checkpoint) text() string {
	return fmt.Sprintf("%s\n%d\n%s\nfirst %s\ntime %s\n", c.Origin, c.Batch, encode(c.Hash), encode(c.First), c.At.UTC().Format(time.RFC3339))
}

func encode(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

var errNoCheckpoint = errors.New("signed, but no checkpoint of an audit log")

// parseCheckpoint is the inverse of text, and accepts nothing else.
func parseCheckpoint(text string) (Checkpoint, error) {
	lines := strings.Split(text, "\n")
	if len(lines) != 6 {
		return Checkpoint{}, errNoCheckpoint
	}
	batch, err1 := strconv.ParseInt(lines[1], 10, 64)
	hash, err2 := base64.StdEncoding.DecodeString(lines[2])
	first, err3 := base64.StdEncoding.DecodeString(strings.TrimPrefix(lines[3], "first "))
	at, err4 := time.Parse(time.RFC3339, strings.TrimPrefix(lines[4], "time "))
	c := Checkpoint{Origin: lines[0], Batch: batch, Hash: hash, First: first, At: at}
	if errors.Join(err1, err2, err3, err4) != nil || batch < 1 || len(hash) != sha256.Size || len(first) != sha256.Size || c.text() != text {
		return Checkpoint{}, errNoCheckpoint
	}
	return c, nil
}

// NoteProblem is a piece of a file of checkpoints that says nothing.
type NoteProblem struct {
	Line int
	Err  error
	// Torn is for a piece that a crash may have left. It takes nothing away: the
	// checkpoints after it cover what it covered.
	Torn bool
}

// ReadCheckpoints reads a file of them. Only those count that one of keys signed;
// what else stands there is listed.
func ReadCheckpoints(r io.Reader, keys []PublicKey) (list []Checkpoint, problems []NoteProblem, err error) {
	err = readNotes(r, func(n note) error {
		_, err := n.signer(keys)
		var c Checkpoint
		if err == nil {
			c, err = parseCheckpoint(n.text)
		}
		if err != nil {
			problems = append(problems, NoteProblem{n.line, err, errors.Is(err, errTorn)})
			return nil
		}
		list = append(list, c)
		return nil
	})
	return list, problems, err
}
