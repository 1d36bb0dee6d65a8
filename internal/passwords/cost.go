package passwords

// The unit of work is one KiB-pass of argon2id: our own hash is memory times
// passes of them. The other schemes are estimated in it from measurements on
// one machine (BenchmarkWork), so that a cheap hash of another system can be
// padded to the time of ours. The estimates need not be exact: docs/migration
// states what time can still tell.
const (
	workScryptKiB = 5 // units a KiB of scrypt

	// Rounds for one unit.
	workSHA1Rounds        = 2
	workSHA256Rounds      = 2
	workSHA512Rounds      = 1
	workSHA256CryptRounds = 2
	workSHA512CryptRounds = 2
	workMD5Rounds         = 4

	workBcryptRound = 100 // units a round; a hash has 2^cost of them
)

// leastPad is the least memory of a padding hash; less is not worth its time.
const leastPad = 64

func (p Params) work() int64 { return int64(p.MemoryKiB) * int64(p.Time) }

// pad does what a cheap hash of another system lacks to the time of ours.
// Without it a stranger would learn from one wrong password that an account
// exists and where it came from, because SSHA answers in a microsecond and a
// current hash in tens of milliseconds (OWASP ASVS 5.0, 6.3.8).
func (h *Hasher) pad(stored scheme, password []byte) {
	if memory := h.padMemory(stored); memory > 0 {
		filler := h.dummy
		filler.params.MemoryKiB = uint32(memory)
		filler.compute(password)
	}
}

// padMemory is the memory of the padding hash, 0 when none is needed.
func (h *Hasher) padMemory(stored scheme) int64 {
	rest := (h.params.work() - stored.work()) / int64(max(h.params.Time, 1))
	if rest < leastPad {
		return 0
	}
	return max(rest, 8*int64(h.params.Threads))
}
