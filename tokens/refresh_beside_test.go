package tokens

import (
	"testing"

	"gatehouse/internal/database"
	"gatehouse/internal/testkit"
)

// besideEmail is a Beside that wants to know an address.
func besideEmail(d *Deps) {
	d.Beside = Beside{
		Columns: "COALESCE(u.email, ''), (SELECT COUNT(*) FROM totp_factors h WHERE h.user_id = f.user_id)",
		New: func() (any, []any) {
			p := new(struct {
				email   string
				factors int64
			})
			return &p.email, []any{&p.email, &p.factors}
		},
	}
}

func TestARefreshTellsOfThePersonAsTheyAreAtThatMoment(t *testing.T) {
	testkit.EachDB(t, func(t *testing.T, db *database.DB) {
		r := newRoom(t, db, besideEmail)
		anna := r.person("anna")
		_, token := r.family(anna)
		wants := func(token, email string) string {
			t.Helper()
			answer, err := r.rotate(token)
			if err != nil {
				t.Fatal(err)
			}
			if got := *answer.Person.(*string); got != email {
				t.Errorf("told of %q, want %q", got, email)
			}
			return answer.Refresh.Token.Reveal()
		}
		next := wants(token, "anna@example.org")
		if _, err := db.Exec(t.Context(), "UPDATE users SET email = ? WHERE id = ?", "new@example.org", anna.ID); err != nil {
			t.Fatal(err)
		}
		wants(token, "new@example.org") // a repeat
		wants(next, "new@example.org")
		if _, err := db.Exec(t.Context(), "DELETE FROM users WHERE id = ?", anna.ID); err != nil {
			t.Fatal(err)
		}
		if _, err := r.rotate(next); !ErrInvalidGrant.Is(err) {
			t.Errorf("of nobody: %v", err)
		}
	})
}

// TestARefreshAloneCostsFiveRoundTrips: the read, with all that the answer tells,
// BEGIN, the family, the audit row, COMMIT.
func TestARefreshAloneCostsFiveRoundTrips(t *testing.T) {
	db, err := database.Open(t.Context(), database.Options{URL: testkit.MySQLURL(t), Clock: testkit.NewClock().Now, ReadConns: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	r := newRoom(t, db, besideEmail)
	_, token := r.family(r.person("anna"))
	token = r.refreshed(r.refreshed(token)) // what has to be prepared is
	asked := func() (n int64) {
		var name string
		if err := db.Read(t.Context()).Raw("SHOW SESSION STATUS LIKE 'Questions'").Row().Scan(&name, &n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	asked() // likewise
	before := asked()
	r.refreshed(token)
	if n := asked() - before - 1; n != 5 {
		t.Errorf("%d round trips, want 5", n)
	}
}
