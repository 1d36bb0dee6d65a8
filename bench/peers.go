package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// peer is somebody else's product with one user in it, doing what we do. Each
// has a bare route /hello and a guarded route /auth.
type peer struct {
	name  string
	start func() (*proc, error)
	path  string // of the sign-in
	body  string
	hash  string // how it keeps passwords
}

// errMissing is a peer that this machine has no programs for.
var errMissing = errors.New("left out")

func (b *bench) peers() []peer {
	credentials := func(name string, more ...string) string {
		user := "bench"
		if len(more) > 0 {
			user = benchEmail
		}
		return fmt.Sprintf(`{%q:%q,"password":%q}`, name, user, benchPassword)
	}
	return []peer{
		{"gin-jwt v2", func() (*proc, error) { return anchor("ginjwt") }, "/login", credentials("username"), "bcrypt 10"},
		{"PocketBase", func() (*proc, error) { return b.startPocketBase("pb-peer") }, "/api/collections/users/auth-with-password", credentials("identity", "email"), "bcrypt 10"},
		{"better-auth", b.startBetterAuth, "/api/auth/sign-in/email", credentials("email", "email"), "scrypt"},
		{"Flask and PyJWT", b.startFlask, "/login", credentials("username"), "bcrypt 10"},
	}
}

// measurePeers: the guarded route and the sign-in of every peer, beside ours.
func measurePeers(b *bench) error {
	hello, err := anchor("hello")
	if err != nil {
		return err
	}
	defer hello.stop()
	gh, err := b.fresh("peers")
	if err != nil {
		return err
	}
	defer gh.stop()
	for _, p := range b.peers() {
		err := b.measurePeer(p, hello, gh)
		if errors.Is(err, errMissing) {
			fmt.Fprintf(os.Stderr, "  %s: %v\n", p.name, err)
			continue
		}
		if err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	return nil
}

func (b *bench) measurePeer(p peer, hello, gh *proc) error {
	theirs, err := p.start()
	if err != nil {
		return err
	}
	defer theirs.stop()
	proof, err := p.proof(theirs)
	if err != nil {
		return err
	}
	rate, _, last, err := b.against(b.loadOf(theirs, get(theirs, "/auth", proof)), b.loadOf(hello, get(hello, "/hello")))
	if err != nil {
		return err
	}
	goal, ok := seen()
	b.add(newRow("peer "+p.name+": its guarded route / Gin hello, throughput", rate,
		fmt.Sprintf("%.0f/s, against %.0f/s", last[0].perSecond, last[1].perSecond), goal, ok))
	ours := post(gh, "/api/v1/login", fmt.Sprintf(`{"username":%q,"password":%q}`, benchEmail, benchPassword))
	signIns := func(q *proc, r request) func() (sample, error) {
		return func() (sample, error) { return load(q.Addr, q.pid(), 4, b.d, r) }
	}
	_, cpu, last, err := b.against(signIns(theirs, post(theirs, p.path, p.body)), signIns(gh, ours))
	if err != nil {
		return err
	}
	if p.hash == "bcrypt 10" {
		goal, ok = atLeast(2)
	}
	b.add(newRow("peer "+p.name+" ("+p.hash+"): CPU of its sign-in / ours", cpu, figures(last), goal, ok))
	return nil
}

// proof signs in once and returns the header that opens the guarded route: a
// token, or a cookie for better-auth.
func (p peer) proof(s *proc) (string, error) {
	req, err := http.NewRequest(http.MethodPost, s.URL+p.path, strings.NewReader(p.body))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	for _, c := range res.Cookies() {
		return "Cookie: " + c.Name + "=" + c.Value, nil
	}
	var t tokenAnswer
	if err := json.NewDecoder(res.Body).Decode(&t); err != nil || t.Token == "" {
		return "", fmt.Errorf("sign-in answered %d without a token", res.StatusCode)
	}
	return "Authorization: Bearer " + t.Token, nil
}

// startPocketBase runs it on a folder of that name, so that a measurement of
// its memory does not find what another one left there.
func (b *bench) startPocketBase(data string) (*proc, error) {
	binary := filepath.Join(b.tmp, "pocketbase")
	if _, err := os.Stat(binary); err != nil {
		cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", binary, "./peers/pocketbase")
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("%w: %s", err, out)
		}
	}
	return start("/hello", func(port int) *exec.Cmd {
		return exec.Command(binary, "serve", fmt.Sprintf("--http=127.0.0.1:%d", port), "--dir", filepath.Join(b.tmp, data))
	})
}

// startBetterAuth installs its packages once, which compiles SQLite.
func (b *bench) startBetterAuth() (*proc, error) {
	const dir = "peers/betterauth"
	for _, program := range []string{"node", "npm"} {
		if _, err := exec.LookPath(program); err != nil {
			return nil, fmt.Errorf("%w: there is no %s", errMissing, program)
		}
	}
	if _, err := os.Stat(dir + "/node_modules/better-sqlite3/build"); err != nil {
		for _, args := range [][]string{{"install", "--no-audit", "--no-fund"}, {"rebuild", "better-sqlite3"}} {
			cmd := exec.Command("npm", args...)
			cmd.Dir = dir
			if out, err := cmd.CombinedOutput(); err != nil {
				return nil, fmt.Errorf("%w: npm: %s", errMissing, out)
			}
		}
	}
	return start("/hello", func(port int) *exec.Cmd {
		cmd := exec.Command("node", "server.js", fmt.Sprint(port), filepath.Join(b.tmp, "betterauth.db"))
		cmd.Dir = dir
		cmd.Env = append(cleanEnv(), "NODE_ENV=production")
		return cmd
	})
}

// startFlask runs Debian's python3-flask and python3-jwt under gunicorn, one
// worker a processor.
func (b *bench) startFlask() (*proc, error) {
	if _, err := exec.LookPath("gunicorn"); err != nil {
		return nil, fmt.Errorf("%w: there is no gunicorn (Debian: python3-flask python3-jwt gunicorn)", errMissing)
	}
	if err := exec.Command("/usr/bin/python3", "-c", "import flask, jwt, crypt").Run(); err != nil {
		return nil, fmt.Errorf("%w: Python lacks flask, jwt or crypt (Debian: python3-flask python3-jwt)", errMissing)
	}
	return start("/hello", func(port int) *exec.Cmd {
		cmd := exec.Command("gunicorn", "--workers", "2", "--keep-alive", "60", "--threads", "16", "--bind", fmt.Sprintf("127.0.0.1:%d", port), "app:app")
		cmd.Dir = "peers/flask"
		cmd.Env = append(cleanEnv(), "PYTHONDONTWRITEBYTECODE=1")
		return cmd
	})
}
