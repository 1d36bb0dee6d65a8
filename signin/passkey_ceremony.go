package signin

import (
	"context"
	"encoding/base64"
	"time"

	"gorm.io/gorm"

	"gatehouse/internal/apperr"
	"gatehouse/internal/database"
	"gatehouse/internal/secrets"
	"gatehouse/models"
)

// The tunables of ceremonies. Section 13.4.3 of WebAuthn Level 3 asks for 16
// random bytes at least; section 15.1 recommends five minutes and more for a
// person to find their key.
const (
	challengeBytes = 32
	ceremonyLife   = 5 * time.Minute
)

// ceremony is what a challenge is for. It is part of the key under which a
// challenge is kept, so that an answer to one is none to another (security rule 2).
type ceremony string

const (
	ceremonyRegister    ceremony = "register"    // bound to a session
	ceremonyConditional ceremony = "conditional" // the same, by the browser's own motion
	ceremonyFirst       ceremony = "first"       // bound to half a sign-in, which goes on with a new one
	ceremonySignIn      ceremony = "sign_in"     // bound to a browser, or to a handle
	ceremonySecond      ceremony = "second"      // bound to half a sign-in
	ceremonyStepUp      ceremony = "step_up"     // bound to a session
)

// ErrPasskeyExpired answers a challenge that was used, is too old or was given
// to somebody else.
var ErrPasskeyExpired = apperr.New(apperr.Unauthenticated, "passkey_expired")

// ceremonies keeps the challenges: on the server, hashed, each for one use.
type ceremonies struct {
	db    *database.DB
	clock func() time.Time
}

// begin makes a challenge for whoever holds bound.
func (c ceremonies) begin(ctx context.Context, kind ceremony, bound string) ([]byte, error) {
	challenge, now := secrets.Random(challengeBytes), c.clock()
	key, _ := challengeKey(kind, challenge)
	holder, ok := boundKey(kind, bound)
	if !ok {
		return nil, ErrPasskeyExpired
	}
	_, err := c.db.Exec(ctx, `INSERT INTO passkey_ceremonies (kind, challenge_hash, bound_hash, created_at, expires_at) VALUES (?, ?, ?, ?, ?)`,
		string(kind), key, holder, models.At(now), models.At(now.Add(ceremonyLife)))
	return challenge, err
}

// claim uses a challenge up. Its row count is the answer, so that of any
// number of answers at once one is heard (security rule 2).
func (c ceremonies) claim(tx *gorm.DB, kind ceremony, challenge []byte, bound string) (bool, error) {
	key, ok := challengeKey(kind, challenge)
	holder, held := boundKey(kind, bound)
	if !ok || !held {
		return false, nil
	}
	now := models.At(c.clock())
	res := tx.Exec(`UPDATE passkey_ceremonies SET used_at = ?
 WHERE kind = ? AND challenge_hash = ? AND bound_hash = ? AND used_at IS NULL AND expires_at > ?`, now, string(kind), key, holder, now)
	return res.RowsAffected == 1, res.Error
}

func challengeKey(kind ceremony, challenge []byte) ([]byte, bool) {
	h, ok := secrets.HashOf("passkey/challenge/"+string(kind), base64.RawURLEncoding.EncodeToString(challenge))
	return h.Bytes(), ok
}

func boundKey(kind ceremony, bound string) ([]byte, bool) {
	h, ok := secrets.HashOf("passkey/bound/"+string(kind), bound)
	return h.Bytes(), ok
}

// trim deletes what is over, in bounded batches.
func (c ceremonies) trim(ctx context.Context) error {
	for {
		now := models.At(c.clock())
		var old []models.PasskeyCeremony
		err := c.db.Read(ctx).Select("kind", "challenge_hash").Where("expires_at <= ?", now).Limit(trimBatch).Find(&old).Error
		if err != nil || len(old) == 0 {
			return database.Unavailable(err)
		}
		err = c.db.Write(ctx, func(tx *gorm.DB) error {
			for _, one := range old {
				err := tx.Exec(`DELETE FROM passkey_ceremonies WHERE kind = ? AND challenge_hash = ?`, one.Kind, one.ChallengeHash).Error
				if err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil || len(old) < trimBatch {
			return err
		}
	}
}
