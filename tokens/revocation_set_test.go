package tokens

import (
	"encoding/binary"
	"strconv"
	"sync"
	"testing"

	"gatehouse/models"
	"gatehouse/verify"
)

func TestEachKindRefusesItsTokensAndNoOthers(t *testing.T) {
	sid, jti, sub := models.NewID(), models.NewID(), models.NewID()
	p := func(change func(*verify.Principal)) *verify.Principal {
		p := &verify.Principal{
			SID: models.NewID(), JTI: models.NewID(), Sub: models.NewID(), ClientID: "other", KeyID: "other",
			Generation: 5, ClientGeneration: 5, HasGeneration: true, HasClientGeneration: true,
		}
		change(p)
		return p
	}
	set := newEndedSet()
	for _, e := range []Entry{
		sidEntry(sid), {Kind: EntryToken, Target: jti.Bytes()}, subEntry(sub, 5),
		{Kind: EntryClient, Target: []byte("app"), Epoch: 5}, {Kind: EntryKey, Target: []byte("k1")},
	} {
		set.add(e, 1)
	}
	tests := []struct {
		name string
		p    *verify.Principal
		want bool
	}{
		{"nothing of it", p(func(*verify.Principal) {}), false},
		{"a token without ids", &verify.Principal{}, false},
		{"the session", p(func(p *verify.Principal) { p.SID = sid }), true},
		{"the session's id as another kind", p(func(p *verify.Principal) { p.JTI, p.Sub = sid, jti }), false},
		{"the token", p(func(p *verify.Principal) { p.JTI = jti }), true},
		{"the subject, older epoch", p(func(p *verify.Principal) { p.Sub, p.Generation = sub, 4 }), true},
		{"the subject, no epoch", p(func(p *verify.Principal) { p.Sub, p.HasGeneration = sub, false }), true},
		{"the subject, this epoch", p(func(p *verify.Principal) { p.Sub = sub }), false},
		{"the client, older epoch", p(func(p *verify.Principal) { p.ClientID, p.ClientGeneration = "app", 4 }), true},
		{"the client, no epoch", p(func(p *verify.Principal) { p.ClientID, p.HasClientGeneration = "app", false }), true},
		{"the client, this epoch", p(func(p *verify.Principal) { p.ClientID = "app" }), false},
		{"the key", p(func(p *verify.Principal) { p.KeyID = "k1" }), true},
	}
	for _, test := range tests {
		if got := set.revoked(test.p); got != test.want {
			t.Errorf("%s: got %v", test.name, got)
		}
	}
	set.add(subEntry(sub, 3), 2) // an older entry that is read later takes nothing back
	if !set.revoked(p(func(p *verify.Principal) { p.Sub, p.Generation = sub, 4 })) {
		t.Error("an epoch went down")
	}
}

// number is an id that counts.
func number(n int) (id models.ID) {
	binary.BigEndian.PutUint64(id[8:], uint64(n)+1)
	return id
}

func TestTheSetKeepsManyAndForgetsWhatIsTrimmed(t *testing.T) {
	const n = 10_000
	set := newEndedSet()
	for i := range n {
		set.add(sidEntry(number(i)), int64(i/10)+1)
	}
	set.add(sidEntry(number(0)), n)        // ended again, in a later batch
	set.add(sidEntry(number(1)), unsealed) // read from the outbox after its batch
	set.add(sidEntry(number(n)), unsealed)
	set.add(Entry{Kind: EntryKey, Target: []byte("k")}, 1)
	set.drop(501)
	for i := range n + 1 {
		want := i == 0 || i >= n/2
		if got := set.revoked(&verify.Principal{SID: number(i)}); got != want {
			t.Fatalf("%d: got %v, want %v", i, got, want)
		}
	}
	if !set.revoked(&verify.Principal{KeyID: "k"}) {
		t.Error("a key was forgotten")
	}
	if slots := len(set.sessions.table.Load().slots); slots > 4*n {
		t.Errorf("%d slots for %d entries", slots, n/2)
	}
	set.drop(n + 1)
	if set.sessions.used != 1 { // the unsealed one
		t.Errorf("%d entries left, want 1", set.sessions.used)
	}
}

func TestLookUpsBesideWritesFindWhatWasThereBefore(t *testing.T) {
	set := newEndedSet()
	old, _ := session()
	set.add(old, 7)
	var group sync.WaitGroup
	stop := make(chan struct{})
	for range 4 {
		group.Go(func() {
			p := &verify.Principal{SID: [16]byte(old.Target), ClientID: "app"}
			for {
				select {
				case <-stop:
					return
				default:
				}
				if !set.revoked(p) {
					t.Error("an ending was lost for a moment")
					return
				}
			}
		})
	}
	for i := range 20_000 {
		set.add(sidEntry(number(i)), 3)
		if i%5_000 == 0 {
			set.add(Entry{Kind: EntryClient, Target: []byte("app" + strconv.Itoa(i)), Epoch: 1}, 3)
			set.drop(5)
		}
	}
	close(stop)
	group.Wait()
}

func TestALookUpAllocatesNothing(t *testing.T) {
	set := newEndedSet()
	for i := range 100 {
		set.add(sidEntry(number(i)), 1)
		set.add(subEntry(number(i), 1), 1)
	}
	set.add(Entry{Kind: EntryClient, Target: []byte("app"), Epoch: 1}, 1)
	p := &verify.Principal{SID: number(1000), Sub: number(1000), JTI: number(1000), ClientID: "app", KeyID: "k"}
	if n := testing.AllocsPerRun(100, func() { set.revoked(p) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkRevokedAmongAMillion(b *testing.B) {
	set := newEndedSet()
	for i := range 1_000_000 {
		set.add(sidEntry(number(i)), 1)
	}
	p := &verify.Principal{SID: models.NewID(), Sub: models.NewID(), JTI: models.NewID(), ClientID: "gatehouse", KeyID: "k"}
	b.ReportAllocs()
	for b.Loop() {
		set.revoked(p)
	}
}
