package tokens

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gorm.io/gorm"

	"gatehouse/internal/database"
	"gatehouse/internal/testkit"
	"gatehouse/models"
	"gatehouse/verify"
)

// This file lets writers end sessions at a steady rate, some of them slow,
// some rolled back and some killed in the middle, while sealers are cut off
// and killed too, and compares what two readers saw: one that follows a table
// by its numbers (id > cursor), and ours.

// stream is such a run.
type stream struct {
	writers  []*Log
	reader   *Log
	rate     int
	lasts    time.Duration
	mu       sync.Mutex
	ended    map[models.ID]time.Time // by committed transactions, and when
	failed   atomic.Int64            // rolled back or killed
	cut      atomic.Int64            // sealers
	naive    naiveReader
	known    map[models.ID]bool // by our reader, while the run went on
	delays   []time.Duration
	inFlight chan struct{}
}

// The fates of a writer.
const (
	plain = iota
	slowWriter
	rolledBack
	killedWriter
)

var errCutOff = errors.New("cut off before the commit")

// fate is decided by chance. SQLite has one writer at a time and no
// connection to kill, so nobody is slow or killed there.
func fate(r *rand.Rand, dialect string) int {
	n := r.IntN(100)
	switch {
	case n < 4:
		return rolledBack
	case n < 7 && dialect == database.MySQL:
		return slowWriter
	case n < 9 && dialect == database.MySQL:
		return killedWriter
	}
	return plain
}

// kill ends the connection of a transaction from outside, as a database does
// whose client is gone.
func kill(ctx context.Context, db *database.DB, tx *gorm.DB) error {
	var id int64
	if err := tx.Raw("SELECT CONNECTION_ID()").Scan(&id).Error; err != nil {
		return err
	}
	_, err := db.Exec(ctx, fmt.Sprintf("KILL %d", id))
	return err
}

// end is one writer, who also writes to the numbered table.
func (s *stream) end(ctx context.Context, l *Log, what int, hold time.Duration) {
	ending, _ := session()
	id := models.ID(ending.Target)
	err := l.Write(ctx, func(tx *gorm.DB) error {
		if err := tx.Exec("INSERT INTO naive (target) VALUES (?)", id).Error; err != nil {
			return err
		}
		if err := l.Append(tx, ending); err != nil {
			return err
		}
		switch what {
		case slowWriter:
			time.Sleep(hold)
		case rolledBack:
			return errCutOff
		case killedWriter:
			return kill(ctx, l.db, tx)
		}
		return nil
	})
	if err != nil {
		s.failed.Add(1)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended[id] = time.Now()
}

// cutSeal is a sealer that does everything but commit.
func (s *stream) cutSeal(ctx context.Context, l *Log, killed bool) {
	err := l.db.Write(ctx, func(tx *gorm.DB) error {
		rows, err := l.sealable(tx)
		if err != nil || len(rows) == 0 {
			return err
		}
		if _, err := l.sealRows(tx, rows); err != nil {
			return err
		}
		if killed {
			return kill(ctx, l.db, tx)
		}
		return errCutOff
	})
	if err != nil {
		s.cut.Add(1)
	}
}

// write ends sessions at the rate, or as fast as the machine can.
func (s *stream) write(ctx context.Context, r *rand.Rand) {
	var writers sync.WaitGroup
	began := time.Now()
	for n := 0; ctx.Err() == nil && time.Since(began) < s.lasts; n++ {
		if wait := time.Duration(n)*time.Second/time.Duration(s.rate) - time.Since(began); wait > 0 {
			time.Sleep(wait)
		}
		l := s.writers[n%len(s.writers)]
		what, hold := fate(r, l.db.Dialect()), time.Duration(50+r.IntN(700))*time.Millisecond
		s.inFlight <- struct{}{}
		writers.Go(func() {
			defer func() { <-s.inFlight }()
			s.end(ctx, l, what, hold)
		})
	}
	writers.Wait()
}

// seal seals for a node as its loop does, and is cut off now and then.
func (s *stream) seal(ctx context.Context, l *Log, r *rand.Rand) {
	for ctx.Err() == nil {
		switch r.IntN(8) {
		case 0:
			s.cutSeal(ctx, l, false)
		case 1:
			s.cutSeal(ctx, l, l.db.Dialect() == database.MySQL)
		default:
			_, _ = l.seal(ctx)
		}
		time.Sleep(time.Duration(20+r.IntN(40)) * time.Millisecond)
	}
}

// read polls both readers side by side, on the same node.
func (s *stream) read(t *testing.T) {
	if err := s.reader.poll(t.Context()); err != nil {
		t.Error(err)
	}
	s.naive.poll(t, s.reader.db)
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, at := range s.ended {
		if !s.known[id] && s.reader.Revoked(&verify.Principal{SID: id}) {
			s.known[id] = true
			s.delays = append(s.delays, now.Sub(at))
		}
	}
}

// run is the whole of it.
func (s *stream) run(t *testing.T, seed uint64) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var sealers sync.WaitGroup
	for i, l := range s.writers[1:] { // the first one ends things and never seals, like a node that died
		sealers.Go(func() { s.seal(ctx, l, rand.New(rand.NewPCG(seed, uint64(i+2)))) })
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.write(ctx, rand.New(rand.NewPCG(seed, 1)))
	}()
	for running := true; running; {
		select {
		case <-done:
			running = false
		case <-time.After(20 * time.Millisecond):
		}
		s.read(t)
		for _, l := range s.writers {
			_ = l.poll(ctx)
		}
	}
	stop()
	sealers.Wait()
	for range 100 { // until the last stranger's row was seen twice, and sealed
		s.read(t)
		if _, err := s.reader.seal(t.Context()); err != nil && !errors.Is(err, errRival) {
			t.Error(err)
		}
		if countRows(t, s.reader, "revocation_outbox") == 0 {
			break
		}
	}
	s.read(t)
}

// lost counts what each reader never saw.
func (s *stream) lost() (ours, naive int) {
	for id := range s.ended {
		if !s.reader.Revoked(&verify.Principal{SID: id}) {
			ours++
		}
		if !s.naive.known[id] {
			naive++
		}
	}
	return ours, naive
}

func newStream(t *testing.T, p place, rate int, lasts time.Duration) *stream {
	s := &stream{rate: rate, lasts: lasts, ended: map[models.ID]time.Time{}, known: map[models.ID]bool{},
		naive: naiveReader{known: map[models.ID]bool{}}, inFlight: make(chan struct{}, 24)}
	for i := range 3 {
		db := testkit.Open(t, p.urls[i%len(p.urls)], time.Now)
		l := newLog(Deps{DB: db, Clock: time.Now, Config: testConfig()})
		l.log = testkit.Discard()
		start(t, l)
		s.writers = append(s.writers, l)
	}
	s.reader, s.writers = s.writers[2], s.writers[:2]
	column := "INTEGER PRIMARY KEY AUTOINCREMENT"
	if s.reader.db.Dialect() == database.MySQL {
		column = "BIGINT PRIMARY KEY AUTO_INCREMENT"
	}
	exec(t, s.reader, "CREATE TABLE naive (n "+column+", target BLOB)")
	return s
}

func TestAStreamOfEndingsIsReadWholeWhereANaiveReaderLoses(t *testing.T) {
	rates := testkit.Sized([]int{400}, []int{200, 2000})
	lasts := testkit.Sized(1500*time.Millisecond, 10*time.Second)
	proofs(t, func(t *testing.T, p place) {
		for _, rate := range rates {
			t.Run(fmt.Sprintf("%d a second", rate), func(t *testing.T) {
				seed := testkit.Seed(t)
				place := p
				if rate != rates[0] {
					place = p.again(t)
				}
				s := newStream(t, place, rate, lasts)
				s.run(t, seed)
				s.judge(t, p.name, seed)
			})
		}
	})
}

// again is the same kind of place, empty.
func (p place) again(t *testing.T) place {
	switch {
	case len(p.urls) > 1:
		p.urls = testkit.GaleraURLs(t)
	case p.name == "SQLite":
		p.urls = []string{testkit.SQLiteURL(t)}
	default:
		p.urls = []string{testkit.MySQLURL(t)}
	}
	return p
}

func (s *stream) judge(t *testing.T, where string, seed uint64) {
	t.Helper()
	targets := map[models.ID]bool{}
	for id := range s.ended {
		targets[id] = true
	}
	wantOnce(t, s.reader, targets)
	ours, naive := s.lost()
	if ours != 0 {
		t.Errorf("our reader lost %d endings", ours)
	}
	if naive == 0 && s.reader.db.Dialect() == database.MySQL {
		t.Error("the naive reader lost nothing: the run does not show what it should")
	}
	slices.Sort(s.delays)
	at := func(share float64) time.Duration {
		return s.delays[int(share*float64(len(s.delays)-1))].Round(time.Millisecond)
	}
	testkit.Found(t, testkit.Finding{
		Proof: "E1", Case: fmt.Sprintf("%s, %d/s asked for", where, s.rate), Seed: seed,
		Tried: fmt.Sprintf("%d endings in %v, beside %d rolled back or killed; %d seals cut off or killed",
			len(s.ended), s.lasts, s.failed.Load(), s.cut.Load()),
		Found: fmt.Sprintf("lost: ours %d, id > cursor %d; sealed twice 0, holes 0; commit to read, polled every 20 ms: p50 %v, p99 %v, max %v",
			ours, naive, at(0.5), at(0.99), at(1)),
	})
}
