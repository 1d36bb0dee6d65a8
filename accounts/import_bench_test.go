package accounts

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"gatehouse/accounts/moving"
	"gatehouse/internal/database"
	"gatehouse/internal/testkit"
)

// manyLines is a file of n people whose names come in no order, as they do.
func manyLines(n int) string {
	var b strings.Builder
	rnd := rand.New(rand.NewPCG(1, 2))
	for i := range n {
		x := rnd.Uint64()
		fmt.Fprintf(&b, `{"email":"person%x@example%d.com","email_verified":true,"username":"p%x","name":"Person %d","roles":[],`+
			`"disabled":false,"password_hash":"$2b$10$%053d","created_at":"2024-01-02T03:04:05.000000Z","external_id":"x%x"}`+"\n",
			x, i%50, x, i, i, x)
	}
	return b.String()
}

// BenchmarkImport reports people a second, beside how many a second the
// database takes when it is handed the same rows without anything else.
func BenchmarkImport(b *testing.B) {
	for _, url := range []func(testing.TB) string{testkit.SQLiteURL, testkit.MySQLURL} {
		b.Run("", func(b *testing.B) {
			db := testkit.Open(b, url(b), testkit.NewClock().Now)
			h := newHouse(b, db)
			file := manyLines(20_000)
			b.ResetTimer()
			for range b.N {
				b.StopTimer()
				wipe(b, db)
				b.StartTimer()
				h.importText(file)
			}
			b.ReportMetric(float64(b.N)*20_000/b.Elapsed().Seconds(), "people/s")
		})
	}
}

func wipe(b *testing.B, db *database.DB) {
	for _, table := range []string{"users", "external_ids", "audit_events"} {
		if _, err := db.Exec(b.Context(), "DELETE FROM "+table); err != nil {
			b.Fatal(err)
		}
	}
}

func (h *house) importText(text string) Imported {
	h.t.Helper()
	source, err := moving.Open(strings.NewReader(text), moving.Options{})
	if err != nil {
		h.t.Fatal(err)
	}
	done, err := h.Import(h.ctx(), Import{Source: source, By: visitor, Refused: func(e *moving.RowError) { h.t.Log(e) }})
	if err != nil {
		h.t.Fatal(err)
	}
	return done
}
