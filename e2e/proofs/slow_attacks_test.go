package proofs

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/internal/testkit"
)

// raw opens a connection that is closed with ctx.
func raw(ctx context.Context, n *node) (net.Conn, error) {
	c, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", n.port))
	if err == nil {
		context.AfterFunc(ctx, func() { c.Close() })
	}
	return c, err
}

// idle opens connections, uses each once, and keeps them.
func idle(ctx context.Context, t *testing.T, n *node) (string, int) {
	open := 0
	for range testkit.Sized(500, 10000) {
		c, err := raw(ctx, n)
		if err != nil {
			break
		}
		fmt.Fprintf(c, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
		if _, err := bufio.NewReaderSize(c, 512).ReadString('\n'); err != nil {
			break
		}
		open++
	}
	<-ctx.Done()
	if want := testkit.Sized(500, 10000); open < want {
		t.Errorf("%d of %d connections could be opened", open, want)
	}
	return fmt.Sprintf("%d connections that are kept open and say nothing", open), open
}

// endlessBodies sends a gigabyte in chunks, and counts what the server took.
func endlessBodies(ctx context.Context, _ *testing.T, n *node) (string, int) {
	const clients = 8
	var taken, most atomic.Int64
	rounds := crowd(ctx, clients, func(ctx context.Context) error {
		c, err := raw(ctx, n)
		if err != nil {
			return err
		}
		defer c.Close()
		fmt.Fprintf(c, "POST /api/v1/login HTTP/1.1\r\nHost: localhost:%d\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n", n.port)
		chunk := []byte("8000\r\n" + strings.Repeat(" ", 0x8000) + "\r\n")
		var sent int64
		for sent < 1<<30 {
			k, err := c.Write(chunk)
			sent += int64(k)
			if err != nil {
				break
			}
		}
		taken.Add(sent)
		most.Store(max(most.Load(), sent))
		return nil
	})
	return fmt.Sprintf("%d bodies of 1 GB in chunks; the server and its sockets took at most %d KB of one", rounds, most.Load()>>10), clients
}

// manyKeys sends JSON objects of a hundred thousand keys, and the longest that
// are let in at all.
func manyKeys(ctx context.Context, t *testing.T, n *node) (string, int) {
	object := func(keys int) string {
		var b strings.Builder
		b.WriteByte('{')
		for i := range keys {
			fmt.Fprintf(&b, `"k%d":0,`, i)
		}
		return strings.TrimSuffix(b.String(), ",") + "}"
	}
	bodies := []struct {
		text string
		want int
	}{{object(100_000), http.StatusRequestEntityTooLarge}, {object(6_000), http.StatusBadRequest}}
	const clients = 4
	var turn atomic.Int64
	rounds := crowd(ctx, clients, func(ctx context.Context) error {
		body := bodies[turn.Add(1)%int64(len(bodies))] // in turns, so that both are measured
		c, err := raw(ctx, n)
		if err != nil {
			return err
		}
		defer c.Close()
		go func() {
			stepBack()
			fmt.Fprintf(c, "POST /api/v1/login HTTP/1.1\r\nHost: localhost:%d\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", n.port, len(body.text))
			_, _ = io.WriteString(c, body.text)
		}()
		line, err := bufio.NewReader(c).ReadString('\n')
		if err == nil && !strings.Contains(line, fmt.Sprint(body.want)) {
			t.Errorf("%d bytes of keys: %s, want %d", len(body.text), line, body.want)
		}
		return err
	})
	return fmt.Sprintf("%d objects of 100,000 and of 6,000 keys", rounds), clients
}

// manyHeaders sends more headers, and longer ones, than are read.
func manyHeaders(ctx context.Context, t *testing.T, n *node) (string, int) {
	floods := []string{
		strings.Repeat("X-A: b\r\n", 20_000),
		"X-A: " + strings.Repeat("b", 1<<20) + "\r\n",
		strings.Repeat("Cookie: gatehouse="+strings.Repeat("a", 200)+"\r\n", 1000),
		strings.Repeat("b", 1<<20),
	}
	const clients = 8
	var turn atomic.Int64
	rounds := crowd(ctx, clients, func(ctx context.Context) error {
		c, err := raw(ctx, n)
		if err != nil {
			return err
		}
		defer c.Close()
		go func() {
			stepBack()
			_, _ = io.WriteString(c, "GET /login HTTP/1.1\r\nHost: x\r\n"+floods[turn.Add(1)%int64(len(floods))]+"\r\n\r\n")
		}()
		line, err := bufio.NewReader(c).ReadString('\n')
		if err == nil && !strings.Contains(line, " 431 ") && !strings.Contains(line, " 400 ") {
			t.Errorf("a flood of headers: %s", line)
		}
		return err
	})
	return fmt.Sprintf("%d requests with up to 20,000 headers or 1 MB in one", rounds), clients
}
