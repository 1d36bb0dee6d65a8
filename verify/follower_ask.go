package verify

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"time"
)

// maxAnswer bounds the answer to a question.
const maxAnswer = 16 << 10

// question is both: how far this instance has come, and how old that is. It is
// sent after everything up to the cursor has been put in force.
type question struct {
	Instance string `json:"instance"`
	Cursor   string `json:"cursor"`
	Nonce    string `json:"nonce"`
	BoundMS  int64  `json:"bound_ms"`
	Mode     string `json:"mode"`
	Leave    bool   `json:"leave,omitempty"`
}

// runAsks asks every second, soon after something was applied, and at once
// when somebody waits for it.
func (f *follower) runAsks(ctx context.Context) {
	timer := time.NewTimer(f.askEvery())
	defer timer.Stop()
	failures, hurried := 0, false
	for {
		select {
		case <-ctx.Done():
			return
		case <-f.askNow:
		case <-f.askLater:
			if failures == 0 && !hurried { // once, or batches without a pause put it off for ever
				hurried = true
				timer.Reset(soon)
			}
			continue
		case <-timer.C:
		}
		hurried = false
		next := f.askEvery()
		if err := f.ask(ctx); err != nil {
			next = backoff(failures)
			failures++
			f.note(ctx, err)
		} else {
			failures = 0
		}
		timer.Reset(next)
	}
}

// askEvery is a second, or less where the bound is a few seconds.
func (f *follower) askEvery() time.Duration { return min(askEvery, f.bound/4) }

// ask asks how old the view is. The time of the view is when the question was
// sent, less what the answer says of the node's own view: durations on our
// clock, so that no two clocks are compared.
func (f *follower) ask(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	q, ok := f.question()
	if !ok {
		return nil
	}
	sent := f.now()
	a, err := f.send(ctx, q)
	if err != nil {
		if err == errCursor && f.cursor() == q.Cursor {
			f.startOver()
		}
		return err
	}
	a.sent, a.asOf = sent, sent.before(time.Duration(a.age)*time.Millisecond)
	err = f.hear(a)
	if errors.Is(err, errForked) || errors.Is(err, errOtherLog) {
		f.startOver()
	}
	return err
}

func (f *follower) cursor() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.at.cursor
}

// question is what to ask, and whether there is anything to ask about.
func (f *follower) question() (question, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var nonce [16]byte
	_, _ = rand.Read(nonce[:])              // never fails (crypto/rand)
	f.registered = f.registered || f.loaded // once asked, we count as a follower
	mode := "refuse"
	if f.accept {
		mode = "accept"
	}
	return question{Instance: f.instance, Cursor: f.at.cursor, Nonce: encoding.EncodeToString(nonce[:]),
		BoundMS: f.bound.Milliseconds(), Mode: mode}, f.loaded
}

func (f *follower) send(ctx context.Context, q question) (proof, error) {
	text, err := json.Marshal(q)
	if err != nil {
		return proof{}, err
	}
	res, err := f.call(ctx, http.MethodPost, "/ack", bytes.NewReader(text), "Content-Type", "application/json")
	if err != nil {
		return proof{}, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return proof{}, err
	}
	if q.Leave {
		return proof{}, nil
	}
	token, s := "", &scanner{text: string(body)}
	if _, err := s.members(map[string]func() error{"answer": func() (err error) { token, err = s.string(); return }}); err != nil {
		return proof{}, errGarbage
	}
	return f.openAnswer(ctx, token, q.Nonce)
}

// leave says good-bye. Who cannot is taken for silent, and so for refusing,
// when its bound is over.
func (f *follower) leave(ctx context.Context) {
	f.mu.Lock()
	registered := f.registered
	f.mu.Unlock()
	if !registered {
		return
	}
	q, _ := f.question()
	q.Leave = true
	_, _ = f.send(ctx, q)
}
