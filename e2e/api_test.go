package e2e

import (
	"encoding/json"
	"net/http"
	"os"
	"sync"
	"testing"
	"time"
)

// pair is a token answer.
type pair struct {
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
}

const (
	mara         = "mara@harbour.example"
	maraPassword = "four plain words here"
)

// want calls and insists on a status; it returns the decoded answer.
func (s *server) want(status int, method, path, bearer string, body any) map[string]any {
	s.t.Helper()
	got, b := s.call(method, path, bearer, body)
	if got != status {
		s.t.Fatalf("%s %s answered %d, want %d: %s", method, path, got, status, b)
	}
	var v map[string]any
	if len(b) > 0 {
		if err := json.Unmarshal(b, &v); err != nil {
			s.t.Fatalf("%s %s: %v: %s", method, path, err, b)
		}
	}
	return v
}

// register makes an account the way a program does it.
func (s *server) register(email, password string) {
	s.t.Helper()
	v := s.want(http.StatusAccepted, "POST", "/api/v1/register", "", map[string]any{"email": email, "password": password})
	m := s.newest(email)
	if m.Purpose != "verify_email" || m.Code == "" || len(m.Links) != 1 {
		s.t.Fatalf("the mail is %+v", m)
	}
	s.want(http.StatusNoContent, "POST", "/api/v1/verify", "", map[string]any{"attempt": v["attempt"], "code": m.Code})
}

func (s *server) login(email, password string) pair {
	s.t.Helper()
	v := s.want(http.StatusOK, "POST", "/api/v1/login", "", map[string]any{"username": email, "password": password})
	return pair{v["access_token"].(string), v["refresh_token"].(string)}
}

func TestAProgramRegistersSignsInRefreshesAndSignsOut(t *testing.T) {
	eachDatabase(t, func(t *testing.T, env []string) {
		s := startServer(t, env...)
		s.register(mara, maraPassword)
		p := s.login(mara, maraPassword)
		who := s.want(http.StatusOK, "GET", "/auth", p.Access, nil)
		me := s.want(http.StatusOK, "GET", "/api/v1/me", p.Access, nil)
		if who["sub"] != me["id"] || me["email"] != mara || me["email_verified"] != true {
			t.Errorf("auth says %v, me says %v", who, me)
		}
		v := s.want(http.StatusOK, "POST", "/api/v1/token/refresh", "", map[string]any{"refresh_token": p.Refresh})
		next := pair{v["access_token"].(string), v["refresh_token"].(string)}
		// A repeated request within the window gets the same token again.
		v = s.want(http.StatusOK, "POST", "/api/v1/token/refresh", "", map[string]any{"refresh_token": p.Refresh})
		if v["refresh_token"] != next.Refresh {
			t.Error("a repeat within the window forked the family")
		}
		s.want(http.StatusNoContent, "POST", "/api/v1/logout", next.Access, map[string]any{})
		for _, old := range []string{p.Access, next.Access} {
			s.want(http.StatusUnauthorized, "GET", "/auth", old, nil)
		}
		v = s.want(http.StatusUnauthorized, "POST", "/api/v1/token/refresh", "", map[string]any{"refresh_token": next.Refresh})
		if v["error"] != "invalid_grant" {
			t.Errorf("a refresh after logout answered %v", v)
		}
	})
}

func TestTwoNodesOnOneDatabaseShareSessionsAndEndTokensWithinASecond(t *testing.T) {
	dsn := os.Getenv("GATEHOUSE_TEST_MYSQL")
	if dsn == "" {
		t.Skip("needs MariaDB: make test starts one")
	}
	a := startServer(t, mariaDB(t, dsn)...)
	b := a.startNode()
	a.register(mara, maraPassword)
	p := b.login(mara, maraPassword)
	a.want(http.StatusOK, "GET", "/auth", p.Access, nil)
	b.want(http.StatusNoContent, "POST", "/api/v1/logout", p.Access, map[string]any{})
	b.want(http.StatusUnauthorized, "GET", "/auth", p.Access, nil)
	a.eventually(5*time.Second, http.StatusUnauthorized, "GET", "/auth", p.Access)

	p = a.login(mara, maraPassword)
	if out, err := a.command("", "user", "disable", mara); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	a.eventually(5*time.Second, http.StatusUnauthorized, "GET", "/auth", p.Access)
	b.eventually(5*time.Second, http.StatusUnauthorized, "GET", "/auth", p.Access)
	v := b.want(http.StatusUnauthorized, "POST", "/api/v1/login", "", map[string]any{"username": mara, "password": maraPassword})
	if v["error"] != "invalid_credentials" {
		t.Errorf("a disabled person is told %v", v)
	}
}

func TestTwoFirstStartsOnOneMariaDBMigrateOnceAndMakeOneKey(t *testing.T) {
	dsn := os.Getenv("GATEHOUSE_TEST_MYSQL")
	if dsn == "" {
		t.Skip("needs MariaDB: make test starts one")
	}
	env := mariaDB(t, dsn)
	var wg sync.WaitGroup
	kids := make([]string, 2)
	for i := range kids {
		s := newServer(t, env...)
		t.Cleanup(s.stop)
		wg.Go(func() {
			s.start()
			_, body := s.call("GET", "/.well-known/jwks.json", "", nil)
			kids[i] = string(body)
		})
	}
	wg.Wait()
	if kids[0] == "" || kids[0] != kids[1] {
		t.Errorf("the nodes publish different keys: %s and %s", kids[0], kids[1])
	}
}

// eventually asks until the answer has the status, for at most d.
func (s *server) eventually(d time.Duration, status int, method, path, bearer string) {
	s.t.Helper()
	deadline := time.Now().Add(d)
	for {
		got, _ := s.call(method, path, bearer, nil)
		if got == status {
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("%s %s still answers %d after %s, want %d", method, path, got, d, status)
		}
		time.Sleep(20 * time.Millisecond)
	}
}
