package cli_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gatehouse/config"
	"gatehouse/internal/testkit"
)

// people is a file of n people with an id of another system, or with nothing but
// their address.
func people(n int, external bool) string {
	var b strings.Builder
	for i := range n {
		id := ""
		if external {
			id = fmt.Sprintf(`,"external_id":"old/%06d"`, i)
		}
		fmt.Fprintf(&b, `{"email":"p%06d@harbour.example","username":"p%06d","password_hash":"$2b$10$%053d"%s}`+"\n", i, i, i, id)
	}
	return b.String()
}

// TestAKillInTheMiddleOfAnImportIsMendedByRunningItAgain kills the command while
// it stores and runs the same one again: everybody is there, nobody twice, and
// who was stored before the kill was left alone.
func TestAKillInTheMiddleOfAnImportIsMendedByRunningItAgain(t *testing.T) {
	const n = 20_000
	for name, external := range map[string]bool{"by address": false, "by external id": true} {
		t.Run(name, func(t *testing.T) {
			testkit.EachURL(t, func(t *testing.T, url string) {
				dir := t.TempDir()
				c := config.Config{AppURL: "http://localhost:5000", ListenAddr: "127.0.0.1:5000", DataDir: dir, DatabaseURL: config.Secret(url),
					LogLevel: "error", SigningAlg: "ES256", KeyRotationEvery: time.Hour,
					SecretKey: "c4f1d2a95be07386c4f1d2a95be0738601aa5e7790b3d64f8812e3c7f5a90b6d"}
				env := []string{"DATA_DIR=" + dir, "DATABASE_URL=" + url, "SECRET_KEY=" + c.SecretKey.Reveal(), "LOG_LEVEL=error"}
				file := filepath.Join(dir, "people.jsonl")
				if err := os.WriteFile(file, []byte(people(n, external)), 0o600); err != nil {
					t.Fatal(err)
				}
				r := rooms(t, c)
				defer r.Close()
				stored := func() (count int64) {
					if err := r.DB.Read(t.Context()).Table("users").Count(&count).Error; err != nil {
						t.Fatal(err)
					}
					return count
				}
				first := program(t, dir, append(env, "PATH="+os.Getenv("PATH")), "user", "import", file)
				await(t, "the first batch", func() bool { return stored() > 0 })
				_ = first.Process.Kill()
				_ = first.Wait()
				before := stored()
				if before == 0 || before >= n {
					t.Fatalf("the kill found %d of %d people", before, n)
				}
				out, code := run(t, dir, env, "user", "import", "--json", file)
				var done struct {
					Rows, Created, Refused int64
					There                  int64 `json:"already_there"`
				}
				if err := json.Unmarshal([]byte(out), &done); err != nil || code != 0 {
					t.Fatalf("%d, %v: %s", code, err, out)
				}
				// A commit that was under way may come after the count.
				if done.Rows != n || done.There < before || done.There+done.Created != n || done.Refused != 0 || stored() != n {
					t.Errorf("%d were there before: %+v, and now there are %d", before, done, stored())
				}
				checkExported(t, dir, env, n)
			})
		})
	}
}

func checkExported(t *testing.T, dir string, env []string, n int) {
	t.Helper()
	file := filepath.Join(dir, "out.jsonl")
	if out, code := run(t, dir, env, "user", "export", file); code != 0 {
		t.Fatal(out)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for line := range bytes.Lines(b) {
		var u struct{ Email string }
		if err := json.Unmarshal(line, &u); err != nil || seen[u.Email] {
			t.Fatalf("%v: %s", err, line)
		}
		seen[u.Email] = true
	}
	if len(seen) != n {
		t.Errorf("%d people were exported, want %d", len(seen), n)
	}
}
