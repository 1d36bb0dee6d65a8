package keys

import (
	"cmp"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"

	"gorm.io/gorm"

	"gatehouse/audit"
	"gatehouse/internal/database"
	"gatehouse/internal/secrets"
	"gatehouse/models"
)

const (
	algMAC  = "HS256" // what a MAC secret is for
	macSize = 32
	// rsaBits: NIST SP 800-57 part 1, table 2 gives 2048 bits until 2030; keys
	// here live for weeks, and larger ones make each signature dearer.
	rsaBits = 2048
)

// errTaken means that another node was first; what it made is then loaded.
var errTaken = errors.New("keys: another node was first")

// complete loads the ring and makes what is missing. Every key that is there
// has been opened before the first is made, so that a wrong SECRET_KEY changes
// nothing.
func (r *Ring) complete(ctx context.Context) error {
	for range 5 {
		if err := r.Reload(ctx); err != nil {
			return err
		}
		purpose := r.missing()
		if purpose == "" {
			return nil
		}
		if err := r.create(ctx, purpose); err != nil && !errors.Is(err, errTaken) {
			return err
		}
	}
	return errors.New("keys: nodes with different SIGNING_ALG keep replacing each other's key; give all the same")
}

// missing names a purpose that has no usable key.
func (r *Ring) missing() string {
	v := r.view.Load()
	for _, name := range macs {
		if v.macs[name] == nil {
			return name
		}
	}
	for _, p := range signing {
		if s := v.signers[p.name]; s.Key == nil || s.Alg != r.algOf(p.name) {
			return p.name
		}
	}
	return ""
}

// algOf is what a purpose signs with, "" when it has no pair.
func (r *Ring) algOf(purpose string) string {
	for _, p := range signing {
		if p.name == purpose {
			return cmp.Or(p.alg, r.o.Alg)
		}
	}
	return ""
}

// create makes a key for a purpose and moves the slot to it. Making it (up to
// a second for RSA) happens before the transaction.
func (r *Ring) create(ctx context.Context, purpose string) error {
	row, err := r.generate(purpose)
	if err != nil {
		return err
	}
	old := r.view.Load().slots[purpose]
	return r.o.DB.Write(ctx, func(tx *gorm.DB) error {
		if err := moveSlot(tx, old, row); err != nil {
			return err
		}
		if err := tx.Create(&row).Error; err != nil {
			return err
		}
		if err := r.record(tx, audit.KeyCreated, row.KID, row.Purpose, row.Alg); err != nil || old == "" {
			return err
		}
		return r.retire(tx, old, row)
	})
}

func (r *Ring) generate(purpose string) (models.SigningKey, error) {
	alg := r.algOf(purpose)
	if alg == "" {
		// A secret has no thumbprint to name it, and its name is never shown.
		kid := purpose + "-" + string(secrets.EncodeBase62(secrets.Random(16)))
		row := models.SigningKey{KID: kid, Purpose: purpose, Alg: algMAC, Public: []byte{}}
		return r.seal(row, secrets.Random(macSize)), nil
	}
	key, err := generatePair(alg)
	if err != nil {
		return models.SigningKey{}, fmt.Errorf("keys: make a key for %s: %w", alg, err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return models.SigningKey{}, fmt.Errorf("keys: write a key: %w", err)
	}
	jwk, err := publicJWK(key, alg)
	if err != nil {
		return models.SigningKey{}, err
	}
	public, err := jwk.MarshalJSON()
	if err != nil {
		return models.SigningKey{}, fmt.Errorf("keys: write a public key: %w", err)
	}
	return r.seal(models.SigningKey{KID: jwk.KeyID, Purpose: purpose, Alg: alg, Public: public}, private), nil
}

func generatePair(alg string) (crypto.Signer, error) {
	switch alg {
	case EdDSA:
		_, key, err := ed25519.GenerateKey(random{})
		return key, err
	case RS256:
		return rsa.GenerateKey(random{}, rsaBits)
	}
	return ecdsa.GenerateKey(elliptic.P256(), random{})
}

// moveSlot claims the slot of row's purpose, which must still hold old ("" for
// none yet). The primary key or the row count decides between several nodes.
func moveSlot(tx *gorm.DB, old string, row models.SigningKey) error {
	if old == "" {
		err := tx.Create(&models.KeySlot{Purpose: row.Purpose, KID: row.KID, ChangedAt: row.CreatedAt}).Error
		if database.IsDuplicate(err) {
			return errTaken
		}
		return err
	}
	moved := tx.Model(&models.KeySlot{}).Where("purpose = ? AND kid = ?", row.Purpose, old).
		Updates(map[string]any{"kid": row.KID, "changed_at": row.CreatedAt})
	if moved.Error == nil && moved.RowsAffected != 1 {
		return errTaken
	}
	return moved.Error
}

// retire stops old from signing; it stays published. A revoked key stays revoked.
func (r *Ring) retire(tx *gorm.DB, old string, by models.SigningKey) error {
	done := tx.Model(&models.SigningKey{}).Where("kid = ? AND state = ?", old, StateCurrent).
		Updates(map[string]any{"state": StateRetiring, "retired_at": by.CreatedAt})
	if done.Error != nil || done.RowsAffected == 0 {
		return done.Error
	}
	return r.record(tx, audit.KeyRetired, old, by.Purpose, "")
}

func (r *Ring) record(tx *gorm.DB, action audit.Action, kid, purpose, alg string) error {
	detail := map[string]string{"kid": kid, "purpose": purpose}
	if alg != "" {
		detail["alg"] = alg
	}
	return r.o.Audit.Append(tx, audit.Event{Action: action, Outcome: audit.Success, Detail: detail})
}
