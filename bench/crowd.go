package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"time"
)

// crowdSize is how many accounts the clients of a storm sign in to.
const crowdSize = 3000

// behindProxy lets every client have an address of its own, as strangers from
// everywhere have: from one address they would be one network to the limits.
const behindProxy = "TRUSTED_PROXIES=127.0.0.1/32"

// crowd starts the product with many accounts, which have the password of the
// first one, taken over with its hash.
func (b *bench) crowd(name string, env ...string) (*proc, error) {
	first, err := b.fresh(name)
	if err != nil {
		return nil, err
	}
	first.stop()
	data := filepath.Join(b.tmp, name)
	if err := b.fillCrowd(data); err != nil {
		return nil, err
	}
	return b.gh.serve(data, append([]string{behindProxy}, env...)...)
}

func (b *bench) fillCrowd(data string) error {
	line, err := b.gh.run("", data, nil, "user", "export")
	if err != nil {
		return err
	}
	var owner struct {
		Hash string `json:"password_hash"`
	}
	if err := json.Unmarshal([]byte(strings.SplitN(line, "\n", 2)[0]), &owner); err != nil || owner.Hash == "" {
		return fmt.Errorf("the export has no hash: %w", errors.Join(err))
	}
	var people strings.Builder
	for i := range crowdSize {
		fmt.Fprintf(&people, `{"email":%q,"email_verified":true,"password_hash":%q}`+"\n", crowdAddress(i), owner.Hash)
	}
	_, err = b.gh.run(people.String(), data, nil, "user", "import", "-")
	return err
}

func crowdAddress(i int) string { return fmt.Sprintf("crowd%05d@example.com", i%crowdSize) }

// client is one program with an address, a connection and an account.
type client struct {
	p    *proc
	ip   string
	user string
	conn net.Conn
	r    *bufio.Reader
}

func newClient(p *proc, i int) *client {
	return &client{p: p, ip: fmt.Sprintf("10.%d.%d.%d", i>>16&255, i>>8&255, i&255), user: crowdAddress(i)}
}

func (c *client) close() {
	if c.conn != nil {
		c.conn.Close()
	}
	c.conn = nil
}

// send writes one request, over a new connection when there is none.
func (c *client) send(method, path, token, body string) (err error) {
	if c.conn == nil {
		if c.conn, err = net.Dial("tcp", c.p.Addr); err != nil {
			c.conn = nil
			return err
		}
		c.r = bufio.NewReaderSize(c.conn, 4<<10)
	}
	req := fmt.Appendf(nil, "%s %s HTTP/1.1\r\nHost: %s\r\nX-Forwarded-For: %s\r\n", method, path, c.p.host(), c.ip)
	if token != "" {
		req = fmt.Appendf(req, "Authorization: Bearer %s\r\n", token)
	}
	if body != "" {
		req = fmt.Appendf(req, "Content-Type: application/json\r\nContent-Length: %d\r\n", len(body))
	}
	_ = c.conn.SetDeadline(time.Now().Add(60 * time.Second))
	_, err = c.conn.Write(append(append(req, "\r\n"...), body...))
	return err
}

// do is a request whose body is dropped.
func (c *client) do(method, path, token, body string) (head, error) {
	err := c.send(method, path, token, body)
	if err == nil {
		var h head
		if h, err = skipBody(c.r); err == nil {
			if h.last {
				c.close()
			}
			return h, nil
		}
	}
	c.close()
	return head{}, err
}

// read is a request whose body is wanted.
func (c *client) read(method, path, token, body string) (int, []byte, error) {
	err := c.send(method, path, token, body)
	if err == nil {
		var status int
		var answer []byte
		if status, answer, err = readAnswer(c.r); err == nil {
			return status, answer, nil
		}
	}
	c.close()
	return 0, nil, err
}

func (c *client) login() string {
	return fmt.Sprintf(`{"username":%q,"password":%q}`, c.user, benchPassword)
}
