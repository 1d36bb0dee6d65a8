package proofs

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"gatehouse/verify"
)

// child is a service in a process of its own, which can be stopped.
type child struct {
	cmd *exec.Cmd
	url string
}

// envService tells this test binary to be a service: it holds verify.Options.
const envService = "GATEHOUSE_PROOF_SERVICE"

// serveAsService answers 200 to a good token, as a service behind verify does.
func serveAsService() int {
	var o verify.Options
	if err := json.Unmarshal([]byte(os.Getenv(envService)), &o); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	v, err := verify.New(o)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer v.Close()
	return listenAsService(v)
}

func (f *fleet) startChild(n *node, bound time.Duration) *child {
	f.t.Helper()
	options, err := json.Marshal(map[string]any{
		"Issuer": f.url, "JWKSURL": n.url() + "/.well-known/jwks.json", "FeedURL": n.url() + "/api/v1/revocations",
		"Service": f.secret(), "Bound": bound,
	})
	if err != nil {
		f.t.Fatal(err)
	}
	c := &child{cmd: exec.Command(os.Args[0])}
	c.cmd.Env = []string{envService + "=" + string(options)}
	c.cmd.Stderr = os.Stderr
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		f.t.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() {
		_ = c.cmd.Process.Signal(syscall.SIGCONT)
		_ = c.cmd.Process.Kill()
		_ = c.cmd.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		f.t.Fatal(err)
	}
	c.url = strings.TrimSpace(line)
	return c
}

// try asks the child about a token.
func (c *child) try(ctx context.Context, token string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := web.Do(req)
	if err != nil {
		return err
	}
	res.Body.Close()
	switch res.StatusCode {
	case http.StatusOK:
		return errAccepted
	case http.StatusUnauthorized:
		return nil
	}
	return fmt.Errorf("the service answers %d", res.StatusCode)
}

// listenAsService prints its address and serves until it is killed.
func listenAsService(v *verify.Verifier) int {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Printf("http://%s\n", l.Addr())
	err = http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, err := v.Request(r)
		status := http.StatusOK
		if e, ok := err.(*verify.Error); ok {
			status = e.Status()
		} else if err != nil {
			status = http.StatusInternalServerError
		}
		w.WriteHeader(status)
	}))
	fmt.Fprintln(os.Stderr, err)
	return 1
}
