package verify

import (
	"context"
	"fmt"
	"io"
	"net/http"
)

// feedClient takes the transport of given. Redirects are not followed, since
// every request carries the credential.
func feedClient(given *http.Client) *http.Client {
	c := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	if given != nil {
		c.Transport = given.Transport
	}
	return c
}

// statusError is an answer that is not 200.
type statusError int

// Error implements error.
func (e statusError) Error() string { return fmt.Sprintf("the feed answers %d", int(e)) }

// errCursor is 410: the log of our cursor is not there any more.
const errCursor = statusError(http.StatusGone)

// call sends a request and hands over an answer 200.
func (f *follower) call(ctx context.Context, method, path string, body io.Reader, header ...string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, f.url+path, body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+f.secret)
	// What the transport unpacks by itself would be larger than what was sent.
	req.Header.Set("Accept-Encoding", "identity")
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := f.client.Do(req)
	if err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusOK {
		_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 4<<10))
		res.Body.Close()
		return nil, statusError(res.StatusCode)
	}
	return res, nil
}
