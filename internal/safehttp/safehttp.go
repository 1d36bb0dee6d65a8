package safehttp

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"syscall"
	"time"
)

const (
	// timeout is for everything, from the lookup to the last byte.
	timeout = 5 * time.Second
	// maxBody is how much of an answer is read; a longer one is an error.
	maxBody   = 1 << 20
	maxHeader = 64 << 10
)

// The reasons why nothing was asked.
var (
	ErrScheme  = errors.New("want an https address")
	ErrAddress = errors.New("the address is not one of the internet")
	ErrTooBig  = errors.New("the answer is longer than 1 MB")
)

// Client makes requests. It is safe for concurrent use.
type Client struct {
	allow  []netip.Prefix
	dialer net.Dialer
	http   http.Client
}

// New makes a client that may reach the internet, and besides it the networks
// that allow names.
func New(allow ...netip.Prefix) *Client {
	c := &Client{allow: slices.Clone(allow)}
	c.dialer = net.Dialer{Timeout: timeout, ControlContext: c.check}
	c.http = http.Client{
		Timeout: timeout,
		// A redirect is an answer like any other: who may redirect could lead
		// the request anywhere.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			Proxy: nil, DialContext: c.dial, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout: timeout, ResponseHeaderTimeout: timeout, MaxResponseHeaderBytes: maxHeader,
			MaxIdleConns: 4, IdleConnTimeout: 30 * time.Second, ForceAttemptHTTP2: true, DisableCompression: true,
		},
	}
	return c
}

func (c *Client) dial(ctx context.Context, network, address string) (net.Conn, error) {
	return c.dialer.DialContext(ctx, network, address)
}

// check judges the address to which a socket is about to connect. It comes after
// the lookup and is asked for each address, so that a name with two answers, or
// with another one the next time (DNS rebinding), is judged by what it leads to.
func (c *Client) check(_ context.Context, _, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%w: %s", ErrAddress, address)
	}
	if a := to.Addr().Unmap(); !public(a) && !within(c.allow, a) {
		return fmt.Errorf("%w: %s", ErrAddress, a)
	}
	return nil
}

// CheckURL says whether an address can be asked at all: https, or http to this
// machine by a client that may reach it.
func (c *Client) CheckURL(u *url.URL) error {
	if u == nil || u.Host == "" || u.Opaque != "" {
		return ErrScheme
	}
	if u.Scheme == "https" || u.Scheme == "http" && c.isLoopback(u.Hostname()) {
		return nil
	}
	return ErrScheme
}

// isLoopback reports whether host is this machine by its own name or number and
// may be asked. Where the name leads is still judged when the connection is made.
func (c *Client) isLoopback(host string) bool {
	if host == "localhost" {
		return within(c.allow, netip.IPv6Loopback()) || within(c.allow, netip.AddrFrom4([4]byte{127, 0, 0, 1}))
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.Unmap().IsLoopback() && within(c.allow, a.Unmap())
}

// Answer is what came back.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// Do sends one request and reads its answer, whatever its status is.
func (c *Client) Do(req *http.Request) (Answer, error) {
	if err := c.CheckURL(req.URL); err != nil {
		return Answer{}, err
	}
	res, err := c.http.Do(req)
	if err != nil {
		return Answer{}, hideURL(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxBody+1))
	if err != nil {
		return Answer{}, err
	}
	if len(body) > maxBody {
		return Answer{}, ErrTooBig
	}
	return Answer{Status: res.StatusCode, Header: res.Header, Body: body}, nil
}

// hideURL takes the address out of an error: it may hold a password or a key.
func hideURL(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}

// PostJSON sends v and returns the answer.
func (c *Client) PostJSON(ctx context.Context, address string, v any) (Answer, error) {
	body, err := json.Marshal(v)
	if err != nil {
		return Answer{}, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return Answer{}, hideURL(err)
	}
	req.Header.Set("Content-Type", "application/json")
	return c.Do(req)
}
