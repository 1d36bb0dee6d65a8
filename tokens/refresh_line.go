package tokens

import (
	"encoding/binary"
	"errors"
	"time"

	"gatehouse/internal/secrets"
)

// used is a token that was exchanged within the retry window.
type used struct {
	generation uint32
	hash       secrets.Hash
	salt       [refreshSalt]byte
	at         time.Time // of its FIRST use; a repeat never renews it
}

// line is what decides over a presented token: the newest generation of a
// family and the ones exchanged lately, oldest first and without a gap.
type line struct {
	generation uint32
	hash       secrets.Hash
	recent     []used
}

// verdict is what happens to a presented token.
type verdict uint8

const (
	refuse   verdict = iota // the family or its session has ended, or may not go on
	rotate                  // the newest token: exchange it
	repeat                  // exchanged within the window: give the current token again
	reused                  // exchanged before that: two parties hold it, end everything
	future                  // genuine, but not of any past of this database
	throttle                // too many exchanges within the window
)

// maxRotations is how often a family rotates within one window. More is a
// client in a loop, and bounds what the row remembers.
const maxRotations = 16

// judge decides over a genuine token of a living family (RFC 9700, section
// 4.14.2). ANY generation first used within the window is answered with the
// current token. "Only the latest one" is not enough: of two tabs, the one
// whose request travels slowly would be logged out by the other's second
// refresh. And a fresh successor for each retry would fork the line, so that a
// thief's branch lived unseen beside the owner's.
func (l line) judge(generation uint32, hash secrets.Hash, now time.Time, window time.Duration) (verdict, int) {
	switch {
	case generation > l.generation, generation == l.generation && !secrets.Equal(hash[:], l.hash[:]):
		return future, 0
	case generation == l.generation:
		if len(l.within(now, window)) >= maxRotations {
			return throttle, 0
		}
		return rotate, 0
	}
	for i, u := range l.recent {
		if u.generation == generation && secrets.Equal(hash[:], u.hash[:]) && near(u.at, now, window) {
			return repeat, i
		}
	}
	return reused, 0
}

// within cuts off what was exchanged before the window. Only whole beginnings
// are cut, so that the rest stays a chain.
func (l line) within(now time.Time, window time.Duration) []used {
	for i, u := range l.recent {
		if near(u.at, now, window) {
			return l.recent[i:]
		}
	}
	return nil
}

// near reports whether a token was first used within the window. What was used
// further ahead than that was used before the clock went back, and nobody knows
// how long: were it near, a thief's old copy would be good for as long as the
// clock is behind, and a client that refreshes be throttled for as long.
func near(at, now time.Time, window time.Duration) bool { return now.Sub(at).Abs() <= window }

const (
	recentVersion = 1
	usedSize      = 4 + 32 + refreshSalt + 8
)

var errRecent = errors.New("tokens: the recent generations of a refresh family cannot be read")

func encodeRecent(recent []used) []byte {
	if len(recent) == 0 {
		return nil
	}
	b := append(make([]byte, 0, 1+len(recent)*usedSize), recentVersion)
	for _, u := range recent {
		b = binary.BigEndian.AppendUint32(b, u.generation)
		b = append(b, u.hash[:]...)
		b = append(b, u.salt[:]...)
		b = binary.BigEndian.AppendUint64(b, uint64(u.at.UnixMicro()))
	}
	return b
}

func decodeRecent(b []byte) ([]used, error) {
	if len(b) == 0 {
		return nil, nil
	}
	if b[0] != recentVersion || (len(b)-1)%usedSize != 0 {
		return nil, errRecent
	}
	recent := make([]used, 0, maxRotations+1)
	for b = b[1:]; len(b) > 0; b = b[usedSize:] {
		u := used{generation: binary.BigEndian.Uint32(b), at: time.UnixMicro(int64(binary.BigEndian.Uint64(b[usedSize-8:]))).UTC()}
		copy(u.hash[:], b[4:36])
		copy(u.salt[:], b[36:])
		recent = append(recent, u)
	}
	return recent, nil
}
