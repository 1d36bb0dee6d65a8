package passwords

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"

	"gatehouse/internal/apperr"
)

// cheap is the least cost that argon2 allows, so that tests are quick.
var cheap = Params{MemoryKiB: 8, Time: 1, Threads: 1}

func cheapHasher() *Hasher { return New(Options{Params: cheap, Concurrency: 2}) }

func verify(t *testing.T, h *Hasher, password, encoded string) Result {
	t.Helper()
	r, err := h.Verify(t.Context(), password, encoded)
	if err != nil {
		t.Fatalf("Verify(%q): %v", encoded, err)
	}
	return r
}

func hashOf(t *testing.T, h *Hasher, password string) string {
	t.Helper()
	encoded, err := h.Hash(t.Context(), password)
	if err != nil {
		t.Fatal(err)
	}
	return encoded
}

func TestAHashMatchesItsPasswordAndNoOther(t *testing.T) {
	h := cheapHasher()
	encoded := hashOf(t, h, "four plain words here")
	if r := verify(t, h, "four plain words here", encoded); r != (Result{OK: true}) {
		t.Errorf("right password: %+v", r)
	}
	for _, wrong := range []string{"", "four plain words her", "four plain words here ", "Four plain words here"} {
		if r := verify(t, h, wrong, encoded); r.OK || r.Rehash {
			t.Errorf("%q: %+v", wrong, r)
		}
	}
	if again := hashOf(t, h, "four plain words here"); again == encoded {
		t.Error("two hashes of one password are equal: the salt is not random")
	}
}

func TestTheDefaultCostIsWrittenAsAPHCString(t *testing.T) {
	encoded := hashOf(t, New(Options{}), "four plain words here")
	if !strings.HasPrefix(encoded, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Error(encoded)
	}
	if r := verify(t, New(Options{}), "four plain words here", encoded); r != (Result{OK: true}) {
		t.Errorf("%+v", r)
	}
}

func TestTheArgon2TestVectorOfAnotherImplementationMatches(t *testing.T) {
	// From the test suite of the reference implementation (phc-winner-argon2,
	// src/test.c): argon2id, t=2, m=256, p=1, "password", "somesalt".
	const encoded = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"
	if r := verify(t, cheapHasher(), "password", encoded); r != (Result{OK: true, Rehash: true}) {
		t.Errorf("%+v", r)
	}
}

func TestImportedHashesMatchAndAskToBeReplaced(t *testing.T) {
	h := cheapHasher()
	salt := []byte("0123456789abcdef")
	for name, a := range map[string]argonHash{
		"argon2i":      {kind: "argon2i", params: Params{64, 3, 1}, salt: salt, tag: argon2.Key([]byte("pässword"), salt, 3, 64, 1, 32)},
		"other cost":   {kind: "argon2id", params: Params{64, 2, 2}, salt: salt, tag: argon2.IDKey([]byte("pässword"), salt, 2, 64, 2, 32)},
		"short tag":    {kind: "argon2id", params: cheap, salt: salt, tag: argon2.IDKey([]byte("pässword"), salt, 1, 8, 1, 16)},
		"short salt":   {kind: "argon2id", params: cheap, salt: salt[:8], tag: argon2.IDKey([]byte("pässword"), salt[:8], 1, 8, 1, 32)},
		"64 byte tags": {kind: "argon2id", params: cheap, salt: salt, tag: argon2.IDKey([]byte("pässword"), salt, 1, 8, 1, 64)},
	} {
		if r := verify(t, h, "pässword", a.String()); r != (Result{OK: true, Rehash: true}) {
			t.Errorf("%s: %+v", name, r)
		}
		if r := verify(t, h, "passwort", a.String()); r != (Result{}) {
			t.Errorf("%s with a wrong password: %+v", name, r)
		}
	}
}

func TestBcryptNeverComparesACutPassword(t *testing.T) {
	h := cheapHasher()
	long := strings.Repeat("a", 72)
	made, err := bcrypt.GenerateFromPassword([]byte(long), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	for _, prefix := range []string{"$2a$", "$2b$", "$2y$"} {
		encoded := prefix + string(made[4:])
		if r := verify(t, h, long, encoded); r != (Result{OK: true, Rehash: true}) {
			t.Errorf("72 bytes, %s: %+v", prefix, r)
		}
		for _, wrong := range []string{long + "b", long[:71], long[:71] + "b"} {
			if r := verify(t, h, wrong, encoded); r.OK {
				t.Errorf("%d bytes matched a hash of 72, %s", len(wrong), prefix)
			}
		}
	}
	ab, _ := bcrypt.GenerateFromPassword([]byte("ab"), bcrypt.MinCost)
	if r := verify(t, h, "ab\x00ab", string(ab)); r.OK {
		t.Error(`"ab\0ab" matched the bcrypt hash of "ab"`)
	}
}

func TestNothingMatchesWithoutAHash(t *testing.T) {
	h := cheapHasher()
	for _, encoded := range []string{"", "x", "$argon2id$", "$2x$04$" + strings.Repeat("a", 53), "plain", "$1$abc$def"} {
		for _, password := range []string{"", "x", "plain", "password"} {
			if r := verify(t, h, password, encoded); r != (Result{}) {
				t.Errorf("%q matched %q", password, encoded)
			}
		}
	}
}

// The memory that argon2 fills stands for the work here: unlike a time, it is
// the same on a busy machine.
func TestAMissingHashCostsAsMuchAsARealOne(t *testing.T) {
	h := New(Options{Params: Params{MemoryKiB: 16 * 1024, Time: 1, Threads: 1}, Concurrency: 1})
	h.memory, h.dummy.memory = nil, nil // each hash then takes new memory, which is counted
	encoded := hashOf(t, h, "four plain words here")
	filled := func(password, encoded string) uint64 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		verify(t, h, password, encoded)
		runtime.ReadMemStats(&after)
		return (after.TotalAlloc - before.TotalAlloc) >> 20
	}
	known := filled("wrong", encoded)
	for name, mib := range map[string]uint64{
		"unknown account":   filled("wrong", ""),
		"unreadable hash":   filled("wrong", "$5$what"),
		"unusable password": filled("wr\x00ng", encoded),
		"too long":          filled(strings.Repeat("x", 2000), encoded),
	} {
		if mib != known || mib < 16 {
			t.Errorf("%s filled %d MiB, a wrong password %d", name, mib, known)
		}
	}
}

func TestUnusablePasswordsAreNotHashed(t *testing.T) {
	h := cheapHasher()
	for password, reason := range map[string]string{
		"nul\x00inside":             "unusable",
		"tab\tinside":               "unusable",
		"not\xffutf8":               "unusable",
		"c1 \u0085 control":         "unusable",
		strings.Repeat("x", 1025):   "too_long",
		strings.Repeat("é", 513):    "too_long",
		strings.Repeat("x", 10_000): "too_long",
	} {
		_, err := h.Hash(t.Context(), password)
		if got := apperr.From(err); got == nil || got.Fields["password"].Reason != reason {
			t.Errorf("%.20q: %v, want %s", password, err, reason)
		}
	}
	longest := strings.Repeat("x", 1024)
	if r := verify(t, h, longest, hashOf(t, h, longest)); !r.OK {
		t.Error("1,024 bytes were not accepted")
	}
	if r := verify(t, h, longest[:1023], hashOf(t, h, longest)); r.OK {
		t.Error("the last byte of 1,024 doesn't count")
	}
}

func TestOnePasswordIsTheSameHoweverItIsTyped(t *testing.T) {
	h := cheapHasher()
	encoded := hashOf(t, h, "cafe\u0301 au lait")
	if r := verify(t, h, "caf\u00e9 au lait", encoded); !r.OK {
		t.Error("NFC and NFD of one password differ")
	}
}

func TestMoreCallersThanTheQueueHoldsAreToldToComeBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := New(Options{Params: cheap, Concurrency: 1, Queue: 1, MaxWait: 3 * time.Second})
		release := make(chan struct{})
		go func() { _ = h.queue.run(context.Background(), 1, func() { <-release }) }()
		synctest.Wait()
		go func() { _ = h.queue.run(context.Background(), 1, func() {}) }()
		synctest.Wait()
		_, err := h.Hash(t.Context(), "four plain words here")
		e := apperr.From(err)
		if e == nil || e.Kind != apperr.Unavailable || e.Reason != "busy" || e.RetryAfter != time.Second {
			t.Errorf("got %v", err)
		}
		if _, err := h.Verify(t.Context(), "four plain words here", ""); apperr.Reason(err) != "busy" {
			t.Errorf("a check of nothing has to queue as well: %v", err)
		}
		close(release)
		synctest.Wait()
		if _, err := h.Hash(t.Context(), "four plain words here"); err != nil {
			t.Errorf("after the rush: %v", err)
		}
	})
}

func TestACallerWhoGoesAwayLeavesTheQueue(t *testing.T) {
	h := cheapHasher()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := h.Hash(ctx, "four plain words here")
	if !errors.Is(err, context.Canceled) || apperr.Reason(err) != "busy" {
		t.Errorf("got %v", err)
	}
}
