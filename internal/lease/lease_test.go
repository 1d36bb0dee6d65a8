package lease_test

import (
	"context"
	"testing"
	"time"

	"gatehouse/internal/database"
	"gatehouse/internal/lease"
	"gatehouse/internal/testkit"

	"gorm.io/gorm"
)

const ttl = time.Minute

func acquire(t testing.TB, db *database.DB, holder string, now time.Time) bool {
	t.Helper()
	ok, err := tryAcquire(t.Context(), db, holder, now)
	if err != nil {
		t.Fatal(err)
	}
	return ok
}

func tryAcquire(ctx context.Context, db *database.DB, holder string, now time.Time) (ok bool, err error) {
	err = db.Write(ctx, func(tx *gorm.DB) (err error) {
		ok, err = lease.Acquire(ctx, tx, "thing", holder, ttl, now)
		return err
	})
	return ok, err
}

func TestALeaseHasOneHolderUntilItEnds(t *testing.T) {
	testkit.EachDB(t, func(t *testing.T, db *database.DB) {
		clock := testkit.NewClock()
		if !acquire(t, db, "a", clock.Now()) {
			t.Fatal("a free lease was refused")
		}
		if acquire(t, db, "b", clock.Now()) {
			t.Fatal("a held lease was given")
		}
		if !acquire(t, db, "a", clock.Now()) {
			t.Fatal("the holder may not renew at the same moment")
		}
		clock.Advance(ttl - time.Microsecond)
		if acquire(t, db, "b", clock.Now()) {
			t.Fatal("a lease ended early")
		}
		clock.Advance(time.Microsecond)
		if !acquire(t, db, "b", clock.Now()) || acquire(t, db, "a", clock.Now()) {
			t.Fatal("a lease that ended did not change hands")
		}
	})
}

func TestARenewedLeaseLastsLonger(t *testing.T) {
	testkit.EachDB(t, func(t *testing.T, db *database.DB) {
		clock := testkit.NewClock()
		for range 5 {
			if !acquire(t, db, "a", clock.Now()) || acquire(t, db, "b", clock.Now()) {
				t.Fatal("the holder lost a lease that it renewed in time")
			}
			clock.Advance(ttl / 2)
		}
	})
}

func TestAReleasedLeaseIsFreeAtOnce(t *testing.T) {
	testkit.EachDB(t, func(t *testing.T, db *database.DB) {
		now := testkit.NewClock().Now()
		acquire(t, db, "a", now)
		for _, holder := range []string{"b", "a"} { // only the holder can release
			err := db.Write(t.Context(), func(tx *gorm.DB) error { return lease.Release(t.Context(), tx, "thing", holder) })
			if err != nil {
				t.Fatal(err)
			}
			if got := acquire(t, db, "c", now); got != (holder == "a") {
				t.Fatalf("after a release by %s: got %v", holder, got)
			}
		}
	})
}

func TestOneOf32GetsTheLease(t *testing.T) {
	testkit.EachDB(t, func(t *testing.T, db *database.DB) {
		clock := testkit.NewClock()
		for range 3 { // the first time by INSERT, then by UPDATE
			won := testkit.Race(t, 32, func(int) (bool, error) {
				return tryAcquire(t.Context(), db, lease.NewHolder(), clock.Now())
			})
			if won != 1 {
				t.Fatalf("%d got it", won)
			}
			clock.Advance(ttl)
		}
	})
}

func TestTheTableIsMadeOnce(t *testing.T) {
	testkit.EachDB(t, func(t *testing.T, db *database.DB) {
		err := db.Write(t.Context(), func(tx *gorm.DB) error { return lease.CreateTable(t.Context(), tx) })
		if err != nil {
			t.Fatal(err)
		}
	})
}

func TestALeaseOfBeforeAClockWentBackIsTakenOver(t *testing.T) {
	testkit.EachDB(t, func(t *testing.T, db *database.DB) {
		clock := testkit.NewClock()
		acquire(t, db, "a", clock.Now())
		if acquire(t, db, "b", clock.Now().Add(-30*time.Second)) {
			t.Fatal("a node whose clock is half a minute behind takes what is held")
		}
		clock.Advance(-24 * time.Hour)
		if !acquire(t, db, "b", clock.Now()) {
			t.Error("it is held for a day")
		}
		if acquire(t, db, "a", clock.Now()) {
			t.Error("two hold it")
		}
	})
}
