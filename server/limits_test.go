package server

import (
	"fmt"
	"log/slog"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"gatehouse/config"
	"gatehouse/internal/ratelimit"
)

// A slow client must not hold a connection for as long as it likes, and a
// header must not be as long as it likes (ASVS 5.0, 15.2.2).
func TestAConnectionIsBoundedInTimeAndSize(t *testing.T) {
	r := &Rooms{Logger: slog.New(slog.DiscardHandler)}
	s := r.httpServer(nil)
	for name, c := range map[string]struct{ got, want time.Duration }{
		"header": {s.ReadHeaderTimeout, 10 * time.Second}, "body": {s.ReadTimeout, 30 * time.Second}, "idle": {s.IdleTimeout, 120 * time.Second},
	} {
		if c.got != c.want {
			t.Errorf("%s: %s, want %s", name, c.got, c.want)
		}
	}
	if s.WriteTimeout <= 0 || s.MaxHeaderBytes != 32<<10 || stopTimeout > 10*time.Second {
		t.Errorf("writing %s, header %d bytes, stop %s", s.WriteTimeout, s.MaxHeaderBytes, stopTimeout)
	}
}

// The inbox hands out every code, so that one address that is not of this
// machine is enough to close it.
func TestTheInboxIsThereOnLoopbackAlone(t *testing.T) {
	for _, c := range []struct {
		app, listen, smtp string
		want              bool
	}{
		{"http://localhost:5000", "127.0.0.1:5000", "", true}, {"http://localhost:5000", "[::1]:5000", "", true},
		{"http://localhost:5000", "0.0.0.0:5000", "", false}, {"http://localhost:5000", ":5000", "", false},
		{"http://localhost:5000", "192.0.2.1:5000", "", false}, {"https://id.example.com", "127.0.0.1:5000", "", false},
		{"http://localhost.example.com:5000", "127.0.0.1:5000", "", false}, {"http://localhost:5000", "127.0.0.1:5000", "smtp://a.example", false},
	} {
		r := &Rooms{Config: config.Config{AppURL: c.app, ListenAddr: c.listen, SMTPURL: config.Secret(c.smtp)}}
		if got := r.devInbox(); got != c.want {
			t.Errorf("%+v: the inbox is there: %v", c, got)
		}
	}
}

// TestTheTableOfLimitsIsTheOneInTheDocumentation keeps three things the same:
// the table of the program, the settings, and what an operator reads.
func TestTheTableOfLimitsIsTheOneInTheDocumentation(t *testing.T) {
	settings, left := map[string]string{}, map[string]bool{}
	for f := range reflect.TypeFor[config.Config]().Fields() {
		if name := f.Tag.Get("env"); strings.HasPrefix(name, "LIMIT_") {
			settings[name], left[name] = f.Tag.Get("envDefault"), true
		}
	}
	doc, err := os.ReadFile("../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range ratelimit.Table {
		place := "memory"
		if row.Shared {
			place = "database"
		}
		line := fmt.Sprintf("| `%s` | %s | %s | `%s` | %s | %s |", row.Name, row.What, row.Key, row.Setting, settings[row.Setting], place)
		if !strings.Contains(string(doc), line+"\n") {
			t.Errorf("docs/operations.md lacks this line:\n%s", line)
		}
		if settings[row.Setting] == "" {
			t.Errorf("there is no setting %s", row.Setting)
		}
		delete(left, row.Setting)
	}
	for name := range left {
		t.Errorf("%s is in no row of the table", name)
	}
}

func TestEveryRowOfTheTableHasTheRuleOfItsSetting(t *testing.T) {
	c := config.Config{LimitWrites: config.Limit{N: 7, Per: time.Minute}}
	for _, row := range ratelimit.Table {
		_, isRule := c.Limit(row.Setting)
		if isNumber := row.Name == ratelimit.Tries || row.Name == ratelimit.Streams || row.Name == ratelimit.Instances; isRule == isNumber {
			t.Errorf("%s: its setting is a rule: %v", row.Name, isRule)
		}
	}
	l := limits(c, time.Now)
	if got := l.Rule(ratelimit.Writes); got != (ratelimit.Rule{N: 7, Per: time.Minute}) {
		t.Errorf("the rule of writes is %v", got)
	}
	if !l.Rule(ratelimit.Login).Off() {
		t.Error("a limit that was switched off is on")
	}
}
