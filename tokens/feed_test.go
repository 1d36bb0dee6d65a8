package tokens

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"gatehouse/internal/apperr"
	"gatehouse/internal/testkit"
	"gatehouse/keys"
	"gatehouse/models"
)

// feeds are n nodes on one database, each with its feed.
func eachFeeds(t *testing.T, n int, test func(t *testing.T, feeds []*Feed, clock *testkit.Clock)) {
	t.Helper()
	testkit.EachURL(t, func(t *testing.T, url string) {
		clock := testkit.NewClock()
		feeds := make([]*Feed, n)
		for i := range feeds {
			d := feedDeps(t, testkit.Open(t, url, clock.Now), clock)
			feeds[i] = newFeed(d, newLog(d))
			start(t, feeds[i].log)
		}
		test(t, feeds, clock)
	})
}

// claimsOf checks the signature of what the feed says and reads it.
func claimsOf(t testing.TB, f *Feed, typ, raw string, into any) {
	t.Helper()
	key := f.deps.Keys.PublicFor(keys.PurposeFeed)[0]
	token, err := jwt.Parse(raw, func(*jwt.Token) (any, error) { return key.Key, nil }, jwt.WithValidMethods([]string{key.Alg}))
	if err != nil || token.Header["typ"] != typ || token.Header["kid"] != key.KID {
		t.Fatalf("got %v and %v", token.Header, err)
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(raw, ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(payload, into); err != nil {
		t.Fatal(err)
	}
}

func snapshotOf(t testing.TB, f *Feed) (snapshotClaims, []Entry) {
	t.Helper()
	s, err := f.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var claims snapshotClaims
	claimsOf(t, f, snapshotType, string(bytes.TrimSuffix(s.Head, []byte("\n"))), &claims)
	entries, err := decodeBody(s.Entries)
	sum := sha256.Sum256(s.Entries)
	if err != nil || claims.SHA256 != text64(sum[:]) || claims.Count != len(entries) {
		t.Fatalf("got %+v, %d entries and %v", claims, len(entries), err)
	}
	return claims, entries
}

// everyKind is one ending of each kind.
func everyKind() []Entry {
	return []Entry{
		sidEntry(models.NewID()), {Kind: EntryToken, Target: models.NewID().Bytes()}, subEntry(models.NewID(), 7),
		{Kind: EntryClient, Target: []byte("app"), Epoch: 3}, {Kind: EntryKey, Target: []byte("kid")},
	}
}

func TestASnapshotHoldsEverythingThatIsEnded(t *testing.T) {
	eachFeeds(t, 1, func(t *testing.T, feeds []*Feed, clock *testkit.Clock) {
		f := feeds[0]
		if claims, entries := snapshotOf(t, f); claims.Seq != 0 || len(entries) != 0 || claims.HeadHash != text64(make([]byte, 32)) {
			t.Errorf("empty: got %+v and %v", claims, entries)
		}
		end(t, f.log, everyKind()...)
		seal(t, f.log)
		poll(t, f.log)
		clock.Advance(snapshotFor)
		claims, entries := snapshotOf(t, f)
		kinds := map[string]int64{}
		for _, e := range entries {
			kinds[e.Kind] = e.Epoch
		}
		if len(kinds) != 5 || kinds[EntrySubject] != 7 || kinds[EntryClient] != 3 || claims.Seq != 1 || claims.HeadHash != text64(f.log.head) {
			t.Errorf("got %+v and %v", claims, kinds)
		}
	})
}

func alive(context.Context) error { return nil }

// next reads events until there is one of that name.
func next(t testing.TB, s *Stream, name string) Event {
	t.Helper()
	for {
		e, err := s.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if e.Name == name {
			return e
		}
	}
}

func open(t testing.TB, f *Feed, cursor string) *Stream {
	t.Helper()
	s, err := f.Open(t.Context(), models.ID{1}, cursor, alive)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

type batchData struct {
	Seq        int64
	Prev, Body string
	WantAck    bool `json:"want_ack"`
}

func batchOf(t testing.TB, e Event) (b models.RevocationBatch) {
	t.Helper()
	var d batchData
	if err := json.Unmarshal(e.Data, &d); err != nil {
		t.Fatal(err)
	}
	b = models.RevocationBatch{Seq: d.Seq, WantAck: d.WantAck}
	b.PrevHash, _ = base64.RawURLEncoding.DecodeString(d.Prev)
	b.Body, _ = base64.RawURLEncoding.DecodeString(d.Body)
	return b
}

func TestAStreamGoesOnWhereTheSnapshotEndsAndItsHashesJoin(t *testing.T) {
	eachFeeds(t, 2, func(t *testing.T, feeds []*Feed, _ *testkit.Clock) {
		a, b := feeds[0], feeds[1]
		sealed(t, a.log, 2)
		poll(t, a.log)
		claims, _ := snapshotOf(t, a)
		head := claims.HeadHash
		// The other node has read nothing yet: it reads on before it answers.
		stream := open(t, b, claims.Cursor)
		sealed(t, a.log, 2)
		poll(t, b.log)
		for want := int64(3); want <= 4; want++ {
			e := next(t, stream, "batch")
			batch := batchOf(t, e)
			if batch.Seq != want || text64(batch.PrevHash) != head {
				t.Fatalf("got batch %d after %s, want %d after %s", batch.Seq, text64(batch.PrevHash), want, head)
			}
			head = text64(hashBatch(b.log.logID, &batch))
			if at, err := a.parse(e.ID); err != nil || at.seq != want {
				t.Errorf("the cursor is of %d, %v", at.seq, err)
			}
		}
	})
}

func TestAStreamWakesUpWhenABatchComes(t *testing.T) {
	eachFeeds(t, 1, func(t *testing.T, feeds []*Feed, _ *testkit.Clock) {
		f := feeds[0]
		claims, _ := snapshotOf(t, f)
		stream := open(t, f, claims.Cursor)
		got := make(chan int64, 1)
		go func() { got <- batchOf(t, next(t, stream, "batch")).Seq }()
		sealed(t, f.log, 1)
		poll(t, f.log)
		if seq := <-got; seq != 1 {
			t.Errorf("got batch %d", seq)
		}
	})
}

func TestAStreamReadsWhatMemoryHasForgottenFromTheDatabase(t *testing.T) {
	eachFeeds(t, 1, func(t *testing.T, feeds []*Feed, _ *testkit.Clock) {
		f := feeds[0]
		claims, _ := snapshotOf(t, f)
		sealed(t, f.log, 5)
		poll(t, f.log)
		f.log.mu.Lock()
		f.log.published.history = f.log.published.history[4:]
		f.log.mu.Unlock()
		stream := open(t, f, claims.Cursor)
		for want := int64(1); want <= 5; want++ {
			if seq := batchOf(t, next(t, stream, "batch")).Seq; seq != want {
				t.Fatalf("got batch %d, want %d", seq, want)
			}
		}
		exec(t, f.log, "DELETE FROM revocation_batches WHERE seq < 3")
		if _, err := f.Open(t.Context(), models.ID{1}, claims.Cursor, alive); !errors.Is(err, ErrCursor) {
			t.Errorf("behind the trimmed log: got %v", err)
		}
	})
}

func TestCursorsThatAreNotOursAreUnknown(t *testing.T) {
	eachFeeds(t, 1, func(t *testing.T, feeds []*Feed, _ *testkit.Clock) {
		f := feeds[0]
		sealed(t, f.log, 1)
		poll(t, f.log)
		good := f.cursor(f.log.logID, 1)
		for name, bad := range map[string]string{
			"empty": "", "cut": good[:len(good)-1], "changed": "_" + good[1:], "long": good + "A", "another log": f.cursor(models.NewID(), 1),
			"above the head": f.cursor(f.log.logID, 2), "padded": good + "=", "another spelling": good[:len(good)-1] + string(good[len(good)-1]+1),
		} {
			if _, err := f.Open(t.Context(), models.ID{1}, bad, alive); !errors.Is(err, ErrCursor) {
				t.Errorf("%s: got %v", name, err)
			}
		}
	})
}

func TestStreamsEndWithTheServerAndWithTheCredential(t *testing.T) {
	eachFeeds(t, 1, func(t *testing.T, feeds []*Feed, _ *testkit.Clock) {
		f := feeds[0]
		claims, _ := snapshotOf(t, f)
		stream := open(t, f, claims.Cursor)
		next(t, stream, "floor")
		stream.pulse.Reset(time.Millisecond)
		if e, err := stream.Next(t.Context()); err != nil || e.Name != "" {
			t.Errorf("got %v and %v, want a heartbeat", e, err)
		}
		stream.alive = func(context.Context) error { return ErrNoService }
		if _, err := stream.Next(t.Context()); !errors.Is(err, io.EOF) {
			t.Errorf("got %v", err)
		}
		stream = open(t, f, claims.Cursor)
		next(t, stream, "floor")
		f.Stop()
		f.Stop()
		if _, err := stream.Next(t.Context()); !errors.Is(err, io.EOF) {
			t.Errorf("got %v", err)
		}
	})
}

func ackOf(cursor string) Ack {
	return Ack{Instance: models.NewID(), Cursor: cursor, Nonce: text64(make([]byte, 16)), Bound: 30 * time.Second, Mode: ModeRefuse}
}

func followers(t testing.TB, f *Feed) []models.Follower {
	t.Helper()
	rows, err := f.Followers(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

func TestAnAckRegistersAndItsAnswerSaysHowFreshTheNodeIs(t *testing.T) {
	eachFeeds(t, 2, func(t *testing.T, feeds []*Feed, clock *testkit.Clock) {
		a, b := feeds[0], feeds[1]
		claims, _ := snapshotOf(t, b)
		sealed(t, a.log, 1)
		ack, service := ackOf(claims.Cursor), models.NewID()
		answer, err := b.Answer(t.Context(), service, ack)
		if err != nil {
			t.Fatal(err)
		}
		var fresh freshnessClaims
		claimsOf(t, b, freshnessType, answer, &fresh)
		// Registering reads everything: the node had not polled.
		if fresh.Head != 1 || fresh.HeadHash != text64(b.log.head) || fresh.Nonce != ack.Nonce || fresh.LogID != b.log.logID.String() {
			t.Errorf("got %+v", fresh)
		}
		clock.Advance(1500 * time.Millisecond)
		if answer, err = b.Answer(t.Context(), service, ack); err != nil {
			t.Fatal(err)
		}
		if claimsOf(t, b, freshnessType, answer, &fresh); fresh.AgeMS != 1500 {
			t.Errorf("the view is %d ms old", fresh.AgeMS)
		}
		if _, err := a.Answer(t.Context(), service, ack); err != nil {
			t.Fatal(err)
		}
		rows := followers(t, a)
		if len(rows) != 1 || rows[0].ID != ack.Instance || rows[0].ServiceID != service || rows[0].Bound != 30_000_000 {
			t.Errorf("got %+v", rows)
		}
		ack.Mode = ModeAccept
		if _, err := b.Answer(t.Context(), service, ack); err != nil || followers(t, a)[0].Mode != ModeAccept {
			t.Errorf("the new mode is not stored: %v", err)
		}
		ack.Leave = true
		if _, err := a.Answer(t.Context(), service, ack); err != nil || len(followers(t, a)) != 0 {
			t.Errorf("it has not left: %v", err)
		}
	})
}

// ageOf asks a node how old the view is that it lets a follower have.
func ageOf(t testing.TB, f *Feed) time.Duration {
	t.Helper()
	at, _ := f.log.position()
	answer, err := f.Answer(t.Context(), ageAsker, Ack{
		Instance: ageAsker, Cursor: f.cursor(at.logID, at.seq), Nonce: text64(make([]byte, 16)), Bound: mostBound, Mode: ModeRefuse,
	})
	if err != nil {
		t.Fatal(err)
	}
	var fresh freshnessClaims
	claimsOf(t, f, freshnessType, answer, &fresh)
	return time.Duration(fresh.AgeMS) * time.Millisecond
}

var ageAsker = models.NewID()

// follow is what a node does every second.
func follow(t testing.TB, nodes ...*Log) {
	t.Helper()
	for _, l := range nodes {
		if err := l.beat(t.Context()); err != nil {
			t.Fatal(err)
		}
		poll(t, l)
	}
}

// A follower holds what is sealed. While nobody manages to seal, what a node
// says to it must grow old with the ending that waits, or the follower would
// take itself for fresh for ever without it.
func TestAViewGrowsOldForFollowersWhileAnEndingCannotBeSealed(t *testing.T) {
	eachFeeds(t, 2, func(t *testing.T, feeds []*Feed, clock *testkit.Clock) {
		a, b := feeds[0], feeds[1]
		ageOf(t, a)
		ageOf(t, b)
		follow(t, a.log, b.log)
		ending, token := session()
		end(t, a.log, ending) // and seal is never called
		for waited := time.Second; waited <= 40*time.Second; waited += time.Second {
			clock.Advance(time.Second)
			follow(t, a.log, b.log)
			for _, f := range feeds {
				if age := ageOf(t, f); age < waited || age > waited+beatEvery {
					t.Fatalf("after %v without a seal followers are told %v", waited, age)
				}
				if !f.log.Revoked(token) || !f.log.Fresh() || f.log.Ready() != nil {
					t.Fatal("the node itself reads the outbox, and need not be old")
				}
			}
		}
		seal(t, a.log)
		follow(t, a.log, b.log)
		for _, f := range feeds {
			if age := ageOf(t, f); age != 0 {
				t.Errorf("sealed, and still %v old", age)
			}
		}
	})
}

func TestANodeThatStartsDoesNotKnowHowLongAnEndingHasWaited(t *testing.T) {
	eachFeeds(t, 1, func(t *testing.T, feeds []*Feed, clock *testkit.Clock) {
		ending, _ := session()
		end(t, feeds[0].log, ending)
		d := feeds[0].deps
		late := newFeed(d, newLog(d))
		start(t, late.log)
		follow(t, late.log)
		if age := ageOf(t, late); age != mostBound {
			t.Errorf("told %v", age)
		}
		clock.Advance(time.Second)
		seal(t, late.log)
		follow(t, late.log)
		if age := ageOf(t, late); age != 0 {
			t.Errorf("sealed, and still %v old", age)
		}
	})
}

func TestSealingAsUsualMakesNoViewOlderThanOnePoll(t *testing.T) {
	eachFeeds(t, 1, func(t *testing.T, feeds []*Feed, clock *testkit.Clock) {
		f := feeds[0]
		ageOf(t, f)
		for range 20 {
			follow(t, f.log)
			ending, _ := session()
			end(t, f.log, ending)
			clock.Advance(pollEvery)
			follow(t, f.log) // the outbox has one that came since the poll before
			if age := ageOf(t, f); age > pollEvery {
				t.Fatalf("%v old", age)
			}
			seal(t, f.log)
			if follow(t, f.log); ageOf(t, f) != 0 {
				t.Fatalf("%v old after the seal", ageOf(t, f))
			}
		}
	})
}

func TestARefusedAckRecordsNothing(t *testing.T) {
	eachFeeds(t, 2, func(t *testing.T, feeds []*Feed, _ *testkit.Clock) {
		f := feeds[0]
		claims, _ := snapshotOf(t, f)
		bad := map[string]func(*Ack){
			"cursor_above_head": func(a *Ack) { a.Cursor = f.cursor(f.log.logID, 1) },
			"cursor_unknown":    func(a *Ack) { a.Cursor = "_" + a.Cursor[1:] },
			"invalid_request":   func(a *Ack) { a.Mode = "both" },
		}
		for _, change := range []func(*Ack){
			func(a *Ack) { a.Nonce = "" }, func(a *Ack) { a.Nonce = text64(make([]byte, 17)) }, func(a *Ack) { a.Bound = 0 },
			func(a *Ack) { a.Bound = 25 * time.Hour }, func(a *Ack) { a.Instance = models.ID{} },
		} {
			ack := ackOf(claims.Cursor)
			change(&ack)
			if _, err := f.Answer(t.Context(), models.NewID(), ack); apperr.Reason(err) != "invalid_request" {
				t.Errorf("%+v: got %v", ack, err)
			}
		}
		for reason, change := range bad {
			ack := ackOf(claims.Cursor)
			change(&ack)
			if _, err := f.Answer(t.Context(), models.NewID(), ack); apperr.Reason(err) != reason {
				t.Errorf("%s: got %v", reason, err)
			}
		}
		if rows := followers(t, f); len(rows) != 0 {
			t.Errorf("got %+v", rows)
		}
	})
}

// A place that was good once stays genuine. It takes nothing back of what its
// follower has said since, and is no word about anything later.
func TestACursorThatIsReplayedTakesNothingBackAndAcksNothing(t *testing.T) {
	eachFeeds(t, 1, func(t *testing.T, feeds []*Feed, _ *testkit.Clock) {
		f := feeds[0]
		run(t, f)
		one := newInstance(t, f)
		old := one.ack
		one.follow()
		first := ended(t, f)
		if r := f.Wait(t.Context(), first, longWait); !r.Complete {
			t.Fatalf("got %+v", r)
		}
		silent := newInstance(t, f)
		silent.ack.Cursor = old.Cursor
		want := ended(t, f)
		for _, ack := range []Ack{old, silent.ack} { // both are of before the second ending
			service := one.service
			if ack.Instance == silent.ack.Instance {
				service = silent.service
			}
			if _, err := f.Answer(t.Context(), service, ack); err != nil {
				t.Fatal(err)
			}
		}
		r := f.Wait(t.Context(), want, shortWait)
		if r.Complete || r.Acknowledged != 2 || len(r.Pending) != 1 || r.Pending[0].Instance != silent.ack.Instance.String() {
			t.Errorf("got %+v", r)
		}
	})
}

func TestAnInstanceBelongsToOneService(t *testing.T) {
	eachFeeds(t, 2, func(t *testing.T, feeds []*Feed, _ *testkit.Clock) {
		claims, _ := snapshotOf(t, feeds[0])
		ack, owner, stranger := ackOf(claims.Cursor), models.NewID(), models.NewID()
		if _, err := feeds[0].Answer(t.Context(), owner, ack); err != nil {
			t.Fatal(err)
		}
		for _, f := range feeds { // one knows it from memory, one from the table
			if _, err := f.Answer(t.Context(), stranger, ack); apperr.From(err).Kind != apperr.Forbidden {
				t.Errorf("got %v", err)
			}
		}
		ack.Leave = true
		if _, err := feeds[1].Answer(t.Context(), stranger, ack); err == nil && len(followers(t, feeds[1])) == 0 {
			t.Error("a stranger took it out")
		}
		if rows := followers(t, feeds[0]); len(rows) != 1 || rows[0].ServiceID != owner {
			t.Errorf("got %+v", rows)
		}
	})
}

func TestThirtyTwoFirstAcksOfOneInstanceMakeOneFollower(t *testing.T) {
	eachFeeds(t, 2, func(t *testing.T, feeds []*Feed, _ *testkit.Clock) {
		claims, _ := snapshotOf(t, feeds[0])
		ack, service := ackOf(claims.Cursor), models.NewID()
		testkit.Race(t, 32, func(i int) (bool, error) {
			_, err := feeds[i%2].Answer(t.Context(), service, ack)
			return true, err
		})
		if rows := followers(t, feeds[0]); len(rows) != 1 {
			t.Errorf("got %+v", rows)
		}
	})
}

func TestFollowersThatNobodySpeaksForAreForgotten(t *testing.T) {
	eachFeeds(t, 1, func(t *testing.T, feeds []*Feed, clock *testkit.Clock) {
		f := feeds[0]
		claims, _ := snapshotOf(t, f)
		ack, service := ackOf(claims.Cursor), models.NewID()
		if _, err := f.Answer(t.Context(), service, ack); err != nil {
			t.Fatal(err)
		}
		clock.Advance(followerGoneAfter + time.Second)
		if err := f.trim(t.Context()); err != nil || len(followers(t, f)) != 0 {
			t.Errorf("it is still there: %v", err)
		}
		if _, err := f.Answer(t.Context(), service, ack); err != nil || len(followers(t, f)) != 1 {
			t.Errorf("it is not there again: %v", err)
		}
	})
}

// Who is forgotten is in no receipt any more: that must not happen to anybody who
// may still accept.
func TestAFollowerWithALongBoundIsNotForgottenWhileItMayStillAccept(t *testing.T) {
	eachFeeds(t, 1, func(t *testing.T, feeds []*Feed, clock *testkit.Clock) {
		f := feeds[0]
		claims, _ := snapshotOf(t, f)
		service := models.NewID()
		for _, bound := range []time.Duration{30 * time.Second, 12 * time.Hour, 13 * time.Hour, mostBound} {
			ack := ackOf(claims.Cursor)
			ack.Bound = bound
			if _, err := f.Answer(t.Context(), service, ack); err != nil {
				t.Fatal(err)
			}
		}
		for _, step := range []struct {
			after time.Duration
			left  int
		}{{24 * time.Hour, 4}, {time.Second, 2}, {2 * time.Hour, 1}, {22*time.Hour - time.Second, 1}, {time.Second, 0}} {
			clock.Advance(step.after)
			if err := f.trim(t.Context()); err != nil || len(followers(t, f)) != step.left || len(f.followers) != step.left {
				t.Errorf("%v later: %d rows, %d remembered, want %d (%v)", step.after, len(followers(t, f)), len(f.followers), step.left, err)
			}
		}
	})
}

func FuzzCursor(f *testing.F) {
	clock := testkit.NewClock()
	d := feedDeps(f, testkit.DB(f), clock)
	feed := newFeed(d, newLog(d))
	start(f, feed.log)
	f.Add(feed.cursor(feed.log.logID, 0))
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		at, err := feed.parse(text)
		if err == nil && feed.cursor(feed.log.logID, at.seq) != text {
			t.Errorf("%q is taken and is no cursor of ours", text)
		}
	})
}

func TestAFloorIsToldWhenSomethingWasTrimmedAndNotBefore(t *testing.T) {
	eachFeeds(t, 1, func(t *testing.T, feeds []*Feed, _ *testkit.Clock) {
		f := feeds[0]
		sealed(t, f.log, 3)
		poll(t, f.log)
		if claims, _ := snapshotOf(t, f); claims.Floor != 0 {
			t.Errorf("nothing was trimmed and the floor is %d", claims.Floor)
		}
		stream := open(t, f, f.cursor(f.log.logID, 2))
		if e := next(t, stream, "floor"); string(e.Data) != `{"floor":0}` {
			t.Errorf("got %s", e.Data)
		}
		exec(t, f.log, "DELETE FROM revocation_batches WHERE seq < 3")
		if err := f.log.followFloor(t.Context()); err != nil {
			t.Fatal(err)
		}
		if seq := batchOf(t, next(t, stream, "batch")).Seq; seq != 3 {
			t.Errorf("got batch %d", seq)
		}
		if e := next(t, stream, "floor"); string(e.Data) != `{"floor":3}` {
			t.Errorf("got %s", e.Data)
		}
	})
}
