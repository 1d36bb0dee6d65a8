package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
)

const conns = 16

// tokenAnswer is the part of a token answer that the benchmark uses.
type tokenAnswer struct {
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
	Token   string `json:"token"` // what the peers call their access token
}

func signIn(p *proc, path, userField, user string) (tokenAnswer, error) {
	var t tokenAnswer
	body := fmt.Sprintf(`{%q:%q,"password":%q}`, userField, user, benchPassword)
	status, answer, err := call(http.MethodPost, "http://"+p.Addr+path, body)
	if err != nil {
		return t, err
	}
	if status != http.StatusOK {
		return t, fmt.Errorf("sign-in answered %d: %s", status, answer)
	}
	if err := json.Unmarshal(answer, &t); err != nil {
		return t, err
	}
	return t, nil
}

// measureChecks: /auth with a token seen before, against a bare Gin route.
func measureChecks(b *bench) error {
	hello, err := anchor("hello")
	if err != nil {
		return err
	}
	defer hello.stop()
	gh, err := b.fresh("check")
	if err != nil {
		return err
	}
	defer gh.stop()
	ours, err := signIn(gh, "/api/v1/login", "username", benchEmail)
	if err != nil {
		return err
	}
	bare := b.loadOf(hello, get(hello, "/hello"))
	rate, cpu, last, err := b.against(b.loadOf(gh, get(gh, "/auth", "Authorization: Bearer "+ours.Access)), bare)
	if err != nil {
		return err
	}
	goal, ok := atLeast(0.80)
	b.add(newRow("/auth with a token seen before / Gin hello, throughput", rate, figures(last), goal, ok))
	goal, ok = seen()
	b.add(newRow("the same, CPU a request", cpu, "", goal, ok))
	return nil
}

func (b *bench) loadOf(p *proc, r request) func() (sample, error) {
	return func() (sample, error) { return load(p.Addr, p.pid(), conns, b.d, r) }
}

// measurePages: documents held ready, and the login page.
func measurePages(b *bench) error {
	hello, err := anchor("hello")
	if err != nil {
		return err
	}
	defer hello.stop()
	gh, err := b.fresh("pages")
	if err != nil {
		return err
	}
	defer gh.stop()
	cookie, err := sessionCookie(gh)
	if err != nil {
		return err
	}
	for _, page := range []struct {
		what, path string
		headers    []string
		goal       float64
	}{
		{"JWKS / Gin hello, throughput", "/.well-known/jwks.json", nil, 0.90},
		{"discovery / Gin hello, throughput", "/.well-known/openid-configuration", nil, 0.90},
		{"login page with a session cookie / Gin hello, throughput", "/login", []string{"Cookie: " + cookie}, 0.55},
	} {
		rate, _, last, err := b.against(b.loadOf(gh, get(gh, page.path, page.headers...)), b.loadOf(hello, get(hello, "/hello")))
		if err != nil {
			return fmt.Errorf("%s: %w", page.path, err)
		}
		goal, ok := atLeast(page.goal)
		b.add(newRow(page.what, rate, figures(last), goal, ok))
	}
	return nil
}

// sessionCookie makes an anonymous session that stays, as a visitor has it who
// signed up and is to type the code: the login page then costs a read of a
// living row.
func sessionCookie(p *proc) (string, error) {
	return browse(p, "/register", url.Values{
		"email": {"visitor@example.com"}, "username": {"visitor"}, "password": {benchPassword},
	})
}

// signedInCookie is the cookie of a browser that signed in.
func signedInCookie(p *proc) (string, error) {
	return browse(p, "/login", url.Values{"username": {benchEmail}, "password": {benchPassword}})
}

func browse(p *proc, path string, form url.Values) (string, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return "", err
	}
	c := &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := c.PostForm(p.URL+path, form)
	if err != nil {
		return "", err
	}
	res.Body.Close()
	base, err := url.Parse(p.URL)
	if err != nil {
		return "", err
	}
	for _, k := range jar.Cookies(base) {
		if k.Name == "gatehouse" {
			return k.Name + "=" + k.Value, nil
		}
	}
	return "", errors.New("no session cookie was set")
}

// measureSignIn: the whole sign-in against the bare hash.
func measureSignIn(b *bench) error {
	gh, err := b.fresh("hash")
	if err != nil {
		return err
	}
	defer gh.stop()
	body := fmt.Sprintf(`{"username":%q,"password":%q}`, benchEmail, benchPassword)
	rate, cpu, last, err := b.against(
		func() (sample, error) {
			return load(gh.Addr, gh.pid(), 4, b.d, post(gh, "/api/v1/login", body))
		},
		func() (sample, error) { return bareHashes(2, b.d), nil })
	if err != nil {
		return err
	}
	goal, ok := atMost(1.05)
	b.add(newRow("sign-in, CPU / bare argon2id hash", cpu, figures(last), goal, ok))
	goal, ok = atLeast(0.95)
	b.add(newRow("sign-ins per second / bare hashes per second", rate, "", goal, ok))
	return nil
}

// measureRefresh: rotation of many families against raw one-row commits.
func measureRefresh(b *bench) error {
	gh, err := b.fresh("refresh", "REFRESH_RETRY_WINDOW=1s")
	if err != nil {
		return err
	}
	defer gh.stop()
	ring, err := families(gh, familyCount)
	if err != nil {
		return err
	}
	path := filepath.Join(b.tmp, "raw.db")
	defer os.Remove(path)
	rate, _, last, err := b.against(
		func() (sample, error) { return ring.load(gh, b.d) },
		func() (sample, error) { return rawCommits(path, b.d) })
	if err != nil {
		return err
	}
	goal, ok := atLeast(1.0)
	b.add(newRow("refresh with rotation / raw one-row commits, SQLite synchronous=FULL", rate, figures(last), goal, ok))
	return nil
}
