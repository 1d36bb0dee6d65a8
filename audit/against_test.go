package audit

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gorm.io/gorm"

	"gatehouse/internal/database"
	"gatehouse/internal/testkit"
	"gatehouse/models"
)

// watched is a log whose checkpoints go to a file, by a wall clock of its own.
type watched struct {
	*Log
	points *Checkpoints
	wall   *testkit.Clock
	file   string
}

func watch(t *testing.T, db *database.DB) *watched {
	t.Helper()
	w := &watched{Log: newLog(db), wall: testkit.NewClock(), file: filepath.Join(t.TempDir(), "audit.checkpoints")}
	w.points = w.node(t, w.file)
	return w
}

// node is one more process that writes checkpoints.
func (w *watched) node(t *testing.T, file string) *Checkpoints {
	return w.NewCheckpoints(CheckpointOptions{
		Key: signingKey("id.example.com/audit", 7), File: file, Every: time.Hour, Wall: w.wall.Now, Log: testkit.Log(t),
	})
}

// hour records some events, seals them and lets a checkpoint become due.
func (w *watched) hour(t *testing.T) {
	t.Helper()
	for range 2 {
		record(t, w.Log, 3, models.NewID())
		seal(t, w.Log)
	}
	w.wall.Advance(time.Hour)
	if err := w.points.Due(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// verify compares the chain with the file.
func (w *watched) verify(t *testing.T) Report {
	t.Helper()
	f, err := os.Open(w.file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	list, problems, err := ReadCheckpoints(f, w.points.Keys())
	if err != nil || len(problems) != 0 || len(list) == 0 {
		t.Fatal(list, problems, err)
	}
	r, err := w.VerifyAgainst(t.Context(), Against{Checkpoints: list, Every: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// relink links the whole chain anew from a batch on, with the rows as they are now,
// as somebody who knows the program would.
func relink(t *testing.T, db *database.DB, from int64) {
	t.Helper()
	err := db.Write(t.Context(), func(tx *gorm.DB) error {
		var batches []models.AuditBatch
		if err := tx.Order("seq").Find(&batches).Error; err != nil {
			return err
		}
		prev := make([]byte, 32)
		for _, b := range batches {
			if b.Seq < from {
				prev = b.Hash
				continue
			}
			var rows []models.AuditEvent
			if err := tx.Where("batch = ?", b.Seq).Order("id").Find(&rows).Error; err != nil {
				return err
			}
			b.PrevHash, b.Body = prev, body(rows)
			b.Hash = batchHash(&b)
			prev = b.Hash
			if err := tx.Save(&b).Error; err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func cut(t *testing.T, db *database.DB, from int64) {
	t.Helper()
	tamper(t, db, "DELETE FROM audit_events WHERE batch >= ?", from)
	tamper(t, db, "DELETE FROM audit_batches WHERE seq >= ?", from)
}

// Four hours of two batches each: checkpoints are of the batches 2, 4, 6 and 8.
func TestCheckpointsFindWhatTheChainAloneCannot(t *testing.T) {
	type want struct {
		fault               Fault
		batch, agreed, head int64
		more                int
	}
	for name, c := range map[string]struct {
		do   func(t *testing.T, db *database.DB, w *watched)
		want []want
	}{
		"nothing": {func(*testing.T, *database.DB, *watched) {}, nil},
		"an end is cut off with its rows": {func(t *testing.T, db *database.DB, _ *watched) { cut(t, db, 6) },
			[]want{{ChainCut, 8, 4, 5, 1}}},
		"all is deleted": {func(t *testing.T, db *database.DB, _ *watched) { cut(t, db, 1) },
			[]want{{ChainCut, 8, 0, 0, 3}}},
		"an end is cut off, and the server goes on": {func(t *testing.T, db *database.DB, w *watched) { cut(t, db, 6); w.hour(t) },
			[]want{{CheckpointDiffers, 6, 4, 7, 0}, {ChainCut, 8, 4, 7, 0}}},
		"a row is changed and all linked anew": {func(t *testing.T, db *database.DB, _ *watched) {
			tamper(t, db, "UPDATE audit_events SET action = ? WHERE batch = 5", "nothing")
			relink(t, db, 5)
		}, []want{{CheckpointDiffers, 6, 4, 8, 1}}},
		"a row is deleted and all linked anew": {func(t *testing.T, db *database.DB, _ *watched) {
			tamper(t, db, "DELETE FROM audit_events WHERE id = ?", rowsOf(t, db, 3)[1].ID)
			relink(t, db, 3)
		}, []want{{CheckpointDiffers, 4, 2, 8, 2}}},
		"a row is inserted and all linked anew": {func(t *testing.T, db *database.DB, w *watched) {
			record(t, w.Log, 1, models.NewID())
			tamper(t, db, "UPDATE audit_events SET batch = 7 WHERE batch IS NULL")
			relink(t, db, 7)
		}, []want{{CheckpointDiffers, 8, 6, 8, 0}}},
		"rows are moved and all linked anew": {func(t *testing.T, db *database.DB, _ *watched) {
			tamper(t, db, "UPDATE audit_events SET batch = 4 WHERE batch = 3")
			tamper(t, db, "UPDATE audit_events SET batch = 3 WHERE id = ?", rowsOf(t, db, 4)[0].ID)
			relink(t, db, 3)
		}, []want{{CheckpointDiffers, 4, 2, 8, 2}}},
		"history is written anew, and the server goes on": {func(t *testing.T, db *database.DB, w *watched) {
			tamper(t, db, "UPDATE audit_events SET outcome = ? WHERE batch = 3", "failure")
			relink(t, db, 3)
			w.hour(t)
		}, []want{{CheckpointDiffers, 4, 2, 10, 2}}},
		"history is written anew from its beginning": {func(t *testing.T, db *database.DB, _ *watched) {
			tamper(t, db, "UPDATE audit_events SET outcome = ? WHERE batch = 1", "failure")
			relink(t, db, 1)
		}, []want{{ChainReplaced, 2, 0, 8, 3}}},
		"another database stands there": {func(t *testing.T, db *database.DB, w *watched) {
			cut(t, db, 1)
			for range 9 {
				record(t, w.Log, 2, models.NewID())
				seal(t, w.Log)
			}
		}, []want{{ChainReplaced, 2, 0, 9, 3}}},
		"a batch is left out": {func(t *testing.T, db *database.DB, _ *watched) {
			tamper(t, db, "DELETE FROM audit_events WHERE batch = 6")
			tamper(t, db, "DELETE FROM audit_batches WHERE seq = 6")
			relink(t, db, 7)
		}, []want{{CheckpointDiffers, 6, 4, 8, 1}}},
	} {
		t.Run(name, func(t *testing.T) {
			testkit.EachDB(t, func(t *testing.T, db *database.DB) {
				w := watch(t, db)
				for range 4 {
					w.hour(t)
				}
				c.do(t, db, w)
				r := w.verify(t)
				var got []want
				for _, d := range r.Disputes {
					got = append(got, want{d.Fault, d.Checkpoint.Batch, d.Agreed.Batch, d.Head, d.More})
				}
				if fmt.Sprint(got) != fmt.Sprint(c.want) || r.OK() != (len(c.want) == 0) {
					t.Errorf("got %v, want %v (%v)", got, c.want, r.Findings)
				}
			})
		})
	}
}

// Without checkpoints these chains are whole: that is what checkpoints are for.
func TestAChainThatWasLinkedAnewIsWholeByItself(t *testing.T) {
	db := testkit.DB(t)
	w := watch(t, db)
	w.hour(t)
	w.hour(t)
	tamper(t, db, "UPDATE audit_events SET action = ? WHERE batch = 2", "nothing")
	relink(t, db, 2)
	if r := check(t, w.Log); !r.OK() {
		t.Errorf("%+v", r)
	}
	if r := w.verify(t); r.OK() {
		t.Error("the checkpoints agree with a chain that was written anew")
	}
}

func TestErasedPersonsLeaveChainAndCheckpointsWhole(t *testing.T) {
	testkit.EachDB(t, func(t *testing.T, db *database.DB) {
		w, me := watch(t, db), models.NewID()
		record(t, w.Log, 4, me)
		w.hour(t)
		err := db.Write(t.Context(), func(tx *gorm.DB) error { return w.Erase(tx, me, Event{Actor: me}) })
		if err != nil {
			t.Fatal(err)
		}
		w.hour(t)
		if r := w.verify(t); !r.OK() || r.Erased != 4 {
			t.Errorf("%+v", r)
		}
	})
}

func TestAFileThatLostItsEndIsSeenByItsAge(t *testing.T) {
	db := testkit.DB(t)
	clock := testkit.NewClock()
	w := watch(t, db)
	w.Log, w.wall = New(db, clock.Now), clock
	w.points = w.node(t, w.file)
	for range 6 {
		w.hour(t)
	}
	whole, err := os.ReadFile(w.file)
	if err != nil {
		t.Fatal(err)
	}
	if r := w.verify(t); !r.OK() {
		t.Fatalf("%+v", r)
	}
	notes := strings.SplitAfter(string(whole), "\n\n")
	if err := os.WriteFile(w.file, []byte(strings.Join(notes[:4], "")), 0o600); err != nil { // two of six
		t.Fatal(err)
	}
	r := w.verify(t)
	if r.OK() || r.Disputes[0].Fault != CheckpointOld || r.Disputes[0].Checkpoint.Batch != 4 || r.Disputes[0].Head != 12 {
		t.Errorf("%+v", r)
	}
}

func TestACheckpointOfAClockThatWasAheadHidesNoEndThatWasCutOff(t *testing.T) {
	noon := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	ahead, last, noted := Checkpoint{Batch: 1, At: noon.Add(720 * time.Hour)}, Checkpoint{Batch: 2, At: noon}, Checkpoint{Batch: 3}
	w := newWitness(Against{Every: time.Hour, Checkpoints: []Checkpoint{ahead, last, noted}})
	for age, old := range map[time.Duration]bool{2 * time.Hour: false, 5 * time.Hour: true} {
		found := slices.ContainsFunc(w.disputes(4, noon.Add(age)), func(d Dispute) bool {
			return d.Fault == CheckpointOld && d.Checkpoint.Batch == last.Batch
		})
		if found != old {
			t.Errorf("%s after the newest checkpoint: %t, want %t", age, found, old)
		}
	}
}

func TestANotedHeadIsComparedAsWell(t *testing.T) {
	db := testkit.DB(t)
	w := watch(t, db)
	w.hour(t)
	head := check(t, w.Log)
	noted := Against{Checkpoints: []Checkpoint{{Batch: head.Head, Hash: head.HeadHash}}}
	w.hour(t)
	if r, err := w.VerifyAgainst(t.Context(), noted); err != nil || !r.OK() {
		t.Error(r, err)
	}
	cut(t, db, 2)
	r, err := w.VerifyAgainst(t.Context(), noted)
	if err != nil || r.OK() || !strings.Contains(r.Disputes[0].String(), "the chain ends with batch 1: batches up to 2 of the head that was noted") {
		t.Error(r.Disputes, err)
	}
}

func TestADisputeIsSaidInOneLine(t *testing.T) {
	at := func(batch int64) Checkpoint {
		return Checkpoint{Batch: batch, At: time.Date(2026, 11, 23, int(batch%24), 0, 0, 0, time.UTC)}
	}
	for want, d := range map[string]Dispute{
		"batch 14 differs from the checkpoint of 2026-11-23 14:00:00 UTC: something in batches 13 to 14 was changed after it; batches 1 to 12 are those of the checkpoint of 2026-11-23 12:00:00 UTC (and 2 checkpoints more)": {Fault: CheckpointDiffers, Checkpoint: at(14), Agreed: at(12), More: 2},
		"batch 14 differs from the checkpoint of 2026-11-23 14:00:00 UTC": {Fault: CheckpointDiffers, Checkpoint: at(14)},
		"the chain ends with batch 13: batches up to 14 of the checkpoint of 2026-11-23 14:00:00 UTC are missing; batches 1 to 12 are those of the checkpoint of 2026-11-23 12:00:00 UTC": {Fault: ChainCut, Checkpoint: at(14), Agreed: at(12), Head: 13},
		"batch 1 is not that of the checkpoint of 2026-11-23 14:00:00 UTC: this is another log, or it was written anew from its beginning":                                                {Fault: ChainReplaced, Checkpoint: at(14)},
	} {
		if d.String() != want {
			t.Errorf("%s\nwant %s", d, want)
		}
	}
}
