package database_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"gatehouse/internal/apperr"
	"gatehouse/internal/database"
	"gatehouse/internal/testkit"

	"gorm.io/gorm"
)

// insertCounter makes a row that the tests move; the table stands for any other.
// The space after the parenthesis keeps GORM from taking the bytes for a list.
const insertCounter = "INSERT INTO throttle_counters (bucket, tries, next_at, updated_at) VALUES ( ?, ?, 0, 0)"

func bucket(n byte) []byte {
	b := make([]byte, 32)
	b[0] = n
	return b
}

func addCounter(t testing.TB, db *database.DB, n byte) {
	t.Helper()
	if rows, err := db.Exec(t.Context(), insertCounter, bucket(n), 0); err != nil || rows != 1 {
		t.Fatalf("got %d rows and %v, want 1", rows, err)
	}
}

// tries reads a counter; -1 is "no such row".
func tries(t testing.TB, db *database.DB, n byte) int64 {
	t.Helper()
	var v int64
	err := db.Read(t.Context()).Table("throttle_counters").Select("tries").Where("bucket = ?", bucket(n)).Take(&v).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return -1
	}
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func increment(tx *gorm.DB, n byte) error {
	return tx.Exec("UPDATE throttle_counters SET tries = tries + 1 WHERE bucket = ?", bucket(n)).Error
}

func isNotNow(err error) bool {
	e, ok := errors.AsType[*apperr.Error](err)
	return ok && e.Kind == apperr.Unavailable && e.RetryAfter > 0
}

func TestAWriteIsReadableOnceItReturned(t *testing.T) {
	testkit.EachDB(t, func(t *testing.T, db *database.DB) {
		for n := range byte(20) {
			err := db.Write(t.Context(), func(tx *gorm.DB) error { return tx.Exec(insertCounter, bucket(n), 7).Error })
			if err != nil {
				t.Fatal(err)
			}
			if got := tries(t, db, n); got != 7 {
				t.Fatalf("row %d: got %d, want 7", n, got)
			}
		}
	})
}

func TestTheErrorOfAFunctionComesBackAsItIsAndUndoesItsWork(t *testing.T) {
	testkit.EachDB(t, func(t *testing.T, db *database.DB) {
		own := errors.New("mine")
		err := db.Write(t.Context(), func(tx *gorm.DB) error {
			if err := tx.Exec(insertCounter, bucket(1), 1).Error; err != nil {
				return err
			}
			return own
		})
		if err != own {
			t.Fatalf("got %v, want the very error", err)
		}
		if got := tries(t, db, 1); got != -1 {
			t.Fatalf("the row is there: %d", got)
		}
	})
}

func TestAnApplicationErrorIsNotWrapped(t *testing.T) {
	testkit.EachDB(t, func(t *testing.T, db *database.DB) {
		own := apperr.New(apperr.Conflict, "taken")
		if err := db.Write(t.Context(), func(*gorm.DB) error { return own }); err != error(own) {
			t.Fatalf("got %v", err)
		}
	})
}

func TestExecCountsChangedRowsAndNamesADuplicate(t *testing.T) {
	testkit.EachDB(t, func(t *testing.T, db *database.DB) {
		addCounter(t, db, 1)
		_, err := db.Exec(t.Context(), insertCounter, bucket(1), 0)
		if !database.IsDuplicate(err) {
			t.Fatalf("got %v, want a duplicate", err)
		}
		rows, err := db.Exec(t.Context(), "UPDATE throttle_counters SET tries = 5 WHERE bucket = ? AND tries = ?", bucket(1), 9)
		if rows != 0 || err != nil {
			t.Fatalf("got %d rows and %v, want none", rows, err)
		}
	})
}

func TestADuplicateInsideATransactionIsNamedAndUndoesNothingElse(t *testing.T) {
	testkit.EachDB(t, func(t *testing.T, db *database.DB) {
		addCounter(t, db, 1)
		err := db.Write(t.Context(), func(tx *gorm.DB) error {
			if err := tx.Exec(insertCounter, bucket(2), 0).Error; err != nil {
				return err
			}
			if err := tx.Exec(insertCounter, bucket(1), 0).Error; !database.IsDuplicate(err) {
				t.Errorf("got %v, want a duplicate", err)
			}
			return nil
		})
		if err != nil || tries(t, db, 2) != 0 {
			t.Fatalf("got %v and %d", err, tries(t, db, 2))
		}
	})
}

func TestOneOf32ConditionalUpdatesWins(t *testing.T) {
	testkit.EachDB(t, func(t *testing.T, db *database.DB) {
		addCounter(t, db, 1)
		won := testkit.Race(t, 32, func(int) (won bool, err error) {
			err = db.Write(t.Context(), func(tx *gorm.DB) error {
				res := tx.Exec("UPDATE throttle_counters SET tries = 1 WHERE bucket = ? AND tries = 0", bucket(1))
				won = res.RowsAffected == 1
				return res.Error
			})
			return won, err
		})
		if won != 1 {
			t.Fatalf("%d won", won)
		}
	})
}

func TestOneOf32InsertsOfOneKeyWins(t *testing.T) {
	testkit.EachDB(t, func(t *testing.T, db *database.DB) {
		won := testkit.Race(t, 32, func(i int) (bool, error) {
			err := db.Write(t.Context(), func(tx *gorm.DB) error { return tx.Exec(insertCounter, bucket(1), i).Error })
			if database.IsDuplicate(err) {
				return false, nil
			}
			return err == nil, err
		})
		if won != 1 {
			t.Fatalf("%d won", won)
		}
	})
}

func TestNothingIsLostWhen32WritersMeet(t *testing.T) {
	testkit.EachDB(t, func(t *testing.T, db *database.DB) {
		addCounter(t, db, 1)
		addCounter(t, db, 2)
		own := errors.New("every third fails")
		const rounds = 20
		done := testkit.Race(t, 32, func(i int) (bool, error) {
			for round := range rounds {
				err := db.Write(t.Context(), func(tx *gorm.DB) error {
					if err := errors.Join(increment(tx, 1+byte(i%2)), increment(tx, 2-byte(i%2))); err != nil {
						return err
					}
					if (i+round)%3 == 0 {
						return own
					}
					return nil
				})
				if fails := (i+round)%3 == 0; fails && err != own || !fails && err != nil {
					return false, err
				}
			}
			return true, nil
		})
		want := int64(0)
		for i := range 32 {
			for round := range rounds {
				if (i+round)%3 != 0 {
					want++
				}
			}
		}
		if done != 32 || tries(t, db, 1) != want || tries(t, db, 2) != want {
			t.Fatalf("%d writers ended well, counters %d and %d, want %d", done, tries(t, db, 1), tries(t, db, 2), want)
		}
	})
}

func TestAPanicReachesItsCallerAndNobodyElse(t *testing.T) {
	testkit.EachDB(t, func(t *testing.T, db *database.DB) {
		addCounter(t, db, 1)
		panics := atomic.Int64{}
		testkit.Race(t, 32, func(i int) (bool, error) {
			defer func() {
				if p := recover(); p == "mine" {
					panics.Add(1)
				} else if p != nil {
					t.Errorf("got panic %v", p)
				}
			}()
			return true, db.Write(t.Context(), func(tx *gorm.DB) error {
				if err := increment(tx, 1); err != nil {
					return err
				}
				if i%4 == 0 {
					panic("mine")
				}
				return nil
			})
		})
		if panics.Load() != 8 || tries(t, db, 1) != 24 {
			t.Fatalf("%d panics, counter %d, want 8 and 24", panics.Load(), tries(t, db, 1))
		}
	})
}

func TestAFunctionThatEndsItsGoroutineDoesNotEndTheWriter(t *testing.T) {
	testkit.EachDB(t, func(t *testing.T, db *database.DB) {
		addCounter(t, db, 1)
		var wg sync.WaitGroup
		wg.Go(func() {
			_ = db.Write(t.Context(), func(tx *gorm.DB) error {
				runtime.Goexit()
				return nil
			})
			t.Error("the caller went on")
		})
		wg.Wait()
		if err := db.Write(t.Context(), func(tx *gorm.DB) error { return increment(tx, 1) }); err != nil {
			t.Fatal(err)
		}
	})
}

func TestACallerThatHasGoneIsNotRun(t *testing.T) {
	testkit.EachDB(t, func(t *testing.T, db *database.DB) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		err := db.Write(ctx, func(*gorm.DB) error {
			t.Error("it was run")
			return nil
		})
		if !isNotNow(err) || !errors.Is(err, context.Canceled) {
			t.Fatalf("got %v", err)
		}
	})
}

func TestACallerThatGoesAwayInTheMiddleLosesOnlyItsOwnWork(t *testing.T) {
	testkit.EachDB(t, func(t *testing.T, db *database.DB) {
		for n := range byte(3) {
			addCounter(t, db, n)
		}
		errs := make([]error, 3)
		testkit.Race(t, 3, func(i int) (bool, error) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			errs[i] = db.Write(ctx, func(tx *gorm.DB) error {
				if err := increment(tx, byte(i)); err != nil {
					return err
				}
				if i == 1 {
					cancel()
				}
				// The context that a room holds must not interrupt the group either.
				return increment(tx.WithContext(ctx), byte(i))
			})
			return true, nil
		})
		if errs[0] != nil || errs[2] != nil || !isNotNow(errs[1]) {
			t.Fatalf("got %v", errs)
		}
		if a, b, c := tries(t, db, 0), tries(t, db, 1), tries(t, db, 2); a != 2 || b != 0 || c != 2 {
			t.Fatalf("counters %d %d %d, want 2 0 2", a, b, c)
		}
	})
}

func TestCausalReadSeesWhatWasWritten(t *testing.T) {
	testkit.EachDB(t, func(t *testing.T, db *database.DB) {
		addCounter(t, db, 1)
		var n int64
		err := db.CausalRead(t.Context(), func(tx *gorm.DB) error { return tx.Table("throttle_counters").Count(&n).Error })
		if err != nil || n != 1 {
			t.Fatalf("got %d rows and %v", n, err)
		}
	})
}

func TestReadsDoNotWrite(t *testing.T) {
	db := testkit.DB(t)
	err := database.Unavailable(db.Read(t.Context()).Exec(insertCounter, bucket(1), 0).Error)
	if err == nil || tries(t, db, 1) != -1 {
		t.Fatal("a reading connection wrote")
	}
}

func TestAStatementRunsAgainWhileItsRowsAreOpen(t *testing.T) {
	db := testkit.DB(t)
	addCounter(t, db, 1)
	addCounter(t, db, 2)
	err := db.Write(t.Context(), func(tx *gorm.DB) error {
		outer, err := tx.Raw("SELECT tries FROM throttle_counters WHERE tries >= ?", 0).Rows()
		if err != nil {
			return err
		}
		defer outer.Close()
		seen := 0
		for outer.Next() {
			var inner []int64
			if err := tx.Raw("SELECT tries FROM throttle_counters WHERE tries >= ?", 0).Scan(&inner).Error; err != nil {
				return err
			}
			seen += len(inner)
		}
		if seen != 4 {
			t.Errorf("saw %d rows, want 4", seen)
		}
		return outer.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestManyDifferentStatementsAreForgottenAgain(t *testing.T) {
	testkit.EachDB(t, func(t *testing.T, db *database.DB) {
		addCounter(t, db, 1)
		for n := range 300 {
			query := "UPDATE throttle_counters SET tries = " + string(rune('0'+n%10)) + " WHERE bucket = ? AND tries <> ?"
			for range n / 10 {
				query += " " // as many different texts as rounds
			}
			if _, err := db.Exec(t.Context(), query, bucket(1), 99); err != nil {
				t.Fatal(err)
			}
		}
		if got := tries(t, db, 1); got != 9 {
			t.Fatalf("got %d", got)
		}
	})
}

func TestUnavailableLeavesOtherErrorsAlone(t *testing.T) {
	own := apperr.New(apperr.NotFound, "gone")
	if database.Unavailable(nil) != nil || database.Unavailable(gorm.ErrRecordNotFound) != gorm.ErrRecordNotFound || database.Unavailable(own) != error(own) {
		t.Fatal("an error that is not the storage's was changed")
	}
	if err := database.Unavailable(context.DeadlineExceeded); !isNotNow(err) || !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("got %v", err)
	}
}

func TestRowsScanIntoMaps(t *testing.T) {
	testkit.EachDB(t, func(t *testing.T, db *database.DB) {
		addCounter(t, db, 1)
		got := map[string]any{}
		err := db.Read(t.Context()).Table("throttle_counters").Select("tries").Where("bucket = ?", bucket(1)).Take(&got).Error
		if v, ok := got["tries"].(int64); err != nil || !ok || v != 0 {
			t.Fatalf("got %#v and %v", got, err)
		}
	})
}

func TestWhatIsWrittenAfterwardsOutlivesItsCallerAndEnds(t *testing.T) {
	gone, leave := context.WithCancel(t.Context())
	leave()
	ctx, cancel := database.Afterwards(gone)
	defer cancel()
	if _, ends := ctx.Deadline(); ctx.Err() != nil || !ends {
		t.Fatalf("ended: %v; ends: %v", ctx.Err(), ends)
	}
	testkit.EachDB(t, func(t *testing.T, db *database.DB) {
		if err := db.Write(ctx, func(tx *gorm.DB) error { return tx.Exec(insertCounter, bucket(9), 1).Error }); err != nil {
			t.Fatal(err)
		}
	})
}
