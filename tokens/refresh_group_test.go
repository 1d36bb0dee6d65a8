package tokens

import (
	"fmt"
	"testing"

	"gatehouse/internal/database"
	"gatehouse/internal/testkit"
	"gatehouse/models"
)

// A group is what MySQL writes in one transaction. One of its members has lost
// to a rival, one family has ended, and one token is there twice: none of them
// takes the others along, and each writes nothing.
func TestOneThatLosesItsRaceTakesNobodyAlongInAGroup(t *testing.T) {
	onMySQL(t, func(t *testing.T, db *database.DB) {
		r := newRoom(t, db)
		anna := r.person("anna")
		var group []*rotation
		member := func() *rotation {
			_, token := r.family(anna)
			n := r.prepared(token)
			group = append(group, n)
			return n
		}
		good, beaten, ended, more := member(), member(), member(), member()
		if _, err := r.rotate(string(beaten.token.text)); err != nil {
			t.Fatal(err)
		}
		if _, err := db.Exec(t.Context(), endFamilySQL, models.At(r.clock.Now()), "test", ended.row.ID); err != nil {
			t.Fatal(err)
		}
		twin := r.prepared(string(good.token.text))
		group = append(group, twin)
		before := r.count("SELECT COUNT(*) FROM audit_events")
		r.Refresh.group.write(group)
		for i, want := range []bool{true, false, false, true, false} {
			if n := group[i]; n.won != want || n.err != nil {
				t.Errorf("member %d: won %v, error %v", i, n.won, n.err)
			}
		}
		if n := r.count("SELECT COUNT(*) FROM audit_events") - before; n != 2 {
			t.Errorf("%d audit rows for two rotations", n)
		}
		for _, n := range []*rotation{good, more} { // what was written is what a lone rotation writes
			if _, err := r.rotate(string(n.next.text)); err != nil {
				t.Errorf("the successor is refused: %v", err)
			}
			if _, err := r.rotate(string(n.token.text)); err != nil {
				t.Errorf("a repeat within the window is refused: %v", err)
			}
		}
	})
}

// What fails in the middle of a group leaves nothing of it behind.
func TestAGroupThatFailsTellsEverybodyAndWritesNothing(t *testing.T) {
	onMySQL(t, func(t *testing.T, db *database.DB) {
		r := newRoom(t, db)
		anna := r.person("anna")
		var group []*rotation
		for range 2 {
			_, token := r.family(anna)
			group = append(group, r.prepared(token))
		}
		group[1].lines = group[0].lines // the same id twice
		r.Refresh.group.write(group)
		for _, n := range group {
			if n.err == nil || n.won {
				t.Errorf("won %v, error %v", n.won, n.err)
			}
			if _, err := r.rotate(string(n.token.text)); err != nil {
				t.Errorf("the token does not work any more: %v", err)
			}
		}
	})
}

func TestManyRefreshesAtOnceEachGetTheirOwnSuccessor(t *testing.T) {
	testkit.EachDB(t, func(t *testing.T, db *database.DB) {
		const families, rounds = 48, 5
		r := newRoom(t, db)
		anna := r.person("anna")
		list := make([]string, families)
		for i := range list {
			_, list[i] = r.family(anna)
		}
		for range rounds {
			won := testkit.Race(t, families, func(i int) (bool, error) {
				answer, err := r.rotate(list[i])
				if err != nil || answer.Repeated {
					return false, fmt.Errorf("family %d: repeated %v: %w", i, answer.Repeated, err)
				}
				list[i] = answer.Refresh.Token.Reveal()
				return true, nil
			})
			if won != families {
				t.Fatalf("%d of %d", won, families)
			}
		}
		if n := r.count("SELECT COUNT(*) FROM audit_events WHERE action = 'refresh.rotated'"); n != families*rounds {
			t.Errorf("%d audit rows, want %d", n, families*rounds)
		}
		if n := r.count("SELECT COUNT(*) FROM refresh_families WHERE generation <> ?", rounds+1); n != 0 {
			t.Errorf("%d families have another generation", n)
		}
	})
}

// prepared is a rotation of a token, right before it is written.
func (r *room) prepared(token string) *rotation {
	r.t.Helper()
	presented, _ := r.Refresh.key().parse(token)
	a, err := r.Refresh.look(r.t.Context(), presented, FirstParty, true)
	if err != nil || a.verdict != rotate {
		r.t.Fatalf("verdict %d, error %v", a.verdict, err)
	}
	lines, err := r.Refresh.lines(a)
	if err != nil {
		r.t.Fatal(err)
	}
	x := r.Refresh.exchange(a.row, a.token, a.line, a.now)
	x.touchDue = true
	return &rotation{exchange: x, row: a.row, token: a.token, lines: lines}
}

func onMySQL(t *testing.T, f func(*testing.T, *database.DB)) {
	testkit.EachDB(t, func(t *testing.T, db *database.DB) {
		if db.Dialect() == database.MySQL {
			f(t, db)
		}
	})
}
