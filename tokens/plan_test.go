package tokens

import (
	"strings"
	"testing"

	"gatehouse/internal/testkit"
)

// A look-up must cost the same with a million users as with a thousand, so no
// statement on the path of a request may read a table from end to end.
func TestNoStatementOfARequestScansATable(t *testing.T) {
	db := testkit.DB(t)
	for name, sql := range map[string]string{
		"by cookie":       findSessionSQL + "s.cookie_hash = x'00'",
		"by id":           findSessionSQL + "s.id = x'00'",
		"list":            strings.ReplaceAll(listSessionsSQL, "?", "1"),
		"end of all":      `UPDATE sessions SET ended_at = 1 WHERE user_id = x'00' AND id <> x'01' AND ended_at IS NULL`,
		"end of families": `UPDATE refresh_families SET ended_at = 1 WHERE session_id = x'00' AND ended_at IS NULL`,
		"link":            `UPDATE one_time_tokens SET used_at = 1 WHERE kind = 'a' AND token_hash = x'00' AND used_at IS NULL`,
		"attempt":         `SELECT id FROM one_time_tokens WHERE kind = 'a' AND attempt_hash = x'00'`,
		"trim":            `SELECT id FROM sessions WHERE absolute_until <= 1 ORDER BY absolute_until LIMIT 500`,
	} {
		var steps []struct{ Detail string }
		if err := db.Read(t.Context()).Raw("EXPLAIN QUERY PLAN " + sql).Scan(&steps).Error; err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if len(steps) == 0 {
			t.Errorf("%s: no plan", name)
		}
		for _, step := range steps {
			if strings.HasPrefix(step.Detail, "SCAN") {
				t.Errorf("%s: %s", name, step.Detail)
			}
		}
	}
}

func BenchmarkASignedInPageReadsItsSession(b *testing.B) {
	r := newRoom(b, testkit.DB(b))
	cookie := r.browser(r.person("anna")).Cookie.Reveal()
	for b.Loop() {
		if s, err := r.Sessions.ByCookie(b.Context(), cookie); s == nil || err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAnAccessTokenIsSigned(b *testing.B) {
	r := newRoom(b, testkit.DB(b))
	grant := Grant{Subject: r.person("anna"), AuthTime: r.clock.Now(), ACR: "aal1", AMR: []string{"pwd"}}
	for b.Loop() {
		if _, err := r.Access.Prepare(grant).Sign(); err != nil {
			b.Fatal(err)
		}
	}
}
