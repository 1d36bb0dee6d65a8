package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// proc is a server that the benchmark started.
type proc struct {
	cmd  *exec.Cmd
	Addr string // host:port on loopback
	URL  string
	log  *bytes.Buffer
	took time.Duration // from exec to the first answer
}

// pid is the process whose CPU and memory are read.
func (p *proc) pid() int { return p.cmd.Process.Pid }

// host is what browsers and programs write into the Host header.
func (p *proc) host() string { return strings.TrimPrefix(p.URL, "http://") }

// stop ends exactly the process that start began, and waits for it.
func (p *proc) stop() {
	if p == nil || p.cmd.Process == nil {
		return
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	done := make(chan struct{})
	go func() { _ = p.cmd.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(15 * time.Second):
		_ = p.cmd.Process.Kill()
		<-done
	}
}

// freePort asks the system for a port that nobody listens on.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// start runs a server and waits until path answers 200. makeCmd gets the port.
func start(path string, makeCmd func(port int) *exec.Cmd) (*proc, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	cmd := makeCmd(port)
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	begin := time.Now()
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &proc{cmd: cmd, Addr: fmt.Sprintf("127.0.0.1:%d", port), URL: fmt.Sprintf("http://localhost:%d", port), log: &log}
	for time.Since(begin) < 60*time.Second {
		res, err := http.Get("http://" + p.Addr + path)
		if err == nil {
			_, _ = io.Copy(io.Discard, res.Body)
			res.Body.Close()
			if res.StatusCode == http.StatusOK {
				p.took = time.Since(begin)
				return p, nil
			}
		}
		time.Sleep(2 * time.Millisecond)
	}
	p.stop()
	return nil, fmt.Errorf("%s did not answer within 60 s:\n%s", cmd.Path, log.String())
}

// gatehouse is the built product and a folder for its data.
type gatehouse struct{ binary, dir string }

// buildGatehouse builds the product as it is shipped, but for more flags of go
// build.
func buildGatehouse(tmp, name string, flags ...string) (gatehouse, error) {
	g := gatehouse{binary: filepath.Join(tmp, name), dir: filepath.Join(tmp, "data")}
	args := append([]string{"build", "-trimpath", "-tags", "nomsgpack", "-ldflags", "-s -w"}, flags...)
	cmd := exec.Command("go", append(args, "-o", g.binary, ".")...)
	cmd.Dir = ".."
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return g, errors.New(string(out))
	}
	return g, nil
}

// serve starts the product with its own data folder and some settings.
func (g gatehouse) serve(data string, env ...string) (*proc, error) {
	return start("/healthz", func(port int) *exec.Cmd {
		cmd := exec.Command(g.binary)
		cmd.Dir = filepath.Dir(g.binary)
		cmd.Env = append(cleanEnv(), append([]string{
			fmt.Sprintf("LISTEN_ADDR=127.0.0.1:%d", port), "DATA_DIR=" + data, "LOG_LEVEL=warn",
			"LIMIT_LOGIN_PER_NETWORK=off", "LIMIT_SIGNUP_PER_NETWORK=off", "LIMIT_STRANGERS_PER_NETWORK=off",
			"LIMIT_WRITES_PER_ACCOUNT=off", "LIMIT_REFRESH_PER_SESSION=off", "PROOF_OF_WORK=off",
		}, env...)...)
		return cmd
	})
}

// run calls a command of the product.
func (g gatehouse) run(stdin, data string, env []string, args ...string) (string, error) {
	cmd := exec.Command(g.binary, args...)
	cmd.Dir = filepath.Dir(g.binary)
	cmd.Stdin = bytes.NewBufferString(stdin)
	cmd.Env = append(cleanEnv(), append([]string{"DATA_DIR=" + data}, env...)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%v: %w: %s", args, err, out)
	}
	return string(out), nil
}

func cleanEnv() []string { return []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")} }

// anchor starts this program again as one of the anchors of anchors.go.
func anchor(name string, env ...string) (*proc, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return start("/hello", func(port int) *exec.Cmd {
		cmd := exec.Command(self, "anchor", name, fmt.Sprint(port))
		cmd.Env = append(os.Environ(), env...)
		return cmd
	})
}
