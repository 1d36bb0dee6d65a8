package verify

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"gatehouse/internal/testkit"
)

func numbered(kind byte, n int) entry {
	e := entry{kind: kind, epoch: 1}
	e.id[0] = 1
	binary.BigEndian.PutUint64(e.id[8:], uint64(n))
	return e
}

func TestTheSetAgreesWithAMap(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	type kept struct {
		epoch int64
		seq   uint64
	}
	for _, reserve := range []int{0, 5000} {
		set, want := NewEnded(reserve), map[int]kept{}
		for seq := uint64(0); seq < 300; seq++ {
			var list []entry
			for range rnd.IntN(60) {
				n, e := rnd.IntN(8000), numbered(kindSubject, 0)
				e = numbered(kindSubject, n)
				e.epoch = 1 + rnd.Int64N(5)
				list = append(list, e)
				want[n] = kept{max(want[n].epoch, e.epoch), seq}
			}
			set.add(list, seq)
			if seq%50 == 49 {
				floor := seq - 30
				set.Drop(floor)
				for n, k := range want {
					if k.seq < floor {
						delete(want, n)
					}
				}
			}
		}
		copied := NewEnded(0)
		copied.absorb(set)
		for _, s := range []*Ended{set, copied} {
			if s.Size() != int64(len(want)) {
				t.Fatalf("%d entries, want %d", s.Size(), len(want))
			}
			for n := range 8000 {
				id := numbered(kindSubject, n).id
				if got := s.subjects.epochOf(&id); got != want[n].epoch {
					t.Fatalf("the epoch of %d is %d, want %d", n, got, want[n].epoch)
				}
			}
		}
	}
}

// TestLookingUpBesideAWriterMissesNothing grows and shrinks the set under
// readers: what was added before a look-up began is found by it.
func TestLookingUpBesideAWriterMissesNothing(t *testing.T) {
	set, added := NewEnded(0), atomic.Int64{}
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for {
				n := added.Load()
				if n < 0 {
					return
				}
				if n > 0 {
					p := &Principal{SID: numbered(kindSession, rand.IntN(int(n))).id}
					if !set.Revoked(p) {
						t.Error("an ended session is not found")
						return
					}
				}
				if set.Revoked(&Principal{SID: [16]byte{5, 5}}) {
					t.Error("a living session is found")
					return
				}
				runtime.Gosched()
			}
		})
	}
	for n := range 20000 {
		set.add([]entry{numbered(kindSession, n)}, 10)
		if n%2000 == 0 {
			set.add([]entry{numbered(kindToken, n)}, 1)
			set.Drop(5)
		}
		added.Store(int64(n + 1))
	}
	added.Store(-1)
	readers.Wait()
}

// million is a set with as many ended sessions.
func million() *Ended {
	set, list := NewEnded(1_000_000), make([]entry, 0, 500)
	for n := range 1_000_000 {
		if list = append(list, numbered(kindSession, n)); len(list) == cap(list) {
			set.add(list, uint64(n))
			list = list[:0]
		}
	}
	return set
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func TestAMillionEntriesTakeLessThanAHundredMegabytes(t *testing.T) {
	before := heap()
	set := million()
	took := heap() - before
	t.Logf("%d entries from a snapshot take %d bytes each", set.Size(), took/uint64(set.Size()))
	if took > 100<<20 {
		t.Fatalf("they take %d MB", took>>20)
	}
	grown := NewEnded(0)
	grown.absorb(set)
	runtime.KeepAlive(set)
	set = nil
	if took = heap() - before; took > 100<<20 {
		t.Fatalf("grown one by one they take %d MB", took>>20)
	}
	t.Logf("grown one by one %d bytes each", took/uint64(grown.Size()))
	f := testkit.Finding{Proof: "G", Case: "1,000,000 ended sessions", Tried: "from a snapshot, and grown one by one",
		Found: fmt.Sprintf("%.1f MB grown one by one", float64(took)/1e6)}
	if testkit.Proving() { // a measurement has no place in the short form
		none, all := costOfAMillion(grown)
		f.Found += fmt.Sprintf("; the check of a remembered token takes %d ns, and %d ns with none ended", all, none)
	}
	testkit.Found(t, f)
}

// costOfAMillion are the medians of what a check takes beside an empty and a
// full set, in nanoseconds, the two measured in turns.
func costOfAMillion(full *Ended) (none, all int64) {
	var without, with []int64
	for range 7 {
		without = append(without, testing.Benchmark(func(b *testing.B) { checkBeside(b, NewEnded(0)) }).NsPerOp())
		with = append(with, testing.Benchmark(func(b *testing.B) { checkBeside(b, full) }).NsPerOp())
	}
	slices.Sort(without)
	slices.Sort(with)
	return without[3], with[3]
}

// BenchmarkCheckBesideEndings is the check of remembered tokens, many of them,
// by a Verifier that follows nothing, an empty feed, and a million endings.
func BenchmarkCheckBesideEndings(b *testing.B) {
	for _, c := range []struct {
		name string
		set  *Ended
	}{{"follows nothing", nil}, {"none", NewEnded(0)}, {"1000000", million()}} {
		b.Run(c.name, func(b *testing.B) { checkBeside(b, c.set) })
	}
}

func checkBeside(b *testing.B, set *Ended) {
	v, tokens := sessionTokens(b, set)
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		if _, err := v.Verify(b.Context(), tokens[n%len(tokens)]); err != nil {
			b.Fatal(err)
		}
		n++
	}
}

// sessionTokens puts 4,096 verified tokens of as many sessions into the memory of
// a Verifier whose view is fresh.
func sessionTokens(b *testing.B, set *Ended) (*Verifier, []string) {
	v, err := New(Options{Issuer: issuer, Keys: NewKeySet(), CacheSize: 16384})
	if err != nil {
		b.Fatal(err)
	}
	key := fixedKey(b, "ES256")
	if err := v.keys.(*KeySet).Set([]Key{key}); err != nil {
		b.Fatal(err)
	}
	prepared, err := v.keys.resolve(b.Context(), key.KID)
	if err != nil {
		b.Fatal(err)
	}
	if set != nil {
		v.follower = &follower{}
		v.follower.seen.Store(&view{ended: set, known: true, asOf: v.now()})
		v.bound = 1 << 60
	}
	c, _ := parseClaims(b64(swap(b, goodPayload, "1767323645", "4102444800")))
	token, tokens := golden(b, "ES256"), make([]string, 4096)
	for i := range tokens {
		p := c.principal(key.KID)
		binary.BigEndian.PutUint64(p.SID[8:], rand.Uint64())
		binary.BigEndian.PutUint64(p.JTI[8:], rand.Uint64())
		tokens[i] = token + string(rune('A'+i%26)) + string(rune('a'+i/26%26)) + string(rune('0'+i/676))
		v.cache.put(tokens[i], p, prepared, 0)
	}
	kept := tokens[:0]
	for _, t := range tokens {
		if v.cache.get(t) != nil {
			kept = append(kept, t)
		}
	}
	return v, kept
}
