package safehttp

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

func TestOnlyAddressesOfTheInternetAreReached(t *testing.T) {
	for text, want := range map[string]bool{
		"93.184.216.34": true, "1.1.1.1": true, "2606:4700::1111": true, "2a00:1450:4001:81b::200e": true,
		"127.0.0.1": false, "127.8.8.8": false, "10.0.0.1": false, "172.16.5.4": false, "192.168.1.1": false,
		"169.254.169.254": false, "100.64.0.1": false, "0.0.0.0": false, "0.1.2.3": false, "192.0.0.8": false,
		"192.0.2.1": false, "198.18.0.1": false, "198.51.100.1": false, "203.0.113.1": false, "224.0.0.1": false,
		"240.0.0.1": false, "255.255.255.255": false, "192.88.99.1": false,
		"::": false, "::1": false, "fe80::1": false, "fc00::1": false, "fd12::1": false, "ff02::1": false,
		"fec0::1": false, "2001:db8::1": false, "3fff::1": false, "100::1": false, "2001::1": false,
		"64:ff9b::10.0.0.1": false, "64:ff9b:1::a00:1": false, "2002:a00:1::1": false,
		"::ffff:10.0.0.1": false, "::ffff:127.0.0.1": false, "::ffff:1.1.1.1": true, "::10.0.0.1": false,
	} {
		err := New().check(t.Context(), "tcp", netip.AddrPortFrom(netip.MustParseAddr(text), 443).String(), nil)
		if (err == nil) != want {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestAnAllowedNetworkIsReachedAndNoOther(t *testing.T) {
	c := New(netip.MustParsePrefix("10.1.0.0/16"))
	for text, want := range map[string]bool{"10.1.2.3:443": true, "[::ffff:10.1.2.3]:443": true, "10.2.0.1:443": false, "127.0.0.1:443": false} {
		if err := c.check(t.Context(), "tcp", text, nil); (err == nil) != want {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestOnlyHttpsOrHttpToThisMachineWhenAllowed(t *testing.T) {
	for text, want := range map[string][2]bool{ // without and with Loopback allowed
		"https://hooks.example.com/x": {true, true}, "https://127.0.0.1/x": {true, true}, // judged when it connects
		"http://hooks.example.com/": {false, false}, "http://localhost:9/": {false, true}, "http://127.0.0.1:9/": {false, true},
		"http://[::1]:9/": {false, true}, "http://127.0.0.1.example.com/": {false, false}, "http://localhost.example.com/": {false, false},
		"ftp://localhost/": {false, false}, "file:///etc/passwd": {false, false}, "//localhost/": {false, false}, "https:localhost": {false, false},
		"http://2130706433/": {false, false}, "http://0x7f.1/": {false, false},
	} {
		u, err := url.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		for i, c := range []*Client{New(), New(Loopback...)} {
			if err := c.CheckURL(u); (err == nil) != want[i] {
				t.Errorf("%s with loopback %v: %v", text, i == 1, err)
			}
		}
	}
}

// listening is a server on this machine that counts who reaches it.
func listening(t *testing.T, h http.HandlerFunc) (base string, reached *atomic.Int32) {
	reached = new(atomic.Int32)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { reached.Add(1); h(w, r) }))
	t.Cleanup(s.Close)
	return s.URL, reached
}

func TestThisMachineIsNotReachedUnlessAllowed(t *testing.T) {
	base, reached := listening(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	for _, address := range []string{base, strings.Replace(base, "http:", "https:", 1)} {
		if _, err := New().PostJSON(t.Context(), address, "x"); !errors.Is(err, ErrScheme) && !errors.Is(err, ErrAddress) {
			t.Error(err)
		}
	}
	if reached.Load() != 0 {
		t.Error("the server was reached")
	}
	a, err := New(Loopback...).PostJSON(t.Context(), base, map[string]int{"n": 1})
	if err != nil || a.Status != http.StatusNoContent || reached.Load() != 1 {
		t.Error(a, err)
	}
}

// names answers lookups: each time with the next of the addresses.
func names(t *testing.T, addresses ...[4]byte) *net.Resolver {
	t.Helper()
	socket, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { socket.Close() })
	go func() {
		buf := make([]byte, 1500)
		for asked := 0; ; {
			n, from, err := socket.ReadFrom(buf)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(buf[:n]) != nil {
				continue
			}
			m.Response = true
			m.Additionals = nil
			if q := m.Questions[0]; q.Type == dnsmessage.TypeA {
				m.Answers = []dnsmessage.Resource{{Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, TTL: 0},
					Body: &dnsmessage.AResource{A: addresses[min(asked, len(addresses)-1)]}}}
				asked++
			}
			if out, err := m.Pack(); err == nil {
				_, _ = socket.WriteTo(out, from)
			}
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", socket.LocalAddr().String())
	}}
}

func TestANameThatLeadsElsewhereTheSecondTimeIsJudgedByWhereItLeads(t *testing.T) {
	base, reached := listening(t, func(http.ResponseWriter, *http.Request) {})
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(base, "http://"))
	c := New()
	// Somebody who looks the name up before the request sees an address of the
	// internet; the request's own lookup gets this machine.
	c.dialer.Resolver = names(t, [4]byte{93, 184, 216, 34}, [4]byte{127, 0, 0, 1})
	first, err := c.dialer.Resolver.LookupNetIP(t.Context(), "ip4", "rebind.example.com")
	if err != nil || !public(first[0].Unmap()) {
		t.Fatal(first, err)
	}
	_, err = c.PostJSON(t.Context(), "https://rebind.example.com:"+port+"/", "x")
	if !errors.Is(err, ErrAddress) || reached.Load() != 0 {
		t.Errorf("%v, reached %d times", err, reached.Load())
	}
}

func TestARedirectIsNotFollowed(t *testing.T) {
	inner, reached := listening(t, func(http.ResponseWriter, *http.Request) {})
	outer, _ := listening(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, inner, http.StatusTemporaryRedirect) })
	a, err := New(Loopback...).PostJSON(t.Context(), outer, "x")
	if err != nil || a.Status != http.StatusTemporaryRedirect || reached.Load() != 0 {
		t.Error(a.Status, err, reached.Load())
	}
}

func TestALongAnswerAndASlowOneAreGivenUp(t *testing.T) {
	long, _ := listening(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.CopyN(w, zeros{}, maxBody+1)
	})
	if _, err := New(Loopback...).PostJSON(t.Context(), long, "x"); !errors.Is(err, ErrTooBig) {
		t.Error(err)
	}
	whole, _ := listening(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.CopyN(w, zeros{}, maxBody) })
	if a, err := New(Loopback...).PostJSON(t.Context(), whole, "x"); err != nil || len(a.Body) != maxBody {
		t.Error(len(a.Body), err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	slow, _ := listening(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // only then the server notices that the client has gone
		<-r.Context().Done()
	})
	if _, err := New(Loopback...).PostJSON(ctx, slow, "x"); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	if c := New(); c.http.Timeout != timeout || timeout != 5*time.Second {
		t.Error(c.http.Timeout)
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { return len(b), nil }

func TestAProxyOfTheEnvironmentIsNotUsed(t *testing.T) {
	proxy, reached := listening(t, func(http.ResponseWriter, *http.Request) {})
	t.Setenv("HTTP_PROXY", proxy)
	t.Setenv("HTTPS_PROXY", proxy)
	_, _ = New().PostJSON(t.Context(), "https://10.0.0.1/", "x")
	if reached.Load() != 0 {
		t.Error("the proxy was asked")
	}
}

func TestAnErrorDoesNotTellTheAddressWithItsPassword(t *testing.T) {
	for _, address := range []string{"https://me:opensesame@127.0.0.1:1/key-opensesame", "http://me:opensesame@example.com/", "https://me:opensesame@[::1/"} {
		_, err := New().PostJSON(t.Context(), address, "x")
		if err == nil || strings.Contains(err.Error(), "opensesame") {
			t.Error(err)
		}
	}
}
