package proofs

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"gatehouse/internal/testkit"
)

// hidden is the request that an attacker puts where another reader sees a body.
const hidden = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"

// ambiguous are requests that two programs may end at different places (RFC
// 9112, sections 6.1, 6.3 and 11.2). H stands for the host.
var ambiguous = map[string]string{
	"length and chunks":           "POST /login HTTP/1.1\r\nHost: H\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden,
	"chunks and length":           "POST /login HTTP/1.1\r\nHost: H\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n" + hidden,
	"chunks alone, then more":     "POST /login HTTP/1.1\r\nHost: H\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden,
	"two lengths":                 "POST /login HTTP/1.1\r\nHost: H\r\nContent-Length: 0\r\nContent-Length: 41\r\n\r\n" + hidden,
	"a list of lengths":           "POST /login HTTP/1.1\r\nHost: H\r\nContent-Length: 0, 41\r\n\r\n" + hidden,
	"a signed length":             "POST /login HTTP/1.1\r\nHost: H\r\nContent-Length: +0\r\n\r\n" + hidden,
	"a length below nothing":      "POST /login HTTP/1.1\r\nHost: H\r\nContent-Length: -1\r\n\r\n" + hidden,
	"a length in hex":             "POST /login HTTP/1.1\r\nHost: H\r\nContent-Length: 0x0\r\n\r\n" + hidden,
	"a length that overflows":     "POST /login HTTP/1.1\r\nHost: H\r\nContent-Length: 18446744073709551616\r\n\r\n" + hidden,
	"a space before the colon":    "POST /login HTTP/1.1\r\nHost: H\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + hidden,
	"a coding nobody knows":       "POST /login HTTP/1.1\r\nHost: H\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + hidden,
	"chunked twice":               "POST /login HTTP/1.1\r\nHost: H\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n" + hidden,
	"two codings":                 "POST /login HTTP/1.1\r\nHost: H\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n" + hidden,
	"chunked is not last":         "POST /login HTTP/1.1\r\nHost: H\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" + hidden,
	"two lines of codings":        "POST /login HTTP/1.1\r\nHost: H\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n" + hidden,
	"a vertical tab":              "POST /login HTTP/1.1\r\nHost: H\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n" + hidden,
	"a folded line":               "POST /login HTTP/1.1\r\nHost: H\r\nTransfer-Encoding:\r\n chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n" + hidden,
	"a chunk in hex with a sign":  "POST /login HTTP/1.1\r\nHost: H\r\nTransfer-Encoding: chunked\r\n\r\n+0\r\n\r\n" + hidden,
	"a chunk of 0x0":              "POST /login HTTP/1.1\r\nHost: H\r\nTransfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n" + hidden,
	"a chunk that overflows":      "POST /login HTTP/1.1\r\nHost: H\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000000\r\n\r\n" + hidden,
	"a chunk that ends too early": "POST /login HTTP/1.1\r\nHost: H\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcdefg\r\n0\r\n\r\n" + hidden,
	"an extension with a newline": "POST /login HTTP/1.1\r\nHost: H\r\nTransfer-Encoding: chunked\r\n\r\n0;a=\nb\r\n\r\n" + hidden,
	"a carriage return alone":     "POST /login HTTP/1.1\r\nHost: H\rContent-Length: 41\r\n\r\n" + hidden,
	"a NUL in a header":           "POST /login HTTP/1.1\r\nHost: H\r\nX: a\x00b\r\nContent-Length: 0\r\n\r\n" + hidden,
	"chunks in HTTP/1.0":          "POST /login HTTP/1.0\r\nHost: H\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden,
	"two hosts":                   "GET /login HTTP/1.1\r\nHost: H\r\nHost: evil.example\r\n\r\n" + hidden,
	"no host":                     "GET /login HTTP/1.1\r\n\r\n" + hidden,
	"no version":                  "GET /login\r\n\r\n" + hidden,
	"a line break in the path":    "GET /log\nin HTTP/1.1\r\nHost: H\r\n\r\n" + hidden,
}

// TestNoRequestHidesAnotherOne sends each over a socket. Whatever the answer
// is, there is one, and the connection is closed behind it: what stands after
// it is nobody's request.
func TestNoRequestHidesAnotherOne(t *testing.T) {
	beside(t)
	f := newFleet(t, "sqlite:"+t.TempDir()+"/framing.db")
	n := f.nodes[0]
	for name, bytes := range ambiguous {
		got := talk(t, n, strings.ReplaceAll(bytes, "Host: H", "Host: "+f.host))
		if answers := strings.Count(got, "HTTP/1."); answers > 1 || strings.Contains(got, `"alive"`) {
			t.Errorf("%s: %d answers\n%.600s", name, answers, got)
		}
	}
	// A plain pair in one go is two requests, or the above shows nothing.
	if got := talk(t, n, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"+strings.Replace(hidden, "\r\n\r\n", "\r\nConnection: close\r\n\r\n", 1)); strings.Count(got, "HTTP/1.1 200") != 2 {
		t.Errorf("two plain requests: %.400s", got)
	}
	testkit.Found(t, testkit.Finding{Proof: "S", Case: "hidden requests",
		Tried: fmt.Sprintf("%d ambiguous requests over a socket, another request behind each", len(ambiguous)), Found: "at most one answer, then the connection is closed"})
}

// TestHTTP2IsNotOffered: no stream that could be reset in a loop (CVE-2023-44487)
// is ever opened, because only HTTP/1 is spoken; a proxy in front may speak 2.
func TestHTTP2IsNotOffered(t *testing.T) {
	beside(t)
	f := newFleet(t, "sqlite:"+t.TempDir()+"/h2.db")
	n := f.nodes[0]
	preface := talk(t, n, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00")
	if !strings.HasPrefix(preface, "HTTP/1.1 ") || strings.HasPrefix(preface, "HTTP/1.1 2") {
		t.Errorf("the preface of HTTP/2 is answered %.100q", preface)
	}
	upgrade := talk(t, n, "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n\r\n")
	if !strings.HasPrefix(upgrade, "HTTP/1.1 200") {
		t.Errorf("an upgrade to h2c is answered %.100q", upgrade)
	}
	c, err := tls.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", n.port), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
	if err == nil {
		c.Close()
		t.Error("TLS is spoken")
	}
	testkit.Found(t, testkit.Finding{Proof: "S", Case: "HTTP/2",
		Tried: "its preface, an upgrade (h2c), TLS with ALPN h2", Found: "not offered, so that rapid reset has nothing to reset"})
}

// talk sends bytes and reads until the server closes or says nothing more.
func talk(t *testing.T, n *node, bytes string) string {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	c, err := raw(ctx, n)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(c, bytes); err != nil {
		t.Fatal(err)
	}
	_ = c.SetReadDeadline(time.Now().Add(1500 * time.Millisecond))
	got, _ := io.ReadAll(c)
	return string(got)
}
