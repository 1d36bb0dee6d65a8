package audit

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"gorm.io/gorm"

	"gatehouse/internal/database"
	"gatehouse/internal/lease"
	"gatehouse/internal/safehttp"
	"gatehouse/internal/testkit"
	"gatehouse/models"
)

// written are the checkpoints of a file.
func written(t *testing.T, file string, keys []PublicKey) []Checkpoint {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	list, problems, err := ReadCheckpoints(bytes.NewReader(b), keys)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if !p.Torn {
			t.Errorf("line %d: %v", p.Line, p.Err)
		}
	}
	return list
}

func (w *watched) written(t *testing.T) []Checkpoint { return written(t, w.file, w.points.Keys()) }

func due(t *testing.T, c *Checkpoints) {
	t.Helper()
	if err := c.Due(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestACheckpointIsWrittenAtTheStartAndEveryHour(t *testing.T) {
	testkit.EachDB(t, func(t *testing.T, db *database.DB) {
		w := watch(t, db)
		due(t, w.points)
		if n := len(w.written(t)); n != 0 {
			t.Errorf("%d checkpoints of an empty log", n)
		}
		record(t, w.Log, 2, models.NewID()) // not sealed: the checkpoint does it
		for _, step := range []struct {
			wait time.Duration
			want int
		}{{0, 1}, {time.Minute, 1}, {58 * time.Minute, 1}, {time.Minute, 2}, {59 * time.Minute, 2}, {3 * time.Hour, 3}, {0, 3}} {
			w.wall.Advance(step.wait)
			due(t, w.points)
			if list := w.written(t); len(list) != step.want || list[0].Batch != 1 {
				t.Errorf("after %s more: %v, want %d", step.wait, list, step.want)
			}
		}
		if r := check(t, w.Log); r.Unsealed != 0 {
			t.Error("a checkpoint leaves rows out that were there")
		}
	})
}

func TestAClockThatIsSetBackDoesNotEndTheCheckpoints(t *testing.T) {
	w := watch(t, testkit.DB(t))
	record(t, w.Log, 1, models.NewID())
	due(t, w.points)
	w.wall.Advance(-240 * time.Hour)
	due(t, w.points)
	if n := len(w.written(t)); n != 2 {
		t.Errorf("%d checkpoints, want 2", n)
	}
}

// tick is what both jobs of a node do: under the lease, and without it.
func tick(t *testing.T, db *database.DB, c *Checkpoints, holder string) {
	var mine bool
	err := db.Write(t.Context(), func(tx *gorm.DB) (err error) {
		mine, err = lease.Acquire(t.Context(), tx, "job.audit-checkpoint", holder, time.Minute, c.Wall())
		return err
	})
	if err == nil && mine {
		err = c.Due(t.Context())
	}
	if err = errors.Join(err, c.Overdue(t.Context())); err != nil {
		t.Error(err)
	}
}

func TestTwoNodesWriteOneCheckpointAnHourToOneFile(t *testing.T) {
	testkit.EachDB(t, func(t *testing.T, db *database.DB) {
		w := watch(t, db)
		record(t, w.Log, 3, models.NewID())
		nodes := map[string]*Checkpoints{"a": w.points, "b": w.node(t, w.file)}
		for range 3 * 120 {
			var both sync.WaitGroup
			for name, n := range nodes {
				both.Go(func() { tick(t, db, n, name) })
			}
			both.Wait()
			w.wall.Advance(30 * time.Second)
		}
		// One an hour by the holder, and the one by which the other makes sure.
		if n := len(w.written(t)); n != 4 {
			t.Errorf("%d checkpoints in three hours", n)
		}
		if r := w.verify(t); !r.OK() {
			t.Errorf("%+v", r)
		}
	})
}

func TestALeaseThatSomebodyKeepsDoesNotEndTheCheckpoints(t *testing.T) {
	w := watch(t, testkit.DB(t))
	record(t, w.Log, 1, models.NewID())
	for _, step := range []struct {
		wait time.Duration
		want int
	}{{0, 0}, {119 * time.Minute, 0}, {time.Minute, 1}, {time.Hour, 1}, {time.Hour, 2}} {
		w.wall.Advance(step.wait)
		if err := w.points.Overdue(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := len(w.written(t)); n != step.want {
			t.Errorf("after %s more: %d, want %d", step.wait, n, step.want)
		}
	}
}

func TestTwoProcessesThatShareAFileDoNotMix(t *testing.T) {
	w := watch(t, testkit.DB(t))
	record(t, w.Log, 1, models.NewID())
	nodes := []*Checkpoints{w.points, w.node(t, w.file)}
	race(t, 32, func() (int, error) { return 0, nodes[time.Now().UnixNano()%2].Write(t.Context()) })
	if n := len(w.written(t)); n != 32 {
		t.Errorf("%d whole checkpoints, want 32", n)
	}
}

func TestAPieceThatACrashLeftDoesNotSpoilTheNextCheckpoint(t *testing.T) {
	w := watch(t, testkit.DB(t))
	record(t, w.Log, 1, models.NewID())
	for _, keep := range []int{1, 40, 100, 150, 200, 250} {
		if err := w.points.Write(t.Context()); err != nil {
			t.Fatal(err)
		}
		whole, err := os.ReadFile(w.file)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(w.file, whole[:keep], 0o600); err != nil {
			t.Fatal(err)
		}
		if err := w.points.Write(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := len(w.written(t)); n != 1 {
			t.Errorf("%d bytes were left: %d checkpoints, want the one after them", keep, n)
		}
		if err := os.Remove(w.file); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAFileThatCannotBeWrittenIsAnErrorAndTriedAgain(t *testing.T) {
	w := watch(t, testkit.DB(t))
	record(t, w.Log, 1, models.NewID())
	w.points.File = filepath.Join(t.TempDir(), "not", "there")
	if err := w.points.Due(t.Context()); err == nil || !strings.Contains(err.Error(), "AUDIT_CHECKPOINT_FILE") {
		t.Error(err)
	}
	w.points.File = w.file
	due(t, w.points)
	if n := len(w.written(t)); n != 1 {
		t.Errorf("%d checkpoints, want 1", n)
	}
}

func TestAFileThatCannotBeWrittenKeepsNothingFromTheReceiver(t *testing.T) {
	w, r := watch(t, testkit.DB(t)), receive(t)
	record(t, w.Log, 1, models.NewID())
	c := w.sending(t, r)
	c.File = filepath.Join(t.TempDir(), "not", "there")
	for range 4 {
		if err := c.Due(t.Context()); err == nil || !strings.Contains(err.Error(), "AUDIT_CHECKPOINT_FILE") {
			t.Error(err)
		}
		w.wall.Advance(30 * time.Second)
	}
	if n := len(r.sent()); n != 1 {
		t.Errorf("sent %d times in two minutes, want once", n)
	}
	w.wall.Advance(time.Hour)
	_ = c.Due(t.Context())
	c.File = w.file
	due(t, c)
	if sent, list := len(r.sent()), w.written(t); sent != 2 || len(list) != 1 {
		t.Errorf("sent %d times and written %v, want 2 and the one that was behind", sent, list)
	}
}

func TestALeaseThatSomebodyKeepsDoesNotSilenceTheReceiver(t *testing.T) {
	w, r := watch(t, testkit.DB(t)), receive(t)
	record(t, w.Log, 1, models.NewID())
	c := w.sending(t, r)
	r.set(503)
	w.wall.Advance(2 * time.Hour)
	if err := c.Overdue(t.Context()); err == nil {
		t.Error("a refusal is no error")
	}
	r.set(0)
	for _, step := range []struct {
		wait time.Duration
		want int
	}{{sendLongest, 1}, {time.Hour, 1}, {time.Hour, 2}} {
		w.wall.Advance(step.wait)
		if err := c.Overdue(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := len(r.sent()); n != step.want {
			t.Errorf("after %s more: sent %d times, want %d", step.wait, n, step.want)
		}
	}
}

// The alarm must not be lost because the database was away for a moment.
func TestAComparisonThatFailedIsMadeAgain(t *testing.T) {
	db := testkit.DB(t)
	w := watch(t, db)
	var said strings.Builder
	w.points.Log = slog.New(slog.NewTextHandler(&said, nil))
	w.hour(t)
	tamper(t, db, "UPDATE audit_events SET action = ? WHERE batch = 2", "nothing")
	relink(t, db, 2)
	failing, away := true, errors.New("away")
	err := db.Read(t.Context()).Callback().Query().Before("gorm:query").Register("away", func(tx *gorm.DB) {
		// Of the questions after batches, this one alone has no order.
		_, ordered := tx.Statement.Clauses["ORDER BY"]
		if _, batches := tx.Statement.Dest.(*[]models.AuditBatch); failing && batches && !ordered {
			_ = tx.AddError(away)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	w.wall.Advance(time.Hour)
	if err := w.points.Due(t.Context()); !errors.Is(err, away) {
		t.Error(err)
	}
	failing = false
	w.hour(t)
	if !strings.Contains(said.String(), "the audit log is not what it was") {
		t.Errorf("nothing was said: %s", said.String())
	}
	if n := len(w.written(t)); n != 3 {
		t.Errorf("%d checkpoints, want 3", n)
	}
}

func TestAChangedChainIsToldAtTheNextCheckpointAlsoAfterARestart(t *testing.T) {
	for name, restart := range map[string]bool{"in one process": false, "after a restart": true} {
		t.Run(name, func(t *testing.T) {
			db := testkit.DB(t)
			w := watch(t, db)
			var said strings.Builder
			w.hour(t)
			if restart {
				w.points = w.node(t, w.file)
			}
			w.points.Log = slog.New(slog.NewTextHandler(&said, nil))
			w.hour(t)
			if strings.Contains(said.String(), "audit log") {
				t.Error(said.String())
			}
			tamper(t, db, "UPDATE audit_events SET action = ? WHERE batch = 2", "nothing")
			relink(t, db, 2)
			w.hour(t)
			if !strings.Contains(said.String(), "the audit log is not what it was") {
				t.Errorf("nothing was said: %s", said.String())
			}
		})
	}
}

// receiver takes checkpoints, or refuses them while down.
type receiver struct {
	mu   sync.Mutex
	down int // the status, 0 is up
	got  []Sent
	base string
}

func receive(t *testing.T) *receiver {
	r := &receiver{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.mu.Lock()
		defer r.mu.Unlock()
		body, _ := io.ReadAll(req.Body)
		if r.down != 0 {
			w.WriteHeader(r.down)
			return
		}
		var sent Sent
		if err := json.Unmarshal(body, &sent); err != nil || req.Header.Get("Content-Type") != "application/json" || req.Method != http.MethodPost {
			t.Error(err, req.Header, req.Method)
		}
		r.got = append(r.got, sent)
		w.WriteHeader(http.StatusAccepted)
	}))
	t.Cleanup(s.Close)
	r.base = s.URL + "/hook?token=opensesame"
	return r
}

func (r *receiver) set(status int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.down = status
}

func (r *receiver) sent() []Sent {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]Sent{}, r.got...)
}

// sending is a node that sends to r and writes no file.
func (w *watched) sending(t *testing.T, r *receiver) *Checkpoints {
	c := w.node(t, "")
	c.URL, c.Client = r.base, safehttp.New(safehttp.Loopback...)
	return c
}

func TestCheckpointsAreSentAndVerifiedByTheReceiver(t *testing.T) {
	testkit.EachDB(t, func(t *testing.T, db *database.DB) {
		w, r := watch(t, db), receive(t)
		record(t, w.Log, 1, models.NewID())
		c := w.sending(t, r)
		due(t, c)
		got := r.sent()
		if len(got) != 1 || got[0].Type != SentType || got[0].Batch != 1 || got[0].ID == "" || !got[0].Time.Equal(w.wall.Now().Truncate(time.Second)) {
			t.Fatalf("%+v", got)
		}
		list, problems, err := ReadCheckpoints(strings.NewReader(got[0].Note), c.Keys())
		if err != nil || len(problems) != 0 || len(list) != 1 || encode(list[0].Hash) != got[0].Hash {
			t.Error(list, problems, err)
		}
		due(t, c)
		if n := len(r.sent()); n != 1 {
			t.Errorf("sent %d times, want once", n)
		}
	})
}

func TestAReceiverThatWasAwayGetsEveryCheckpointInOrderAlsoFromAnotherNode(t *testing.T) {
	testkit.EachDB(t, func(t *testing.T, db *database.DB) {
		w, r := watch(t, db), receive(t)
		c := w.sending(t, r)
		for _, status := range []int{503, 404, 302} {
			r.set(status)
			record(t, w.Log, 1, models.NewID())
			w.wall.Advance(time.Hour)
			if err := c.Due(t.Context()); err == nil || strings.Contains(err.Error(), "opensesame") {
				t.Error(err)
			}
		}
		r.set(0)
		c = w.sending(t, r) // the first node is gone
		if err := c.Send(t.Context()); err != nil {
			t.Fatal(err)
		}
		var batches []int64
		for _, s := range r.sent() {
			batches = append(batches, s.Batch)
		}
		if len(batches) != 3 || batches[0] != 1 || batches[1] != 2 || batches[2] != 3 {
			t.Errorf("got %v, want 1 2 3", batches)
		}
	})
}

func TestAReceiverThatIsAwayIsAskedLessAndLessOften(t *testing.T) {
	w, r := watch(t, testkit.DB(t)), receive(t)
	c := w.sending(t, r)
	r.set(500)
	record(t, w.Log, 1, models.NewID())
	if err := c.Due(t.Context()); err == nil {
		t.Error("a refusal is no error")
	}
	tries := 0
	for range 3600 / 10 {
		w.wall.Advance(10 * time.Second)
		if c.Send(t.Context()) != nil {
			tries++
		}
	}
	if tries < 8 || tries > 14 {
		t.Errorf("%d tries in an hour", tries)
	}
	r.set(0)
	w.wall.Advance(sendLongest)
	due(t, c)
	if n := len(r.sent()); n < 1 {
		t.Error("it never arrived")
	}
}

func TestACheckpointThatWasChangedWhileItWaitedIsRefusedByWhoChecksIt(t *testing.T) {
	db := testkit.DB(t)
	w, r := watch(t, db), receive(t)
	c := w.sending(t, r)
	r.set(500)
	record(t, w.Log, 1, models.NewID())
	_ = c.Due(t.Context())
	tamper(t, db, "UPDATE audit_checkpoints SET note = REPLACE(note, 'time 2', 'time 3')")
	r.set(0)
	w.wall.Advance(sendFirst)
	if err := c.Send(t.Context()); err != nil {
		t.Fatal(err)
	}
	list, problems, _ := ReadCheckpoints(strings.NewReader(r.sent()[0].Note), c.Keys())
	if len(list) != 0 || len(problems) != 1 || problems[0].Err != errForged {
		t.Error(list, problems)
	}
}

func TestAppendingNeverWaitsForAnotherNodesTransaction(t *testing.T) {
	testkit.EachDB(t, func(t *testing.T, db *database.DB) {
		if db.Dialect() != "mysql" {
			t.Skip("SQLite has one writer, which groups the commits of all")
		}
		l := newLog(db)
		inside, release := make(chan struct{}), make(chan struct{})
		var first sync.WaitGroup
		first.Go(func() {
			err := db.Write(t.Context(), func(tx *gorm.DB) error {
				if err := l.Append(tx, event(models.NewID())); err != nil {
					return err
				}
				close(inside)
				<-release
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
		<-inside
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		for range 50 {
			if err := l.Record(ctx, event(models.NewID())); err != nil {
				t.Fatal(err)
			}
		}
		if n, err := l.Seal(ctx); err != nil || n != 50 {
			t.Errorf("sealed %d of 50 beside an open transaction: %v", n, err)
		}
		close(release)
		first.Wait()
		if n := seal(t, l); n != 1 {
			t.Errorf("the row that came late was not sealed: %d", n)
		}
	})
}
