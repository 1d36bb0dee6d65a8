package tokens

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"time"

	"gatehouse/internal/apperr"
	"gatehouse/models"
)

const (
	// heartbeat keeps proxies from closing a quiet stream. It proves nothing to
	// the follower: a proxy may deliver it late.
	heartbeat = 5 * time.Second
	// streamLife ends a stream now and then, so that followers spread over the
	// nodes again after one of them was away.
	streamLife = time.Hour
)

// Event is one thing that a stream says. Without a name it is a heartbeat.
type Event struct {
	Name string
	ID   string // the cursor after it
	Data []byte // JSON
}

// Stream follows the log from a cursor on.
type Stream struct {
	feed    *Feed
	service models.ID
	alive   func(context.Context) error
	logID   models.ID
	seq     int64
	floor   int64
	ready   []models.RevocationBatch
	ends    <-chan time.Time
	pulse   *time.Ticker
	current string
}

// Open begins a stream of a service after the cursor. alive is asked at every
// heartbeat whether the follower may still listen. The caller closes the stream.
func (f *Feed) Open(ctx context.Context, service models.ID, cursor string, alive func(context.Context) error) (*Stream, error) {
	if err := f.enter(service); err != nil {
		return nil, err
	}
	s, err := f.open(ctx, cursor)
	if err != nil {
		f.exit(service)
		return nil, err
	}
	s.service, s.alive = service, alive
	return s, nil
}

// enter keeps one service from holding every connection of this node: its
// credential is in many places, and each stream is memory for an hour.
func (f *Feed) enter(service models.ID) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if most := f.deps.Config.MostStreams; most > 0 && f.streams[service] >= most {
		return apperr.Throttle("too_many_streams", heartbeat)
	}
	f.streams[service]++
	return nil
}

func (f *Feed) exit(service models.ID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.streams[service]--; f.streams[service] <= 0 {
		delete(f.streams, service)
	}
}

func (f *Feed) open(ctx context.Context, cursor string) (*Stream, error) {
	if err := f.log.usable(); err != nil {
		return nil, err
	}
	place, err := f.parse(cursor)
	if err != nil {
		return nil, err
	}
	seq := place.seq
	if err := f.known(ctx, seq); errors.Is(err, ErrAboveHead) {
		return nil, ErrCursor
	} else if err != nil {
		return nil, err
	}
	at, _ := f.log.position()
	s := &Stream{feed: f, logID: at.logID, seq: seq, floor: -1, current: cursor}
	if seq < at.seq {
		if s.ready, err = f.log.after(ctx, seq); err != nil {
			return nil, err
		}
		if len(s.ready) == 0 {
			return nil, ErrCursor
		}
	}
	s.pulse, s.ends = time.NewTicker(heartbeat), time.After(streamLife)
	return s, nil
}

// Close gives back what the stream holds. It is called once.
func (s *Stream) Close() {
	s.pulse.Stop()
	s.feed.exit(s.service)
}

// Next waits for the next event; io.EOF is the end. A follower that stays
// behind until the log was trimmed under it finds out when it comes back.
func (s *Stream) Next(ctx context.Context) (Event, error) {
	for {
		at, changed := s.feed.log.position()
		if at.logID != s.logID { // it began anew: what comes now does not follow
			return Event{}, io.EOF
		}
		if at.floor != s.floor && s.seq >= at.floor { // after the batches that it speaks of
			s.floor = at.floor
			return s.floorEvent()
		}
		if len(s.ready) == 0 && s.seq < at.seq {
			var err error
			if s.ready, err = s.feed.log.after(ctx, s.seq); err != nil || len(s.ready) == 0 {
				return Event{}, errors.Join(io.EOF, err)
			}
		}
		if len(s.ready) > 0 {
			return s.batchEvent(at.logID)
		}
		if beat, err := s.wait(ctx, changed); err != nil || beat {
			return Event{}, err
		}
	}
}

// wait returns when the log changed, or at a heartbeat.
func (s *Stream) wait(ctx context.Context, changed <-chan struct{}) (beat bool, err error) {
	select {
	case <-ctx.Done():
		return false, io.EOF
	case <-s.feed.stopped:
		return false, io.EOF
	case <-s.ends:
		return false, io.EOF
	case <-changed:
		return false, nil
	case <-s.pulse.C:
		if err := s.alive(ctx); err != nil {
			return false, errors.Join(io.EOF, err)
		}
		return true, nil
	}
}

func (s *Stream) floorEvent() (Event, error) {
	data, err := json.Marshal(struct {
		Floor int64 `json:"floor"`
	}{s.floor})
	return Event{Name: "floor", ID: s.current, Data: data}, err
}

func (s *Stream) batchEvent(logID models.ID) (Event, error) {
	b := s.ready[0]
	s.ready, s.seq = s.ready[1:], b.Seq
	s.current = s.feed.cursor(logID, b.Seq)
	data, err := json.Marshal(struct {
		Seq     int64  `json:"seq"`
		Prev    string `json:"prev"`
		WantAck bool   `json:"want_ack"`
		Body    string `json:"body"`
	}{b.Seq, text64(b.PrevHash), b.WantAck, text64(b.Body)})
	return Event{Name: "batch", ID: s.current, Data: data}, err
}
