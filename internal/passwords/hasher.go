package passwords

import (
	"bytes"
	"context"
	"runtime"
	"time"

	"gatehouse/internal/apperr"
	"gatehouse/internal/metrics"
	"gatehouse/internal/secrets"
)

// Options are the tunables of a Hasher. Zero values stand for the defaults.
type Options struct {
	// Concurrency is how many hashes run at once; 0 is one a processor.
	Concurrency int
	// Queue is how many callers may wait behind them; 0 is 64 a slot, which is
	// about two seconds of work.
	Queue int
	// MaxWait is how long a caller waits before it is told "busy"; 0 is 5 s.
	MaxWait time.Duration
	// Params is the cost of new hashes; zero is DefaultParams. Only tests lower it.
	Params Params
	// MinLength is the shortest password accepted, in characters; 0 is 8.
	MinLength int
	// Words are those of this site (product, operator, host), which no password
	// may be made of.
	Words []string
	// Breached is the operator's list of passwords that leaked, or nil.
	Breached *Breached
	// Fault is told when Breached cannot be read, or nil.
	Fault func(error)
	// Clock measures how long hashes take, from which waiting is estimated. nil
	// estimates nothing: the bounds of the queue alone then decide.
	Clock func() time.Time
	// Metrics may be nil.
	Metrics *metrics.Metrics
}

// The defaults of Options.
const (
	queuePerSlot   = 64
	defaultMaxWait = 5 * time.Second
	// NIST SP 800-63B-4, section 3.1.1.2: 15 characters alone, 8 with a second
	// factor. 8 is the floor, the pages recommend 15.
	defaultMinLength = 8
)

// Hasher makes and checks password hashes. It is safe for concurrent use.
type Hasher struct {
	queue     *queue
	memory    *buffers
	params    Params
	minLength int
	words     []string
	breached  *Breached
	fault     func(error)
	// dummy is what is checked when there is no hash to check.
	dummy argonHash
}

// New makes a Hasher. It computes nothing, so that a start stays quick.
func New(o Options) *Hasher {
	if o.Concurrency <= 0 {
		o.Concurrency = runtime.GOMAXPROCS(0)
	}
	if o.Queue <= 0 {
		o.Queue = queuePerSlot * o.Concurrency
	}
	if o.MaxWait <= 0 {
		o.MaxWait = defaultMaxWait
	}
	if o.Params == (Params{}) {
		o.Params = DefaultParams()
	}
	if o.MinLength <= 0 {
		o.MinLength = defaultMinLength
	}
	if o.Fault == nil {
		o.Fault = func(error) {}
	}
	h := &Hasher{
		queue: newQueue(queueOptions{
			slots: o.Concurrency, limit: o.Queue, maxWait: o.MaxWait, clock: o.Clock, metrics: o.Metrics,
		}),
		memory:    newBuffers(o.Params),
		params:    o.Params,
		minLength: o.MinLength,
		words:     o.Words,
		breached:  o.Breached,
		fault:     o.Fault,
	}
	h.dummy = h.newHash(secrets.Random(tagLen))
	return h
}

// newHash is a hash of our cost, in the memory of the slots.
func (h *Hasher) newHash(tag []byte) argonHash {
	made := newArgonHash(h.params, tag)
	made.memory = h.memory
	return made
}

// Ready is the error "busy" when a hash that is asked for now would be refused.
// Asked before what comes first (the write that counts a try), it makes a
// refusal in a rush cost nothing but the request.
func (h *Hasher) Ready(ctx context.Context) error { return h.queue.ready(ctx) }

// Strangers is how many callers without priority wait for a hash, and how many
// may wait in all.
func (h *Hasher) Strangers() (waiting, limit int) { return h.queue.strangers() }

// Slots is how many hashes are computed at once.
func (h *Hasher) Slots() int { return h.queue.slots }

// MinLength is the shortest password accepted, in characters.
func (h *Hasher) MinLength() int { return h.minLength }

// Hash returns password as an argon2id string in the PHC form. It waits its
// turn in the queue; a full queue or a turn that comes too late is the error
// "busy". A password that can't be used at all is an error on its field;
// whether it is a good one is the question of Check.
func (h *Hasher) Hash(ctx context.Context, password string) (string, error) {
	prepared, reason := prepare(password)
	if reason != "" {
		return "", apperr.InvalidField("password", reason)
	}
	made := h.newHash(nil)
	err := h.queue.run(ctx, 1, func() { made.tag = made.compute(prepared) })
	if err != nil {
		return "", err
	}
	return made.String(), nil
}

// Result is what a comparison found.
type Result struct {
	// OK is true when the password is the one that was hashed.
	OK bool
	// Rehash is true when the password is right and its hash is not what Hash
	// would make today: store a new one, so that all accounts cost the same.
	Rehash bool
	// MustChange is true when the password is right and its hash is so weak
	// that it has to be changed before it opens anything: md5-crypt, and
	// digests without a salt. It is not re-hashed, so that the demand stays
	// until the change.
	MustChange bool
}

// Verify compares password with an encoded hash. Without a hash (an account
// that doesn't exist or has no password), and with one it can't read, it does
// the work of a current hash all the same and says no, so that time doesn't
// tell which accounts exist (OWASP ASVS 5.0, 6.3.8). A hash that is cheaper
// than ours is padded to it.
func (h *Hasher) Verify(ctx context.Context, password, encoded string) (Result, error) {
	prepared, reason := prepare(password)
	stored, err := parse(encoded)
	possible := reason == "" && err == nil
	if !possible {
		stored = h.dummy
	}
	var matched bool
	err = h.queue.run(ctx, h.weight(stored), func() {
		matched = h.compare(stored, []byte(password), prepared)
		h.pad(stored, prepared)
		h.tidy(stored)
	})
	if err != nil {
		return Result{}, err
	}
	ok := possible && matched
	weak := stored.weak()
	return Result{OK: ok, Rehash: ok && !weak && !stored.current(h.params), MustChange: ok && weak}, nil
}

// compare hands each scheme the bytes that were hashed: argon2, which is ours,
// the form NFC, every other system what was typed. An argon2 hash that is not
// ours may have been made of either.
func (h *Hasher) compare(stored scheme, typed, prepared []byte) bool {
	argon, ok := stored.(argonHash)
	if !ok {
		return stored.match(typed)
	}
	argon.memory = h.memory
	matched := argon.match(prepared)
	if !matched && !argon.current(h.params) && !bytes.Equal(typed, prepared) {
		return argon.match(typed)
	}
	return matched
}

// tidy collects what a comparison with an imported scrypt hash left that needed
// more memory than ours, while its slots are still held: left alone, dead
// buffers of a quarter of a gigabyte would lie beside the next one's. It happens
// once an account, because a right password gets a hash of ours.
func (h *Hasher) tidy(stored scheme) {
	if _, argon := stored.(argonHash); !argon && h.weight(stored) > 1 {
		runtime.GC()
	}
}

// CheckEncoded says why an encoded hash of another system can't be taken over,
// or nil. Costs beyond our caps are refused here, because a hash that takes
// minutes to check is a way to stop the server.
func CheckEncoded(encoded string) error {
	_, err := parse(encoded)
	return err
}

// Weak reports whether an encoded hash is taken over only with a change of the
// password.
func Weak(encoded string) bool {
	s, err := parse(encoded)
	return err == nil && s.weak()
}

// weight is how many slots a comparison takes: as many as current hashes would
// fill its memory, so that imported hashes keep the bound on memory.
func (h *Hasher) weight(stored scheme) int64 {
	own := int64(max(h.params.MemoryKiB, 1))
	return max(1, (stored.memoryKiB()+own-1)/own)
}
