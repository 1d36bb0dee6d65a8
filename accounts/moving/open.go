package moving

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
)

// Options say how a file is to be read.
type Options struct {
	// From names the system that wrote the file; "" is our own shapes.
	From string
	// Firebase holds the hash parameters of a project: they are in its console
	// and not in its export.
	Firebase FirebaseParams
}

// maxRow bounds one row, so that a file without line breaks, or with a quote
// that is never closed, does not fill the memory.
const maxRow = 1 << 20

// Systems lists whose exports are read.
func Systems() []string {
	names := make([]string, 0, len(openers))
	for name := range openers {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

var openers = map[string]func(in *input, o Options) (Source, error){
	"keycloak":  openKeycloak,
	"auth0":     openAuth0,
	"firebase":  openFirebase,
	"supabase":  openTable(supabaseTable),
	"django":    openDjango("auth.user"),
	"laravel":   openTable(laravelTable),
	"devise":    openTable(deviseTable),
	"wordpress": openTable(wordpressTable),
	"authentik": openDjango("authentik_core.user"),
	"kratos":    openKratos,
	"ldif":      openLDIF,
}

// Open reads the beginning of a file and returns what yields its rows.
func Open(r io.Reader, o Options) (Source, error) {
	b := &budget{r: r}
	b.fill()
	in := &input{budget: b, r: bufio.NewReaderSize(b, 64<<10)}
	if err := in.begin(); err != nil {
		return nil, err
	}
	if o.From == "" {
		if in.json() {
			return &jsonLines{in: in}, nil
		}
		return openCSV(in)
	}
	open, ok := openers[o.From]
	if !ok {
		return nil, fmt.Errorf("%q is no system that we know: want one of %v", o.From, Systems())
	}
	return open(in, o)
}

// input is a file whose beginning was looked at.
type input struct {
	r      *bufio.Reader
	budget *budget
	first  byte // the first byte that is no space
}

// begin takes a byte order mark away and refuses what is not text in UTF-8.
func (in *input) begin() error {
	head, err := in.r.Peek(512)
	if err != nil && err != io.EOF {
		return err
	}
	switch {
	case len(bytes.TrimSpace(head)) == 0:
		return errors.New("the file is empty")
	case bytes.HasPrefix(head, []byte("PK\x03\x04")):
		return errors.New("the file is a zip: unpack it first")
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		return errors.New("the file is compressed with gzip: unpack it first")
	case bytes.HasPrefix(head, []byte{0xff, 0xfe}), bytes.HasPrefix(head, []byte{0xfe, 0xff}):
		return errors.New("the file is in UTF-16: save it as UTF-8")
	case bytes.IndexByte(head, 0) >= 0:
		return errors.New("the file is not text")
	case bytes.HasPrefix(head, []byte("\xef\xbb\xbf")):
		_, _ = in.r.Discard(3)
		head = head[3:]
	}
	if trimmed := bytes.TrimLeft(head, " \t\r\n"); len(trimmed) > 0 {
		in.first = trimmed[0]
	}
	return nil
}

func (in *input) json() bool { return in.first == '{' || in.first == '[' }

// errTooLong ends the reading: nobody can tell where the next row begins.
var errTooLong = errors.New("it is longer than 1 MiB; a quote or a bracket may not be closed")

// budget lets so many bytes through until it is filled up again.
type budget struct {
	r    io.Reader
	left int
}

func (b *budget) fill() { b.left = maxRow + 64<<10 }

// Read implements io.Reader.
func (b *budget) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errTooLong
	}
	n, err := b.r.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}
