package proofs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"gorm.io/gorm"

	"gatehouse/config"
	"gatehouse/internal/testkit"
	"gatehouse/models"
	"gatehouse/server"
	"gatehouse/tokens"
	"gatehouse/verify"
)

// fleet is the product on some nodes with one database, one person in it, and
// services that follow.
type fleet struct {
	t     *testing.T
	url   string // APP_URL
	host  string
	nodes []*node
	// rooms are the product's own rooms in this process, as a command of the
	// command line has them. They only make sessions and sign tokens, so that
	// not every session of thousands costs the hash of a password.
	rooms   *server.Rooms
	subject tokens.Subject
	owner   session // ends the others
	names   int     // of services
	extra   []string
}

// session is one session of the person with an access token of it.
type session struct {
	id    string
	token string
}

const (
	secretKey = "5a0c9be2f17d4386a5b4c3d2e1f00918273645546372819aabbccddeeff01234"
	person    = "mara@harbour.example"
)

// newFleet starts one node for each URL of the database, with one person in it.
func newFleet(t *testing.T, databases ...string) *fleet {
	t.Helper()
	return newFleetWith(t, nil, databases...)
}

// newFleetWith is newFleet with settings of its own.
func newFleetWith(t *testing.T, extra []string, databases ...string) *fleet {
	t.Helper()
	f := planFleet(t, extra, databases...)
	first := f.nodes[0]
	f.command("four plain words here\n", "user", "add", person, "--password-stdin")
	for _, n := range f.nodes {
		n.launch()
	}
	f.openRooms(first, databases[0])
	for _, n := range f.nodes {
		n.ready()
	}
	f.owner = f.mint(1)[0]
	return f
}

// planFleet is a fleet whose nodes are not started yet, with settings of its own.
func planFleet(t *testing.T, extra []string, databases ...string) *fleet {
	t.Helper()
	f := &fleet{t: t, extra: extra}
	for i, database := range databases {
		n := &node{t: t, name: fmt.Sprintf("node %d", i+1), port: freePort(t), dir: t.TempDir()}
		if i == 0 {
			f.host = fmt.Sprintf("localhost:%d", n.port)
			f.url = "http://" + f.host
		}
		n.env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + n.dir}, f.settings(n, database)...)
		f.nodes = append(f.nodes, n)
		t.Cleanup(n.stop)
	}
	return f
}

// command runs a command of the product where the first node runs.
func (f *fleet) command(input string, args ...string) {
	f.t.Helper()
	cmd := exec.Command(binary, args...)
	cmd.Dir, cmd.Env, cmd.Stdin = f.nodes[0].dir, f.nodes[0].env, strings.NewReader(input)
	if out, err := cmd.CombinedOutput(); err != nil {
		f.t.Fatalf("%v: %v: %s", args, err, out)
	}
}

// settings are the same on every node but for the address. Tokens live for an
// hour, so that none is refused because it expired.
func (f *fleet) settings(n *node, database string) []string {
	return append([]string{
		fmt.Sprintf("LISTEN_ADDR=127.0.0.1:%d", n.port), "APP_URL=" + f.url, "DATA_DIR=" + n.dir + "/data",
		"DATABASE_URL=" + database, "SECRET_KEY=" + secretKey, "ACCESS_TOKEN_TTL=1h",
		// The proofs ask more of a few people than anybody does.
		"PROOF_OF_WORK=off", "LIMIT_LOGIN_PER_NETWORK=off", "LIMIT_STRANGERS_PER_NETWORK=off", "LIMIT_WRITES_PER_ACCOUNT=off", "LIMIT_REFRESH_PER_SESSION=off",
		"LIMIT_INSTANCES_PER_SERVICE=off", "LIMIT_STREAMS_PER_SERVICE=off",
	}, f.extra...)
}

func (f *fleet) openRooms(n *node, database string) {
	f.t.Helper()
	c, err := load(f.settings(n, database))
	if err != nil {
		f.t.Fatal(err)
	}
	if f.rooms, err = server.OpenRooms(f.t.Context(), c, io.Discard); err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { f.rooms.Close() })
	var row struct {
		Subject                  models.ID
		Enabled                  bool
		Roles                    models.Words
		TokenEpoch, SessionEpoch int64
	}
	if err := f.rooms.DB.Read(f.t.Context()).Raw("SELECT subject, enabled, roles, token_epoch, session_epoch FROM admissions").Scan(&row).Error; err != nil {
		f.t.Fatal(err)
	}
	f.subject = tokens.Subject{ID: row.Subject, Enabled: row.Enabled, Roles: row.Roles, TokenEpoch: row.TokenEpoch, SessionEpoch: row.SessionEpoch}
}

// loading guards the environment while it is set for one fleet.
var loading sync.Mutex

// load reads settings as a process does whose environment they are.
func load(settings []string) (config.Config, error) {
	loading.Lock()
	defer loading.Unlock()
	for _, setting := range settings {
		name, value, _ := strings.Cut(setting, "=")
		os.Setenv(name, value)
		defer os.Unsetenv(name)
	}
	return config.Load()
}

// beside lets a proof that mostly waits run beside the others like it. The
// long form runs one after the other, because some of it is measured.
func beside(t *testing.T) {
	if !testkit.Proving() {
		t.Parallel()
	}
}

// mint makes sessions of the person and a token of each.
func (f *fleet) mint(n int) (made []session) {
	f.t.Helper()
	ctx, now := f.t.Context(), f.rooms.Clock()
	for len(made) < n {
		ids := make([]models.ID, 0, 100)
		err := f.rooms.DB.Write(ctx, func(tx *gorm.DB) error {
			ids = ids[:0]
			for range min(100, n-len(made)) {
				started, err := f.rooms.Tokens.Sessions.Start(tx, tokens.SignIn{Subject: f.subject, AuthTime: now, ACR: "aal1", AMR: []string{"pwd"}})
				if err != nil {
					return err
				}
				ids = append(ids, started.ID)
			}
			return nil
		})
		if err != nil {
			f.t.Fatal(err)
		}
		for _, id := range ids {
			signed, err := f.rooms.Tokens.Access.Prepare(tokens.Grant{
				Subject: f.subject, SessionID: id, AuthTime: now, ACR: "aal1", AMR: []string{"pwd"},
			}).Sign()
			if err != nil {
				f.t.Fatal(err)
			}
			made = append(made, session{id.String(), signed.Token.Reveal()})
		}
	}
	return made
}

// end ends a session at a node and answers when the caller knew of it.
func (f *fleet) end(ctx context.Context, n *node, s session) (at time.Time, err error) {
	status, body, err := f.ask(ctx, n, http.MethodDelete, "/api/v1/me/sessions/"+s.id, f.owner.token)
	if err == nil && status != http.StatusNoContent {
		err = fmt.Errorf("the ending was answered %d: %s", status, body)
	}
	return time.Now(), err
}

// receipt is the answer to an ending that waits for everybody.
type receipt struct {
	Revoked      int   `json:"revoked"`
	Seq          int64 `json:"seq"`
	Nodes        int   `json:"nodes"`
	Subscribers  int   `json:"subscribers"`
	Acknowledged int   `json:"acknowledged"`
	Fenced       int   `json:"fenced"`
	ElapsedMS    int64 `json:"elapsed_ms"`
	Complete     bool  `json:"complete"`

	Pending json.RawMessage `json:"pending"`
}

// endAndWait ends a session and waits for the receipt.
func (f *fleet) endAndWait(ctx context.Context, n *node, s session) (r receipt, err error) {
	status, body, err := f.ask(ctx, n, http.MethodDelete, "/api/v1/me/sessions/"+s.id+"?wait=acks&timeout=30s", f.owner.token)
	if err != nil {
		return r, err
	}
	if status != http.StatusOK {
		return r, fmt.Errorf("the ending was answered %d: %s", status, body)
	}
	return r, json.Unmarshal(body, &r)
}

// service is a follower in this process.
type service struct {
	*verify.Verifier
	name string
}

// secret is the credential of a new service.
func (f *fleet) secret() string {
	f.t.Helper()
	f.names++
	secret, err := f.rooms.Tokens.Services.Add(f.t.Context(), fmt.Sprintf("service-%d", f.names), tokens.Client{})
	if err != nil {
		f.t.Fatal(err)
	}
	return secret.Reveal()
}

// follow starts a service that reads the keys at a node and the feed at an
// address, which may be a proxy.
func (f *fleet) follow(n *node, feed string, bound time.Duration) *service {
	f.t.Helper()
	v, err := verify.New(verify.Options{
		Issuer: f.url, JWKSURL: n.url() + "/.well-known/jwks.json", FeedURL: feed + "/api/v1/revocations",
		Service: f.secret(), Bound: bound, HTTPClient: &http.Client{Transport: &http.Transport{}},
	})
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(v.Close)
	return &service{v, fmt.Sprintf("service %d at %s", f.names, n.name)}
}

// followers starts n services, spread over the nodes, and waits for them.
func (f *fleet) followers(n int, bound time.Duration) []*service {
	f.t.Helper()
	list := make([]*service, n)
	for i := range list {
		at := f.nodes[i%len(f.nodes)]
		list[i] = f.follow(at, at.url(), bound)
	}
	for _, s := range list {
		until(f.t, 30*time.Second, s.Ready)
	}
	return list
}

// refuses is nil when the service refuses the token because it is over.
func (s *service) refuses(ctx context.Context, token string) error {
	_, err := s.Verify(ctx, token)
	switch {
	case err == nil:
		return errAccepted
	case errors.Is(err, verify.ErrRevoked):
		return nil
	}
	return err
}
