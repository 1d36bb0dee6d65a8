package tokens

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"strconv"
	"sync"
	"time"

	"gatehouse/internal/apperr"
	"gatehouse/internal/secrets"
	"gatehouse/keys"
	"gatehouse/models"
)

// The "typ" of what the feed key signs. It keeps each from passing as the
// other, and both from passing as an access token.
const (
	snapshotType  = "gh-snapshot+jwt"
	freshnessType = "gh-freshness+jwt"
)

// snapshotFor is how long one snapshot is given to everybody who asks. An old
// one only costs its reader a few batches more.
const snapshotFor = time.Second

// Feed shows the revocation log to programs that check tokens elsewhere: a
// signed snapshot, a stream of the batches that follow it, and signed answers
// to the question how fresh a follower is.
type Feed struct {
	deps  Deps
	log   *Log
	watch *watch

	stopOnce sync.Once
	stopped  chan struct{}

	making   sync.Mutex // one snapshot at a time
	snapshot *Snapshot
	made     time.Time
	of       models.ID // the log that it is about

	mu        sync.Mutex
	followers map[models.ID]follower
	streams   map[models.ID]int // open ones by service
}

func newFeed(d Deps, l *Log) *Feed {
	return &Feed{deps: d, log: l, watch: newWatch(l), stopped: make(chan struct{}), followers: map[models.ID]follower{}, streams: map[models.ID]int{}}
}

// Stop ends every stream, so that the server can stop.
func (f *Feed) Stop() { f.stopOnce.Do(func() { close(f.stopped) }) }

// Snapshot is everything that is ended now. Head is a signed statement about
// Entries, which are in the form of a batch body.
type Snapshot struct {
	Head    []byte
	Entries []byte
	ETag    string
}

type snapshotClaims struct {
	Issuer   string `json:"iss"`
	LogID    string `json:"log_id"`
	Seq      int64  `json:"seq"`
	HeadHash string `json:"head_hash"`
	Floor    int64  `json:"floor"`
	Cursor   string `json:"cursor"`
	Count    int    `json:"count"`
	SHA256   string `json:"sha256"`
	IssuedAt int64  `json:"iat"`
}

// Snapshot is what a follower starts with.
func (f *Feed) Snapshot(context.Context) (*Snapshot, error) {
	if err := f.log.usable(); err != nil {
		return nil, err
	}
	f.making.Lock()
	defer f.making.Unlock()
	at, _ := f.log.position()
	tag := etagOf(at)
	now := f.log.local()
	if f.snapshot != nil && (f.snapshot.ETag == tag || f.of == at.logID && elapsed(f.made, now) < snapshotFor) {
		return f.snapshot, nil
	}
	s, err := f.take(at)
	if err != nil {
		return nil, apperr.NotNow(time.Second, err)
	}
	s.ETag = tag
	f.snapshot, f.made, f.of = s, now, at.logID
	return s, nil
}

// take reads the set after the position, so that nothing up to it is missing.
func (f *Feed) take(at position) (*Snapshot, error) {
	body, n := snapshotBody(f.log.set.Load())
	sum := sha256.Sum256(body)
	head, err := signJWT(f.deps.Keys.SignerFor(keys.PurposeFeed), snapshotType, snapshotClaims{
		Issuer: f.deps.Config.Issuer, LogID: at.logID.String(), Seq: at.seq, HeadHash: text64(at.hash), Floor: at.floor,
		Cursor: f.cursor(at.logID, at.seq), Count: n, SHA256: text64(sum[:]), IssuedAt: f.deps.Clock().Unix(),
	})
	if err != nil {
		return nil, err
	}
	return &Snapshot{Head: append(head.RevealBytes(), '\n'), Entries: body}, nil
}

func etagOf(at position) string {
	return `"` + at.logID.String() + "-" + strconv.FormatInt(at.seq, 10) + `"`
}

func text64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// Keys is the published set of the keys that sign what Feed says.
func (f *Feed) Keys() (body []byte, etag string) { return f.deps.Keys.JWKSFor(keys.PurposeFeed) }

func (f *Feed) macKey() []byte { return f.deps.Keys.MACKey(keys.PurposeCursor) }

func (f *Feed) mac(body []byte) []byte {
	return secrets.MAC(f.macKey(), "feed cursor", body)[:cursorMAC]
}
