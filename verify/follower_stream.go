package verify

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"time"
)

const (
	maxLine = 128 << 10 // a batch of 500 entries is at most 56 KB
	maxBody = 64 << 10
	// maxIdle bounds what a stream may say without a batch among it: an hour of
	// heartbeats and floors is a tenth of this.
	maxIdle = 1 << 20
)

// event is one of a stream (HTML, section 9.2.6). Without a name it is a sign
// of life.
type event struct{ id, name, data string }

// eventReader reads what the feed writes of that format: one line of data an
// event, comments, LF or CRLF.
type eventReader struct {
	r     *bufio.Reader
	alive func()
	idle  int
}

func newEventReader(r io.Reader, alive func()) *eventReader {
	return &eventReader{r: bufio.NewReaderSize(r, maxLine), alive: alive}
}

// next reads up to the end of an event. A comment is no event.
func (e *eventReader) next() (event, error) {
	var ev event
	for {
		line, err := e.r.ReadSlice('\n')
		if err != nil {
			return event{}, short(err)
		}
		e.alive()
		if e.idle += len(line); e.idle > maxIdle {
			return event{}, errGarbage
		}
		line = bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))
		if len(line) == 0 {
			if ev != (event{}) {
				return ev, nil
			}
			continue
		}
		if err := ev.read(string(line)); err != nil {
			return event{}, err
		}
	}
}

func (ev *event) read(line string) error {
	name, value, _ := strings.Cut(line, ":")
	field := map[string]*string{"id": &ev.id, "event": &ev.name, "data": &ev.data}[name]
	switch {
	case name == "", name == "retry":
		return nil // a comment
	case field == nil, *field != "":
		return errGarbage
	}
	*field = strings.TrimPrefix(value, " ")
	return nil
}

// follow reads the stream to its end, which always is an error: io.EOF when the
// server stops.
func (f *follower) follow(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	f.mu.Lock()
	f.cut = cancel
	cursor := f.at.cursor
	f.mu.Unlock()
	watch := time.AfterFunc(silence, cancel)
	defer watch.Stop()
	res, err := f.call(ctx, http.MethodGet, "/stream?cursor="+cursor, nil, "Accept", "text/event-stream", "Cache-Control", "no-store")
	if err == errCursor {
		f.startOver()
	}
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if kind, _, _ := strings.Cut(res.Header.Get("Content-Type"), ";"); kind != "text/event-stream" {
		return errGarbage
	}
	f.askSoon(true)
	events := newEventReader(res.Body, func() { watch.Reset(silence) })
	for {
		ev, err := events.next()
		if err != nil {
			return err
		}
		if ev.name != "batch" {
			continue // a floor, which only signed answers decide, or one of a later version
		}
		b, err := readBatch(ev.data)
		if err != nil || !goodCursor(ev.id) {
			return errGarbage
		}
		if err := f.apply(ev.id, b); err != nil {
			return err
		}
		events.idle = 0
	}
}

func readBatch(data string) (*batch, error) {
	b, s := &batch{}, &scanner{text: data}
	seen, err := s.members(map[string]func() error{
		"seq":      func() (err error) { b.seq, err = s.natural(); return },
		"prev":     func() (err error) { b.prev, err = s.hash(); return },
		"want_ack": func() (err error) { b.wantAck, err = s.bool(); return },
		"body":     func() (err error) { b.body, err = s.bytes(); return },
	})
	if err != nil || seen != 4 || b.seq == 0 || len(b.body) > maxBody {
		return nil, errGarbage
	}
	return b, nil
}
