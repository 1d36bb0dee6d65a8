package audit

import (
	"slices"
	"sync"
	"testing"

	"gorm.io/gorm"

	"gatehouse/internal/database"
	"gatehouse/internal/testkit"
	"gatehouse/models"
)

// race runs fn n times at once and sums up what it returns.
func race(t *testing.T, n int, fn func() (int, error)) int {
	t.Helper()
	var (
		mu    sync.Mutex
		total int
		all   sync.WaitGroup
		start = make(chan struct{})
	)
	for range n {
		all.Go(func() {
			<-start
			got, err := fn()
			mu.Lock()
			defer mu.Unlock()
			total += got
			if err != nil {
				t.Error(err)
			}
		})
	}
	close(start)
	all.Wait()
	return total
}

// chain is three batches of three events each.
func chain(t *testing.T, db *database.DB) (*Log, [4][]models.AuditEvent) {
	t.Helper()
	l := newLog(db)
	var rows [4][]models.AuditEvent
	for batch := int64(1); batch <= 3; batch++ {
		record(t, l, 3, models.NewID())
		if n := seal(t, l); n != 3 {
			t.Fatalf("sealed %d", n)
		}
		rows[batch] = rowsOf(t, db, batch)
	}
	if r := check(t, l); !r.OK() {
		t.Fatalf("%+v", r)
	}
	return l, rows
}

// tamper runs one statement as somebody with the database's password would.
func tamper(t *testing.T, db *database.DB, sql string, args ...any) {
	t.Helper()
	err := db.Write(t.Context(), func(tx *gorm.DB) error {
		done := tx.Exec(sql, args...)
		if done.Error == nil && done.RowsAffected == 0 {
			t.Fatalf("%s changed nothing", sql)
		}
		return done.Error
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestEveryKindOfTamperingIsFoundAndLocated(t *testing.T) {
	type rows = [4][]models.AuditEvent
	for name, c := range map[string]struct {
		do   func(t *testing.T, db *database.DB, r rows)
		want func(r rows) []Finding
	}{
		"a word of a row is changed": {
			func(t *testing.T, db *database.DB, r rows) {
				tamper(t, db, "UPDATE audit_events SET outcome = ? WHERE id = ?", "failure", r[2][1].ID)
			},
			func(r rows) []Finding { return []Finding{{EventChanged, 2, r[2][1].ID, 2}} },
		},
		"the time of a row is changed": {
			func(t *testing.T, db *database.DB, r rows) {
				tamper(t, db, "UPDATE audit_events SET at = at + 1 WHERE id = ?", r[1][0].ID)
			},
			func(r rows) []Finding { return []Finding{{EventChanged, 1, r[1][0].ID, 1}} },
		},
		"the actor of a row is changed": {
			func(t *testing.T, db *database.DB, r rows) {
				tamper(t, db, "UPDATE audit_events SET actor_id = NULL WHERE id = ?", r[1][0].ID)
			},
			func(r rows) []Finding { return []Finding{{EventChanged, 1, r[1][0].ID, 1}} },
		},
		"the address in a row is changed": {
			func(t *testing.T, db *database.DB, r rows) {
				tamper(t, db, "UPDATE audit_events SET personal = ? WHERE id = ?", []byte(`{"ip":"203.0.113.1"}`), r[3][2].ID)
			},
			func(r rows) []Finding { return []Finding{{PersonChanged, 3, r[3][2].ID, 3}} },
		},
		"the address and its commitment are changed": {
			func(t *testing.T, db *database.DB, r rows) {
				p := []byte(`{"ip":"203.0.113.1"}`)
				tamper(t, db, "UPDATE audit_events SET personal = ?, commitment = ? WHERE id = ?", p, commitment(r[3][2].Salt, p), r[3][2].ID)
			},
			func(r rows) []Finding { return []Finding{{EventChanged, 3, r[3][2].ID, 3}} },
		},
		"the address is blanked without a record of it": {
			func(t *testing.T, db *database.DB, r rows) {
				tamper(t, db, "UPDATE audit_events SET personal = NULL, salt = ? WHERE id = ?", []byte{}, r[2][0].ID)
			},
			func(r rows) []Finding { return []Finding{{EventErased, 2, r[2][0].ID, 1}} },
		},
		"a row is deleted": {
			func(t *testing.T, db *database.DB, r rows) {
				tamper(t, db, "DELETE FROM audit_events WHERE id = ?", r[2][2].ID)
			},
			func(r rows) []Finding { return []Finding{{EventDeleted, 2, r[2][2].ID, 3}} },
		},
		"a row is inserted": {
			func(t *testing.T, db *database.DB, r rows) {
				tamper(t, db, "UPDATE audit_events SET id = ? WHERE id = ?", models.ID{1}, r[1][0].ID)
			},
			func(r rows) []Finding {
				return []Finding{{EventDeleted, 1, r[1][0].ID, 1}, {EventInserted, 1, models.ID{1}, 0}}
			},
		},
		"two rows change places": {
			func(t *testing.T, db *database.DB, r rows) {
				tamper(t, db, "UPDATE audit_events SET id = ? WHERE id = ?", models.ID{1}, r[1][0].ID)
				tamper(t, db, "UPDATE audit_events SET id = ? WHERE id = ?", r[1][0].ID, r[1][1].ID)
				tamper(t, db, "UPDATE audit_events SET id = ? WHERE id = ?", r[1][1].ID, models.ID{1})
			},
			func(r rows) []Finding {
				return []Finding{{EventChanged, 1, r[1][0].ID, 1}, {EventChanged, 1, r[1][1].ID, 2}}
			},
		},
		"a row is moved to another batch": {
			func(t *testing.T, db *database.DB, r rows) {
				tamper(t, db, "UPDATE audit_events SET batch = 3 WHERE id = ?", r[1][1].ID)
			},
			func(r rows) []Finding {
				return []Finding{{EventMoved, 1, r[1][1].ID, 2}, {EventInserted, 3, r[1][1].ID, 0}}
			},
		},
		"a row is taken out of the chain": {
			func(t *testing.T, db *database.DB, r rows) {
				tamper(t, db, "UPDATE audit_events SET batch = NULL WHERE id = ?", r[1][1].ID)
			},
			func(r rows) []Finding { return []Finding{{EventMoved, 1, r[1][1].ID, 2}} },
		},
		"a batch forgets a row": {
			func(t *testing.T, db *database.DB, r rows) {
				tamper(t, db, "UPDATE audit_batches SET body = ? WHERE seq = 2", body(r[2][:2]))
			},
			func(r rows) []Finding {
				return []Finding{{Fault: BatchChanged, Batch: 2}, {EventInserted, 2, r[2][2].ID, 0}}
			},
		},
		"a batch lists its rows in another order": {
			func(t *testing.T, db *database.DB, r rows) {
				swapped := slices.Clone(r[2])
				slices.Reverse(swapped)
				tamper(t, db, "UPDATE audit_batches SET body = ? WHERE seq = 2", body(swapped))
			},
			func(rows) []Finding { return []Finding{{Fault: BatchChanged, Batch: 2}} },
		},
		"a row and its whole batch are written anew": {
			func(t *testing.T, db *database.DB, r rows) {
				forged := slices.Clone(r[2])
				forged[0].Action = "nothing"
				batch := models.AuditBatch{Seq: 2, Body: body(forged)}
				tamper(t, db, "UPDATE audit_events SET action = ? WHERE id = ?", "nothing", forged[0].ID)
				var old models.AuditBatch
				if err := db.Read(t.Context()).Where("seq = 2").Take(&old).Error; err != nil {
					t.Fatal(err)
				}
				batch.PrevHash, batch.SealedAt = old.PrevHash, old.SealedAt
				tamper(t, db, "UPDATE audit_batches SET body = ?, hash = ? WHERE seq = 2", batch.Body, batchHash(&batch))
			},
			func(rows) []Finding { return []Finding{{Fault: BatchUnlinked, Batch: 3}} },
		},
		"a batch is deleted": {
			func(t *testing.T, db *database.DB, _ rows) { tamper(t, db, "DELETE FROM audit_batches WHERE seq = 2") },
			func(rows) []Finding {
				return []Finding{{Fault: BatchMissing, Batch: 2}, {Fault: BatchUnlinked, Batch: 3}}
			},
		},
		"the last batch is cut off": {
			func(t *testing.T, db *database.DB, _ rows) { tamper(t, db, "DELETE FROM audit_batches WHERE seq = 3") },
			func(r rows) []Finding {
				return []Finding{
					{Fault: BatchMissing, Batch: 3},
					{EventInserted, 3, r[3][0].ID, 0}, {EventInserted, 3, r[3][1].ID, 0}, {EventInserted, 3, r[3][2].ID, 0},
				}
			},
		},
		"a row is put into a batch before the first": {
			func(t *testing.T, db *database.DB, r rows) {
				tamper(t, db, `INSERT INTO audit_batches (seq, prev_hash, body, hash, sealed_at)
 SELECT -1, prev_hash, body, hash, sealed_at FROM audit_batches WHERE seq = 1`)
				tamper(t, db, "UPDATE audit_events SET batch = -1, outcome = ? WHERE id = ?", "failure", r[1][2].ID)
			},
			func(r rows) []Finding {
				return []Finding{{EventMoved, 1, r[1][2].ID, 3}, {Fault: BatchUnlinked, Batch: -1}, {EventInserted, -1, r[1][2].ID, 0}}
			},
		},
		"the address is blanked and a row of the chain is made to say that it was erased": {
			func(t *testing.T, db *database.DB, r rows) {
				tamper(t, db, "UPDATE audit_events SET personal = NULL, salt = ? WHERE id = ?", []byte{}, r[2][0].ID)
				tamper(t, db, "UPDATE audit_events SET action = ?, subject_id = ? WHERE id = ?", string(PersonErased), r[2][0].SubjectID, r[1][0].ID)
			},
			func(r rows) []Finding {
				return []Finding{{EventChanged, 1, r[1][0].ID, 1}, {EventErased, 2, r[2][0].ID, 1}}
			},
		},
		"two batches change places": {
			func(t *testing.T, db *database.DB, _ rows) {
				tamper(t, db, "UPDATE audit_batches SET seq = 9 WHERE seq = 1")
				tamper(t, db, "UPDATE audit_batches SET seq = 1 WHERE seq = 2")
				tamper(t, db, "UPDATE audit_batches SET seq = 2 WHERE seq = 9")
			},
			nil, // many faults; that there are some in batches 1 and 2 is enough
		},
	} {
		t.Run(name, func(t *testing.T) {
			testkit.EachDB(t, func(t *testing.T, db *database.DB) {
				l, rows := chain(t, db)
				c.do(t, db, rows)
				r := check(t, l)
				if c.want == nil {
					if r.OK() || r.Findings[0].Batch != 1 {
						t.Errorf("%+v", r)
					}
					return
				}
				if want := c.want(rows); !slices.Equal(r.Findings, want) || r.Faults != int64(len(want)) {
					t.Errorf("found %v, want %v", r.Findings, want)
				}
			})
		})
	}
}

func TestTheHeadShowsThatTheEndWasCutOffWithItsRows(t *testing.T) {
	db := testkit.DB(t)
	l, _ := chain(t, db)
	noted := check(t, l)
	tamper(t, db, "DELETE FROM audit_batches WHERE seq = 3")
	tamper(t, db, "DELETE FROM audit_events WHERE batch = 3")
	if r := check(t, l); !r.OK() || r.Head >= noted.Head {
		t.Errorf("%+v", r)
	}
}

func TestAFindingIsSaidInOneLine(t *testing.T) {
	id := models.ID{1}
	for want, f := range map[string]Finding{
		"batch 2: batch_changed": {Fault: BatchChanged, Batch: 2},
		"batch 2: event 3, 01000000-0000-0000-0000-000000000000: event_changed": {EventChanged, 2, id, 3},
		"batch 2: event 01000000-0000-0000-0000-000000000000: event_inserted":   {EventInserted, 2, id, 0},
	} {
		if f.String() != want {
			t.Errorf("%s, want %s", f, want)
		}
	}
}
