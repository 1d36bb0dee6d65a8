package proofs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"slices"
	"testing"
	"time"

	"gatehouse/accounts"
	"gatehouse/internal/testkit"
	"gatehouse/tokens"
)

// perAccount keeps one name below its free tries and its mails of a day.
const perAccount = 9

// TestNoAnswerTellsByItsTimeWhoHasAnAccount asks about a name with an account
// and about one without, in turns whose order changes. The figure is the
// probability that the answer about the taken one is the slower: 0.5 tells
// nothing (rule 14).
func TestNoAnswerTellsByItsTimeWhoHasAnAccount(t *testing.T) {
	at := "sqlite:" + t.TempDir() + "/equal.db"
	f := planFleet(t, append(limitsOff(t), "EMAIL_CODE_LOGIN=on"), at)
	f.command("four plain words here\n", "user", "add", person, "--password-stdin")
	f.nodes[0].launch()
	f.openRooms(f.nodes[0], at)
	f.nodes[0].ready()
	pairs := testkit.Sized(9, 400)
	for _, c := range []struct {
		name, path string
		want       int
		body       func(address string) map[string]string
	}{
		{"sign-in", "/api/v1/login", 401, func(a string) map[string]string {
			return map[string]string{"username": a, "password": "a wrong one that is long"}
		}},
		{"forgotten password", "/api/v1/password/forgot", 202, func(a string) map[string]string { return map[string]string{"email": a} }},
		{"sign-up", "/api/v1/register", 202, func(a string) map[string]string {
			return map[string]string{"email": a, "password": "four other words there"}
		}},
		{"mailed code", "/api/v1/login/emailcode/begin", 202, func(a string) map[string]string { return map[string]string{"username": a} }},
		{"passkey begin", "/api/v1/login/passkey/begin", 200, func(a string) map[string]string { return map[string]string{"username": a} }},
		{"verify", "/api/v1/verify", 422, f.signUp},
	} {
		t.Run(c.name, func(t *testing.T) {
			f.people(c.name, (pairs+perAccount-1)/perAccount)
			taken, free := make([]time.Duration, 0, pairs), make([]time.Duration, 0, pairs)
			for i := range pairs {
				for j := range 2 {
					kind, list := "taken", &taken
					if (i+j)%2 == 1 {
						kind, list = "free", &free
					}
					took, status, answer := f.timed(t, c.path, c.body(address(c.name, kind, i/perAccount)))
					if status != c.want {
						t.Fatalf("%s: %d %s", kind, status, answer)
					}
					*list = append(*list, took)
				}
			}
			p := slower(taken, free)
			if testkit.Proving() && (p < 0.40 || p > 0.60) {
				t.Errorf("a taken name is the slower one with a probability of %.3f", p)
			}
			testkit.Found(t, testkit.Finding{Proof: "Q", Case: c.name,
				Tried: fmt.Sprintf("%d pairs in turns, medians %s and %s", pairs, middle(taken), middle(free)),
				Found: fmt.Sprintf("a taken name is the slower one with a probability of %.3f", p)})
		})
	}
}

// limitsOff switches off every limit that is a rate, which loopback allows.
func limitsOff(t *testing.T) (list []string) {
	t.Helper()
	b, err := os.ReadFile("../../.env.example")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`(?m)^# (LIMIT_\w+)=\d+/`).FindAllStringSubmatch(string(b), -1) {
		list = append(list, m[1]+"=off")
	}
	return list
}

func address(call, kind string, i int) string {
	return fmt.Sprintf("%s.%s%d@harbour.example", regexp.MustCompile(`\W`).ReplaceAllString(call, "-"), kind, i)
}

// people makes the accounts of one call.
func (f *fleet) people(call string, n int) {
	f.t.Helper()
	for i := range n {
		if _, err := f.rooms.Accounts.CreateUser(f.t.Context(), accounts.NewUser{
			Email: address(call, "taken", i), Password: "four plain words here", Roles: []string{"user"}, Verified: true,
		}, tokens.Client{}); err != nil {
			f.t.Fatal(err)
		}
	}
}

// signUp begins a sign-up with the address, and is the body of a wrong code for
// it.
func (f *fleet) signUp(address string) map[string]string {
	_, status, answer := f.timed(f.t, "/api/v1/register", map[string]string{"email": address, "password": "four other words there"})
	var begun struct{ Attempt string }
	if err := json.Unmarshal(answer, &begun); err != nil || status != http.StatusAccepted {
		f.t.Fatalf("a sign-up: %d %s %v", status, answer, err)
	}
	return map[string]string{"attempt": begun.Attempt, "code": "000000"}
}

func (f *fleet) timed(t *testing.T, path string, body map[string]string) (time.Duration, int, []byte) {
	t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, f.nodes[0].url()+path, bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	req.Host = f.host
	req.Header.Set("Content-Type", "application/json")
	begun := time.Now()
	res, err := web.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	took := time.Since(begun)
	if err != nil {
		t.Fatal(err)
	}
	return took, res.StatusCode, answer
}

func middle(list []time.Duration) time.Duration {
	return slices.Sorted(slices.Values(list))[len(list)/2].Round(time.Microsecond)
}

// slower is the share of pairs (every one of the first against every one of
// the second, as Mann and Whitney count) in which the first took longer.
func slower(a, b []time.Duration) float64 {
	longer := 0.0
	for _, x := range a {
		for _, y := range b {
			switch {
			case x > y:
				longer++
			case x == y:
				longer += 0.5
			}
		}
	}
	return longer / float64(len(a)*len(b))
}
