package audit

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"gorm.io/gorm"

	"gatehouse/internal/database"
	"gatehouse/internal/testkit"
	"gatehouse/models"
)

func newLog(db *database.DB) *Log { return New(db, testkit.NewClock().Now) }

// event is a sign-in of subject with personal fields.
func event(subject models.ID) Event {
	return Event{
		Action: SignIn, Outcome: Success, Actor: subject, Subject: subject, Session: models.NewID(),
		ClientID: "gatehouse", RequestID: "r-1", Detail: map[string]string{"method": "password"},
		IP: "192.0.2.7", UserAgent: "Firefox", Personal: map[string]string{"typed": "mara"},
	}
}

func record(t *testing.T, l *Log, n int, subject models.ID) {
	t.Helper()
	err := l.db.Write(t.Context(), func(tx *gorm.DB) error {
		for range n {
			if err := l.Append(tx, event(subject)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func seal(t *testing.T, l *Log) int {
	t.Helper()
	n, err := l.Seal(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func check(t *testing.T, l *Log) Report {
	t.Helper()
	r, err := l.Verify(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func rowsOf(t *testing.T, db *database.DB, batch int64) []models.AuditEvent {
	t.Helper()
	var rows []models.AuditEvent
	if err := db.Read(t.Context()).Where("batch = ?", batch).Order("id").Find(&rows).Error; err != nil {
		t.Fatal(err)
	}
	return rows
}

func TestAnEventCommitsWithItsCauseOrNotAtAll(t *testing.T) {
	testkit.EachDB(t, func(t *testing.T, db *database.DB) {
		l, undo := newLog(db), errors.New("the cause failed")
		err := db.Write(t.Context(), func(tx *gorm.DB) error {
			if err := l.Append(tx, event(models.NewID())); err != nil {
				return err
			}
			return undo
		})
		if !errors.Is(err, undo) {
			t.Fatal(err)
		}
		if r := check(t, l); r.Unsealed != 0 {
			t.Errorf("%d events were kept of a cause that was undone", r.Unsealed)
		}
		if err := l.Record(t.Context(), event(models.NewID())); err != nil {
			t.Fatal(err)
		}
		if r := check(t, l); r.Unsealed != 1 {
			t.Errorf("%d events, want 1", r.Unsealed)
		}
	})
}

func TestWhatWasWrittenCanBeReadBack(t *testing.T) {
	testkit.EachDB(t, func(t *testing.T, db *database.DB) {
		l, me := newLog(db), models.NewID()
		record(t, l, 1, me)
		seal(t, l)
		row := rowsOf(t, db, 1)[0]
		if row.Action != "signin" || row.Outcome != "success" || row.ActorID != me || row.SubjectID != me ||
			row.ClientID != "gatehouse" || row.RequestID != "r-1" || row.At.IsZero() {
			t.Errorf("%+v", row)
		}
		if got := string(row.Detail); got != `{"method":"password"}` {
			t.Error(got)
		}
		if got := string(row.Personal); got != `{"ip":"192.0.2.7","typed":"mara","user_agent":"Firefox"}` {
			t.Error(got)
		}
	})
}

func TestSealingLinksEveryRowOnceAndInBatches(t *testing.T) {
	testkit.EachDB(t, func(t *testing.T, db *database.DB) {
		l := newLog(db)
		if n := seal(t, l); n != 0 {
			t.Errorf("sealed %d of nothing", n)
		}
		record(t, l, 2*batchSize+3, models.NewID())
		if n := seal(t, l); n != 2*batchSize+3 {
			t.Errorf("sealed %d", n)
		}
		if n := seal(t, l); n != 0 {
			t.Errorf("sealed %d again", n)
		}
		record(t, l, 1, models.NewID())
		seal(t, l)
		r := check(t, l)
		if !r.OK() || r.Batches != 4 || r.Head != 4 || r.Events != 2*batchSize+4 || r.Unsealed != 0 || len(r.HeadHash) != 32 {
			t.Errorf("%+v", r)
		}
	})
}

func TestOfManySealersAtOnceEachRowGetsOneBatch(t *testing.T) {
	testkit.EachDB(t, func(t *testing.T, db *database.DB) {
		l := newLog(db)
		record(t, l, 40, models.NewID())
		total := race(t, 32, func() (int, error) { return l.Seal(context.Background()) })
		if total != 40 {
			t.Errorf("the sealers say they linked %d rows, there are 40", total)
		}
		if r := check(t, l); !r.OK() || r.Events != 40 || r.Batches != 1 {
			t.Errorf("%+v", r)
		}
	})
}

func TestSealersAndWritersAtOnceLeaveAWholeChain(t *testing.T) {
	testkit.EachDB(t, func(t *testing.T, db *database.DB) {
		l := newLog(db)
		race(t, 32, func() (int, error) {
			if err := l.Record(context.Background(), event(models.NewID())); err != nil {
				return 0, err
			}
			return l.Seal(context.Background())
		})
		seal(t, l)
		if r := check(t, l); !r.OK() || r.Events != 32 || r.Unsealed != 0 {
			t.Errorf("%+v", r)
		}
	})
}

func TestErasingAPersonLeavesTheChainWhole(t *testing.T) {
	testkit.EachDB(t, func(t *testing.T, db *database.DB) {
		l, me, other := newLog(db), models.NewID(), models.NewID()
		record(t, l, 3, me)
		record(t, l, 2, other)
		seal(t, l)
		record(t, l, 1, me) // not sealed yet
		err := db.Write(t.Context(), func(tx *gorm.DB) error { return l.Erase(tx, me, Event{Actor: me, IP: "192.0.2.7"}) })
		if err != nil {
			t.Fatal(err)
		}
		seal(t, l)
		r := check(t, l)
		if !r.OK() || r.Erased != 4 || r.Events != 7 {
			t.Errorf("%+v", r)
		}
		var rows []models.AuditEvent
		if err := db.Read(t.Context()).Find(&rows).Error; err != nil {
			t.Fatal(err)
		}
		for _, row := range rows {
			if row.SubjectID == me && bytes.Contains(row.Personal, []byte("192.0.2")) {
				t.Errorf("%s still holds %s", row.Action, row.Personal)
			}
			if row.SubjectID == other && !bytes.Contains(row.Personal, []byte("192.0.2.7")) {
				t.Error("somebody else was erased")
			}
		}
	})
}

func TestLongAndOddValuesAreCutAndStillVerify(t *testing.T) {
	testkit.EachDB(t, func(t *testing.T, db *database.DB) {
		l := newLog(db)
		e := event(models.ID{})
		e.Reason, e.ClientID, e.RequestID = strings.Repeat("r", 99), strings.Repeat("é", 60), strings.Repeat("x", 99)
		e.UserAgent, e.Personal = strings.Repeat("\xff", 5000), map[string]string{"typed": "a\x00b 🙂 "}
		if err := l.Record(t.Context(), e); err != nil {
			t.Fatal(err)
		}
		seal(t, l)
		if r := check(t, l); !r.OK() || r.Events != 1 {
			t.Errorf("%+v", r)
		}
	})
}

func TestVerifyTellsHowFarItIs(t *testing.T) {
	l := newLog(testkit.DB(t))
	record(t, l, batchSize+1, models.NewID())
	seal(t, l)
	var seen []int64
	if _, err := l.VerifyAgainst(t.Context(), Against{Progress: func(n int64) { seen = append(seen, n) }}); err != nil {
		t.Fatal(err)
	}
	if len(seen) != 2 || seen[1] != 2 {
		t.Error(seen)
	}
}

func TestFindingUnsealedRowsUsesTheIndex(t *testing.T) {
	db := testkit.DB(t)
	var plan []struct{ Detail string }
	err := db.Read(t.Context()).Raw("EXPLAIN QUERY PLAN SELECT * FROM audit_events WHERE batch IS NULL ORDER BY id LIMIT 512").Scan(&plan).Error
	if err != nil || len(plan) == 0 || !strings.Contains(plan[0].Detail, "audit_events_by_batch") {
		t.Errorf("%v %+v", err, plan)
	}
}

// body is what a batch over these rows lists.
func body(rows []models.AuditEvent) []byte {
	var list []byte
	for i := range rows {
		list = append(append(list, rows[i].ID.Bytes()...), eventHash(&rows[i])...)
	}
	return list
}

// Rows of older versions were written by encoding/json, and members reads with it.
func TestObjectsAreWrittenAsEncodingJSONWritesThem(t *testing.T) {
	for _, m := range []map[string]string{
		nil, {}, {"": ""}, {"b": "2", "a": "1", "c": "~ !"}, {"a\"b": "<&>\\", "e": "\x00\x1f\x7f\n\t"},
		{"family": "01890a5d", "ü": "日本\u2028", "bad": "a\xffb", "z": strings.Repeat("é", maxValue)},
	} {
		cut := map[string]string{}
		for k, v := range m {
			cut[k] = clip(v, maxValue)
		}
		want, err := json.Marshal(cut)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := object(m); err != nil || string(got) != string(want) {
			t.Errorf("%q: %s, want %s (%v)", m, got, want, err)
		}
	}
}
