package verify

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// How a key set is fetched.
const (
	fetchTimeout = 5 * time.Second
	maxKeySet    = 1 << 20
	maxRedirects = 3
	minFresh     = 30 * time.Second // also between two fetches for unknown kids
	maxFresh     = time.Hour
	usualFresh   = 5 * time.Minute // when the answer does not say max-age
	firstRetry   = time.Second     // after a failure, doubled up to minFresh
)

// remote is the key set behind a URL. It is read in the background as often as
// the answers allow. When a fetch fails, the set of before stays in force: an
// issuer that is down must not sign everybody out.
type remote struct {
	*KeySet
	url    string
	client *http.Client
	clock  func() time.Time
	most   time.Duration // between two fetches, whatever the answer allows
	cancel context.CancelFunc
	first  chan struct{} // closed after the first attempt

	fetching turn // one fetch at a time; what follows is under it
	etag     string
	failures int

	asking turn
	asked  time.Time // when an unknown kid last caused a fetch
}

// turn is a lock that one can stop waiting for.
type turn chan struct{}

func (t turn) take(ctx context.Context) bool {
	select {
	case t <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func (t turn) leave() { <-t }

func newRemote(o Options, at string, most time.Duration) (*remote, error) {
	ctx, cancel := context.WithCancel(context.Background())
	r := &remote{KeySet: NewKeySet(), url: at, client: boundedClient(o.HTTPClient),
		clock: o.Clock, most: most, cancel: cancel, first: make(chan struct{}), fetching: make(turn, 1), asking: make(turn, 1)}
	r.OnMissing(r.ask)
	go r.run(ctx)
	return r, nil
}

// checkURL refuses to read over a wire that others can write to.
func checkURL(option, text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil {
		return fmt.Errorf("verify: %s %q is not an absolute URL", option, text)
	}
	if u.Scheme != "https" && !(u.Scheme == "http" && isLoopback(u.Hostname())) {
		return fmt.Errorf("verify: %s %q must be https (http only on loopback)", option, text)
	}
	return nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// boundedClient takes the transport of given, and none of its freedoms.
func boundedClient(given *http.Client) *http.Client {
	c := &http.Client{Timeout: fetchTimeout, CheckRedirect: sameHost}
	if given != nil {
		c.Transport = given.Transport
		if given.Timeout > 0 {
			c.Timeout = min(given.Timeout, fetchTimeout)
		}
	}
	return c
}

// sameHost follows a few redirects within one origin, so that no redirect can
// say where the keys of the issuer are.
func sameHost(r *http.Request, via []*http.Request) error {
	if from := via[0].URL; r.URL.Host != from.Host || r.URL.Scheme != from.Scheme {
		return errors.New("verify: the key set redirects to another host")
	}
	if len(via) > maxRedirects {
		return errors.New("verify: the key set redirects too often")
	}
	return nil
}

// resolve waits for the very first attempt to end. Without any key it is our
// fault and not the token's, so the answer is 503.
func (r *remote) resolve(ctx context.Context, kid string) (*preparedKey, error) {
	select {
	case <-r.first:
	case <-ctx.Done():
		return nil, ErrUnavailable.because(ctx.Err())
	}
	key, err := r.KeySet.resolve(ctx, kid)
	if err != nil && r.size() == 0 {
		return nil, ErrUnavailable
	}
	return key, err
}

// Key implements KeySource.
func (r *remote) Key(ctx context.Context, kid string) (Key, error) {
	k, err := r.resolve(ctx, kid)
	if err != nil {
		return Key{}, err
	}
	return k.Key, nil
}

func (r *remote) close() { r.cancel() }

func (r *remote) run(ctx context.Context) {
	wait := r.fetch(ctx)
	close(r.first)
	for {
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
			wait = r.fetch(ctx)
		}
	}
}

// ask fetches because a kid is unknown, at most once in 30 seconds however
// many tokens a stranger invents. Who comes while a fetch is under way waits
// for it. The fetch does not end with the request that caused it, since
// others wait for it as well; its own time limit bounds it.
func (r *remote) ask(ctx context.Context) {
	if !r.asking.take(ctx) {
		return
	}
	defer r.asking.leave()
	now := r.clock()
	if since := now.Sub(r.asked); !r.asked.IsZero() && since >= 0 && since < minFresh {
		return
	}
	r.asked = now
	r.fetch(context.WithoutCancel(ctx))
}

// fetch reads the set once and says when to read it again.
func (r *remote) fetch(ctx context.Context) time.Duration {
	if !r.fetching.take(ctx) {
		return minFresh
	}
	defer r.fetching.leave()
	fresh, err := r.get(ctx)
	if err != nil {
		r.failures++
		fresh = min(firstRetry<<min(r.failures-1, 6), minFresh)
	} else {
		r.failures = 0
	}
	// Up to a tenth earlier, so that many services do not ask at once.
	return max(fresh-rand.N(fresh/10), min(fresh, minFresh))
}

func (r *remote) get(ctx context.Context) (time.Duration, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url, nil)
	if err != nil {
		return 0, err
	}
	req.Header.Set("Accept", "application/jwk-set+json, application/json")
	if r.etag != "" {
		req.Header.Set("If-None-Match", r.etag)
	}
	res, err := r.client.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	fresh := min(maxAge(res.Header), r.most)
	if res.StatusCode == http.StatusNotModified && r.etag != "" {
		return fresh, nil
	}
	if res.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("verify: the key set answers %s", res.Status)
	}
	return fresh, r.accept(res)
}

// accept puts the set of an answer in force. A set without a single usable key
// is taken for a mistake, and the set of before stays.
func (r *remote) accept(res *http.Response) error {
	body, err := io.ReadAll(io.LimitReader(res.Body, maxKeySet+1))
	if err != nil {
		return err
	}
	if len(body) > maxKeySet {
		return errors.New("verify: the key set is larger than 1 MB")
	}
	keys, err := parseKeySet(string(body))
	if err != nil {
		return err
	}
	if len(keys) == 0 {
		return errors.New("verify: the key set holds no usable key")
	}
	_ = r.Set(keys) // what it leaves out is meant to be left out
	r.etag = res.Header.Get("ETag")
	return nil
}

// maxAge reads Cache-Control (RFC 9111, section 5.2.2.1), within our bounds.
func maxAge(h http.Header) time.Duration {
	for directive := range strings.SplitSeq(h.Get("Cache-Control"), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
		if !strings.EqualFold(name, "max-age") {
			continue
		}
		seconds, err := strconv.ParseUint(strings.Trim(value, `"`), 10, 31)
		if err == nil {
			return max(minFresh, min(time.Duration(seconds)*time.Second, maxFresh))
		}
	}
	return usualFresh
}
