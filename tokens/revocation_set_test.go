package tokens

import (
	"encoding/binary"
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
	set := verify.NewEnded(0)
	for _, e := range []Entry{
		sidEntry(sid), {Kind: EntryToken, Target: jti.Bytes()}, subEntry(sub, 5),
		{Kind: EntryClient, Target: []byte("app"), Epoch: 5}, {Kind: EntryKey, Target: []byte("k1")},
	} {
		e.applyTo(set, 1)
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
		if got := set.Revoked(test.p); got != test.want {
			t.Errorf("%s: got %v", test.name, got)
		}
	}
	subEntry(sub, 3).applyTo(set, 2) // an older entry that is read later takes nothing back
	if !set.Revoked(p(func(p *verify.Principal) { p.Sub, p.Generation = sub, 4 })) {
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
	set := verify.NewEnded(0)
	for i := range n {
		sidEntry(number(i)).applyTo(set, int64(i/10)+1)
	}
	sidEntry(number(0)).applyTo(set, n)               // ended again, in a later batch
	sidEntry(number(1)).applyTo(set, verify.Unsealed) // read from the outbox after its batch
	sidEntry(number(n)).applyTo(set, verify.Unsealed)
	Entry{Kind: EntryKey, Target: []byte("k")}.applyTo(set, 1)
	set.Drop(501)
	for i := range n + 1 {
		want := i == 0 || i >= n/2
		if got := set.Revoked(&verify.Principal{SID: number(i)}); got != want {
			t.Fatalf("%d: got %v, want %v", i, got, want)
		}
	}
	if !set.Revoked(&verify.Principal{KeyID: "k"}) {
		t.Error("a key was forgotten")
	}
	if size := set.Size(); size != n/2+3 { // with number 0, the unsealed one and the key
		t.Errorf("%d entries, want %d", size, n/2+3)
	}
	set.Drop(n + 1)
	if size := set.Size(); size != 2 { // the unsealed one and the key
		t.Errorf("%d entries left, want 2", size)
	}
}

func TestALookUpAllocatesNothing(t *testing.T) {
	set := verify.NewEnded(0)
	for i := range 100 {
		sidEntry(number(i)).applyTo(set, 1)
		subEntry(number(i), 1).applyTo(set, 1)
	}
	Entry{Kind: EntryClient, Target: []byte("app"), Epoch: 1}.applyTo(set, 1)
	p := &verify.Principal{SID: number(1000), Sub: number(1000), JTI: number(1000), ClientID: "app", KeyID: "k"}
	if n := testing.AllocsPerRun(100, func() { set.Revoked(p) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkRevokedAmongAMillion(b *testing.B) {
	set := verify.NewEnded(0)
	for i := range 1_000_000 {
		sidEntry(number(i)).applyTo(set, 1)
	}
	p := &verify.Principal{SID: models.NewID(), Sub: models.NewID(), JTI: models.NewID(), ClientID: "gatehouse", KeyID: "k"}
	b.ReportAllocs()
	for b.Loop() {
		set.Revoked(p)
	}
}
