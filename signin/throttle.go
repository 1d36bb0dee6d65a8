package signin

import (
	"context"
	"encoding/binary"
	"net/netip"
	"time"

	"gorm.io/gorm"

	"gatehouse/accounts"
	"gatehouse/internal/apperr"
	"gatehouse/internal/database"
	"gatehouse/internal/ratelimit"
	"gatehouse/internal/secrets"
	"gatehouse/models"
)

// The tunables of the counters (NIST SP 800-63B-4, section 3.2.2; ASVS 5.0,
// 6.3.1); docs/throttling.md computes what they bound. After the free tries each
// try makes the next one wait, 1 s first and longer every time. No run of tries
// has more than 100. A run is forgotten after a day without a try.
const (
	defaultFree = 10
	firstDelay  = time.Second
	mostTries   = 100
	forgetAfter = 24 * time.Hour
)

// growth is how the delays of a run grow.
type growth struct {
	bits int64 // by so many powers of two with every try
	most int64 // powers of two at most, which are more than last
	last time.Duration
}

var (
	// ofAccount is that of the strangers at one account together, and that of
	// one known browser: twice as long every time.
	ofAccount = growth{bits: 1, most: 12, last: time.Hour}
	// ofNetwork is that of the strangers of one network at one account: four
	// times as long every time. A network that guesses without end waits longer
	// than the account does and so leaves gaps in which its owner gets in from
	// elsewhere.
	ofNetwork = growth{bits: 2, most: 16, last: 12 * time.Hour}
)

// errTooMany is the answer for a try that was not looked at.
var errTooMany = apperr.New(apperr.Throttled, "too_many_attempts")

// throttle counts the tries that were looked at, per account and factor,
// in the database, so that all nodes and all paths share one count.
type throttle struct {
	db    *database.DB
	box   *secrets.Box
	clock func() time.Time
	free  int // below 0 counts nothing
}

// slot is a try that was counted before its secret is compared; without a run it
// was counted nowhere.
type slot struct {
	run     []byte // of all strangers at the account, or of a known browser
	network []byte // of the strangers of one network, which counts what was wrong; nil for a known browser
	at      models.Time
}

// target is a secret that somebody guesses at, and from where.
type target struct {
	factor string
	user   *models.User // nil is nobody
	login  string
	ip     string
	// browser is that of the try when it is known for this factor of the
	// account, and none otherwise.
	browser secrets.Raw
}

// runs names the runs that a try is counted in.
//
// All names of an account share its runs, by its id. The time of the last
// password change is part of those of the password: what was tried against the
// old one says nothing about the new one, and who was locked out by a stranger
// gets in again after a reset. It is no part of the others, or a thief of the
// mailbox could reset the password for ten more guesses at the code. A name
// without an account has runs of its own, so that it behaves the same.
//
// The names are keyed hashes, because people type passwords into the wrong field
// and the table should hold neither them nor cookies.
func (t *throttle) runs(g target) slot {
	kind, parts := t.subject(g)
	if !g.browser.IsZero() {
		return slot{run: t.box.MAC(kind+"/browser", append(parts, g.browser.RevealBytes())...)}
	}
	addr, _ := netip.ParseAddr(g.ip)
	return slot{
		run:     t.box.MAC(kind, parts...),
		network: t.box.MAC(kind+"/network", append(parts, []byte(ratelimit.NetworkKey(addr)))...),
	}
}

func (t *throttle) subject(g target) (kind string, parts [][]byte) {
	if g.user != nil {
		var since [8]byte
		if g.factor == FactorKnowledge {
			binary.LittleEndian.PutUint64(since[:], uint64(g.user.PasswordChangedAt.UnixMicro()))
		}
		return "throttle/user", [][]byte{[]byte(g.factor), g.user.ID.Bytes(), since[:]}
	}
	key, _, ok := accounts.CanonicalLogin(g.login)
	if !ok {
		key = []byte(g.login)
	}
	return "throttle/name", [][]byte{[]byte(g.factor), key}
}

// reserve counts one try in its run, before its secret is compared, with one
// statement that has committed by then. It answers too_many_attempts when the try
// has to wait for that run or for that of its network, and then counts it nowhere.
func (t *throttle) reserve(ctx context.Context, s slot) (slot, error) {
	s.at = models.At(t.clock())
	if t.free < 0 {
		return slot{}, nil
	}
	ok, err := t.add(t.alone(ctx), s, counter{name: s.run, growth: ofAccount, unless: s.network})
	if err != nil {
		return slot{}, err
	}
	if !ok {
		return slot{}, t.refusal(ctx, s)
	}
	return s, nil
}

// blame counts a wrong secret of a stranger in the run of its network, in the
// transaction of its record. That run waits longer than that of the account, which
// has counted the try already and so bounds those that are looked at meanwhile.
func (t *throttle) blame(tx *gorm.DB, s slot) error {
	if s.network == nil {
		return nil
	}
	_, err := t.add(inside(tx), s, counter{name: s.network, growth: ofNetwork})
	return err
}

// exec is how a statement is run.
type exec func(query string, args ...any) (rows int64, err error)

func (t *throttle) alone(ctx context.Context) exec {
	return func(query string, args ...any) (int64, error) { return t.db.Exec(ctx, query, args...) }
}

func inside(tx *gorm.DB) exec {
	return func(query string, args ...any) (int64, error) { return database.Exec(tx, query, args...) }
}

// refusal says how long to wait: until both runs are open. When they are by now,
// the next try may be made at once.
func (t *throttle) refusal(ctx context.Context, s slot) error {
	var next, tried int64
	err := t.db.ReadRow(ctx, `SELECT COALESCE(MAX(next_at), 0), COALESCE(MAX(updated_at), 0) FROM throttle_counters WHERE bucket = ? OR bucket = ?`,
		s.run, s.network).Scan(&next, &tried)
	if err != nil {
		return database.Unavailable(err)
	}
	if tried > s.at.UnixMicro()+apart.Microseconds() {
		return t.rewind(ctx, s)
	}
	wait := time.Duration(next-s.at.UnixMicro()) * time.Microsecond
	return apperr.Throttle(errTooMany.Reason, max(wait, time.Second))
}

// apart is how far the clocks of two nodes may be from each other.
const apart = time.Minute

// rewind brings runs into the present whose last try was made before the clock
// went back. The whole delay begins again, so that a guesser gains nothing by it,
// and the owner waits for no more than that, and not for as long as the clock is
// behind. next_at comes first, because MySQL would see the new updated_at in it.
func (t *throttle) rewind(ctx context.Context, s slot) error {
	now := s.at.UnixMicro()
	_, err := t.db.Exec(ctx, `UPDATE throttle_counters SET
 next_at = CASE WHEN next_at > updated_at THEN next_at - updated_at + ? ELSE 0 END, updated_at = ?
 WHERE (bucket = ? OR bucket = ?) AND updated_at > ?`, now, now, s.run, s.network, now+apart.Microseconds())
	if err != nil {
		return err
	}
	return t.refusal(ctx, s)
}

// giveBack takes a try out of the count whose secret was never compared,
// because the queue was full or the caller went away: refused tries do not
// count (security rule 13). It runs when the caller may be gone already.
func (t *throttle) giveBack(ctx context.Context, s slot) {
	if s.run == nil {
		return
	}
	ctx, cancel := database.Afterwards(ctx)
	defer cancel()
	// A failure leaves one try counted too many, which is the safe side. A run is
	// open again only if its delay is that of this try.
	_, _ = t.db.Exec(ctx, `UPDATE throttle_counters SET tries = tries - 1,
 next_at = CASE WHEN updated_at = ? THEN 0 ELSE next_at END WHERE bucket = ? AND tries > 0`, s.at, s.run)
}

// These take out of the run of all strangers what the network of a right secret
// has put in, this try included, and nothing of what others have: the typing
// mistakes of somebody who gets it right in the end are forgotten, and guesses
// from elsewhere are not.
// A guesser gets no new run by it, however often a program without a cookie signs
// in. The delay that this very try began ends with it: the run was open, or it would
// not have been looked at, and a program that signs in all the time would be kept
// out by its own tries long after the last guess. The join reads the tries of the
// network before they are changed; next_at comes first, because MySQL would see the
// new tries in it.
const (
	forgiven = ` next_at = CASE WHEN tries < ? + own.n OR updated_at = ? THEN 0 ELSE next_at END,
 tries = CASE WHEN tries > own.n THEN tries - own.n ELSE 0 END`
	ownTries = ` (SELECT COALESCE(MAX(tries), 0) + 1 AS n FROM throttle_counters WHERE bucket = ?) own`

	forgiveSQLite = `UPDATE throttle_counters SET` + forgiven + ` FROM` + ownTries + ` WHERE bucket = ? OR bucket = ?`
	forgiveMySQL  = `UPDATE throttle_counters,` + ownTries + ` SET` + forgiven + ` WHERE bucket = ? OR bucket = ?`
)

// forgive ends the run of a success, in its transaction: that of the browser, or
// that of the network.
func (t *throttle) forgive(tx *gorm.DB, s slot) (err error) {
	switch {
	case s.run == nil:
	case s.network == nil:
		_, err = database.Exec(tx, `DELETE FROM throttle_counters WHERE bucket = ?`, s.run)
	case t.db.Dialect() == database.MySQL:
		_, err = database.Exec(tx, forgiveMySQL, s.network, int64(t.free), s.at, s.run, s.network)
	default:
		_, err = database.Exec(tx, forgiveSQLite, int64(t.free), s.at, s.network, s.run, s.network)
	}
	return err
}
