package proofs

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base32"
	bigendian "encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// answer is what a client knows after a call: the answer, or nothing.
type answer struct {
	status int
	header http.Header
	body   map[string]any
	err    error
}

// done: it was acknowledged, and must be there whatever happens next.
func (a answer) done() bool { return a.err == nil && a.status/100 == 2 }

// refused: it was looked at, and is not to be. Being busy is no refusal.
func (a answer) refused() bool {
	return a.err == nil && a.status/100 == 4 && a.status != http.StatusTooManyRequests
}

func (a answer) text(name string) string {
	s, _ := a.body[name].(string)
	return s
}

func (a answer) String() string {
	if a.err != nil {
		return a.err.Error()
	}
	return fmt.Sprintf("%d %v", a.status, a.body)
}

// call sends JSON to a node; a nil body sends none.
func (f *fleet) call(ctx context.Context, n *node, method, path, bearer string, body any) answer {
	return f.callAt(ctx, n.url(), method, path, bearer, body)
}

// callAt is call at an address, which may be a proxy's.
func (f *fleet) callAt(ctx context.Context, url, method, path, bearer string, body any) answer {
	var sent bytes.Buffer
	if body != nil {
		if err := json.NewEncoder(&sent).Encode(body); err != nil {
			return answer{err: err}
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, url+path, &sent)
	if err != nil {
		return answer{err: err}
	}
	req.Host = f.host
	req.Header.Set("Accept", "application/json")
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	res, err := web.Do(req)
	if err != nil {
		return answer{err: err}
	}
	defer res.Body.Close()
	a := answer{status: res.StatusCode, header: res.Header}
	if res.StatusCode == http.StatusNoContent {
		return a
	}
	var b bytes.Buffer
	if _, a.err = b.ReadFrom(res.Body); a.err != nil {
		return a // the end of the answer is missing: the client knows nothing
	}
	if err := json.Unmarshal(b.Bytes(), &a.body); err != nil {
		a.body = map[string]any{"text": b.String()}
	}
	return a
}

// fields is a JSON object of texts, name and value in turn.
func fields(list ...string) map[string]string {
	m := map[string]string{}
	for i := 0; i+1 < len(list); i += 2 {
		m[list[i]] = list[i+1]
	}
	return m
}

// appCode is what an authenticator app shows (RFC 6238), computed here anew.
func appCode(seed string, at time.Time) string {
	key, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(seed)
	if err != nil {
		panic(err)
	}
	h := hmac.New(sha1.New, key)
	h.Write(bigendian.BigEndian.AppendUint64(nil, uint64(at.Unix()/30)))
	sum := h.Sum(nil)
	n := bigendian.BigEndian.Uint32(sum[sum[19]&15:]) & 0x7fffffff
	return fmt.Sprintf("%06d", n%1_000_000)
}

// raw asks as a browser does: a form when there is a body, and no redirects.
func (c *calls) raw(ctx context.Context, method, path, cookie, body string) answer {
	req, err := http.NewRequestWithContext(ctx, method, c.n.url()+path, strings.NewReader(body))
	if err != nil {
		return answer{err: err}
	}
	req.Host = c.f.host
	req.Header.Set("Accept", "text/html")
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if cookie != "" {
		req.Header.Set("Cookie", cookie)
	}
	res, err := web.Transport.RoundTrip(req)
	if err != nil {
		return answer{err: err}
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return answer{status: res.StatusCode, header: res.Header, body: map[string]any{"text": string(text)}, err: err}
}
