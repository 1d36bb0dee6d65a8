package tokens

import (
	"context"
	"encoding/base64"
	"maps"
	"time"

	"gorm.io/gorm"

	"gatehouse/internal/apperr"
	"gatehouse/internal/database"
	"gatehouse/keys"
	"gatehouse/models"
)

// What a follower does when its view grows older than its bound.
const (
	ModeRefuse = "refuse"
	ModeAccept = "accept"
)

const (
	leastBound = time.Second
	mostBound  = 24 * time.Hour
	nonceSize  = 16
	// followerGoneAfter is how long a row stays that nobody speaks for, or twice
	// the bound of the follower where that is longer: who is forgotten is in no
	// receipt, and must not be able to accept any more.
	followerGoneAfter = 24 * time.Hour
)

// errNotYours refuses to speak for an instance of another service.
var errNotYours = apperr.New(apperr.Forbidden, "follower_of_another")

// Ack says how far a follower has applied the log, and asks how fresh that is.
type Ack struct {
	Instance models.ID
	Cursor   string
	Nonce    string
	Bound    time.Duration
	Mode     string
	// Leave says that the instance has stopped accepting tokens.
	Leave bool
}

// follower is what this node remembers of one.
type follower struct {
	service models.ID
	mode    string
	bound   time.Duration
	seen    time.Time // when its row was written
}

func (a Ack) check() error {
	nonce, err := base64.RawURLEncoding.Strict().DecodeString(a.Nonce)
	switch {
	case err != nil || len(nonce) != nonceSize, a.Instance.IsZero():
	case a.Bound < leastBound || a.Bound > mostBound:
	case a.Mode != ModeRefuse && a.Mode != ModeAccept:
	default:
		return nil
	}
	return apperr.New(apperr.Malformed, "invalid_request")
}

// Answer takes an ack and answers its question, signed. Nothing is recorded of
// an ack that is refused. The first ack of an instance registers it; from then
// on this node has read everything that was acknowledged before, so that the
// follower is not ready without it.
func (f *Feed) Answer(ctx context.Context, service models.ID, a Ack) (string, error) {
	if err := a.check(); err != nil {
		return "", err
	}
	if err := f.log.usable(); err != nil {
		return "", err
	}
	place, err := f.parse(a.Cursor)
	if err != nil {
		return "", err
	}
	if err := f.known(ctx, place.seq); err != nil {
		return "", err
	}
	if a.Leave {
		err = f.leave(ctx, service, a.Instance)
	} else {
		err = f.meet(ctx, service, a)
	}
	if err != nil {
		return "", err
	}
	if !a.Leave {
		f.log.known.hear(place, a.Instance, f.log.local())
	}
	return f.fresh(a.Nonce)
}

type freshnessClaims struct {
	Issuer   string `json:"iss"`
	LogID    string `json:"log_id"`
	Head     int64  `json:"head"`
	HeadHash string `json:"head_hash"`
	Floor    int64  `json:"floor"`
	AgeMS    int64  `json:"age_ms"`
	Nonce    string `json:"nonce"`
	IssuedAt int64  `json:"iat"`
}

// fresh reads the age before the head: a poll in between makes the answer
// better than it says, never worse.
func (f *Feed) fresh(nonce string) (string, error) {
	age := f.log.age()
	at, _ := f.log.position()
	raw, err := signJWT(f.deps.Keys.SignerFor(keys.PurposeFeed), freshnessType, freshnessClaims{
		Issuer: f.deps.Config.Issuer, LogID: at.logID.String(), Head: at.seq, HeadHash: text64(at.hash), Floor: at.floor,
		AgeMS: (age + time.Millisecond - 1).Milliseconds(), Nonce: nonce, IssuedAt: f.deps.Clock().Unix(),
	})
	if err != nil {
		return "", apperr.NotNow(time.Second, err)
	}
	return raw.Reveal(), nil
}

// meet makes sure that the instance is registered as it says. Of a known one
// the row is written when it changed, and once a minute.
func (f *Feed) meet(ctx context.Context, service models.ID, a Ack) error {
	now := f.log.local()
	f.mu.Lock()
	known, ok := f.followers[a.Instance]
	f.mu.Unlock()
	switch {
	case ok && known.service != service:
		return errNotYours
	case ok && known.mode == a.Mode && known.bound == a.Bound && elapsed(known.seen, now) < seenEvery:
		return nil
	}
	err := f.register(ctx, service, a)
	if database.IsDuplicate(err) { // another node registers it at this moment
		err = f.register(ctx, service, a)
	}
	if err != nil {
		return err
	}
	if !ok {
		if err := f.log.catchUp(ctx); err != nil {
			return err
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.forget(now)
	f.followers[a.Instance] = follower{service, a.Mode, a.Bound, now}
	return nil
}

// forget drops from memory who was not here for long. The caller holds mu.
func (f *Feed) forget(now time.Time) {
	maps.DeleteFunc(f.followers, func(_ models.ID, one follower) bool {
		return elapsed(one.seen, now) > max(followerGoneAfter, 2*one.bound)
	})
}

// register writes the row of an instance. The key decides whose it is.
func (f *Feed) register(ctx context.Context, service models.ID, a Ack) error {
	now := models.At(f.deps.Clock())
	return f.deps.DB.Write(ctx, func(tx *gorm.DB) error {
		var rows []models.Follower
		if err := tx.Where("id = ?", a.Instance).Find(&rows).Error; err != nil {
			return err
		}
		if len(rows) == 1 {
			if rows[0].ServiceID != service {
				return errNotYours
			}
			return tx.Exec("UPDATE followers SET mode = ?, bound = ?, seen_at = ? WHERE id = ? AND service_id = ?",
				a.Mode, a.Bound.Microseconds(), now, a.Instance, service).Error
		}
		var n int64
		if err := tx.Model(&models.Follower{}).Where("service_id = ?", service).Count(&n).Error; err != nil {
			return err
		}
		// More running instances of one program are a loop that makes up ids, and
		// would fill the table and every receipt.
		if most := f.deps.Config.MostInstances; most > 0 && n >= int64(most) {
			return apperr.Throttle("too_many_followers", time.Minute)
		}
		return tx.Create(&models.Follower{
			ID: a.Instance, ServiceID: service, Mode: a.Mode, Bound: a.Bound.Microseconds(), RegisteredAt: now, SeenAt: now,
		}).Error
	})
}

// leave takes the instance out. One that is not there has left already.
func (f *Feed) leave(ctx context.Context, service, instance models.ID) error {
	f.mu.Lock()
	known, ok := f.followers[instance]
	if ok && known.service == service {
		delete(f.followers, instance)
	}
	f.mu.Unlock()
	if ok && known.service != service {
		return errNotYours
	}
	n, err := f.deps.DB.Exec(ctx, "DELETE FROM followers WHERE id = ? AND service_id = ?", instance, service)
	if n == 1 {
		f.log.known.gone(instance)
	}
	return err
}

// Followers lists the instances that are registered.
func (f *Feed) Followers(ctx context.Context) ([]models.Follower, error) {
	var rows []models.Follower
	err := f.deps.DB.Read(ctx).Order("registered_at, id").Find(&rows).Error
	return rows, database.Unavailable(err)
}

// trim forgets instances that nobody spoke for in a day, or in twice their bound.
func (f *Feed) trim(ctx context.Context) error {
	f.mu.Lock()
	f.forget(f.log.local())
	f.mu.Unlock()
	now := f.deps.Clock()
	_, err := f.deps.DB.Exec(ctx, "DELETE FROM followers WHERE seen_at < ? AND seen_at + 2 * bound < ?",
		models.At(now.Add(-followerGoneAfter)), models.At(now))
	return err
}
