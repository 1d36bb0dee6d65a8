package keys

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	jose "github.com/go-jose/go-jose/v4"
	"gorm.io/gorm"

	"gatehouse/internal/secrets"
	"gatehouse/models"
)

// view is the ring at one moment. It never changes.
type view struct {
	slots  map[string]string // purpose -> kid
	opened map[string]opened // by kid
	signer Signer
	public []PublicKey
	jwks   []byte
	etag   string
	macs   map[string][]byte
}

// opened is a key whose private half has been unsealed.
type opened struct {
	row    models.SigningKey
	signer crypto.Signer // nil for a MAC secret
	secret []byte
}

// same reports whether two views answer the same.
func (v *view) same(o *view) bool {
	return v.etag == o.etag && v.signer.KID == o.signer.KID && maps.Equal(v.slots, o.slots)
}

// load reads and opens the ring. It reads the slots first: the keys read after
// them are then never older than the slots that name them.
func (r *Ring) load(ctx context.Context, old *view) (*view, error) {
	var slots []models.KeySlot
	var rows []models.SigningKey
	err := r.o.DB.CausalRead(ctx, func(tx *gorm.DB) error {
		if err := tx.Find(&slots).Error; err != nil {
			return err
		}
		return tx.Where("state <> ?", StateRevoked).Order("created_at DESC, kid").Find(&rows).Error
	})
	if err != nil {
		return nil, err
	}
	v := &view{slots: map[string]string{}, opened: map[string]opened{}, macs: map[string][]byte{}}
	for _, s := range slots {
		v.slots[s.Purpose] = s.KID
	}
	for _, row := range rows {
		if err := r.take(v, row, old.opened[row.KID]); err != nil {
			return nil, err
		}
	}
	return v, v.publish()
}

// take opens one row into v, unless nothing needs it any more.
func (r *Ring) take(v *view, row models.SigningKey, was opened) error {
	inUse := v.slots[row.Purpose] == row.KID
	if !inUse && row.State == StateRetiring && r.outlived(row) {
		return nil
	}
	if !bytes.Equal(was.row.Private, row.Private) || !bytes.Equal(place(was.row), place(row)) {
		var err error
		if was, err = r.open(row); err != nil {
			return err
		}
	}
	was.row = row
	v.opened[row.KID] = was
	switch {
	case was.signer == nil && inUse:
		v.macs[row.Purpose] = was.secret
	case was.signer != nil && row.Purpose == PurposeAccess:
		v.public = append(v.public, PublicKey{KID: row.KID, Alg: row.Alg, Purpose: row.Purpose, Key: was.signer.Public()})
		if inUse {
			v.signer = Signer{KID: row.KID, Alg: row.Alg, Key: was.signer}
		}
	}
	return nil
}

// place is what a private half is bound to: its kid, and what it is for, so
// that no edit of a row makes a key of one purpose serve another.
func place(row models.SigningKey) []byte {
	return []byte(row.KID + "\x00" + row.Purpose + "\x00" + row.Alg)
}

// outlived reports whether all that a retiring key signed has expired.
func (r *Ring) outlived(row models.SigningKey) bool {
	end := row.RetiredAt.Add(time.Duration(r.keep.Load()) + keepMargin)
	return !r.o.Clock().Before(end)
}

// open unseals a row. The public half is made from the private one, and the
// kid of a pair must be its thumbprint; what else the row says is not believed.
func (r *Ring) open(row models.SigningKey) (opened, error) {
	plain, err := r.o.Box.Open(models.SigningKey{}.TableName(), "private", place(row), row.Private)
	if err != nil {
		return opened{}, fmt.Errorf("%w: %s key %q", ErrSecretKey, row.Purpose, row.KID)
	}
	if row.Alg == algMAC {
		return opened{secret: plain}, nil
	}
	key, err := x509.ParsePKCS8PrivateKey(plain)
	if err != nil {
		return opened{}, fmt.Errorf("keys: %q does not hold a private key: %w", row.KID, err)
	}
	signer, ok := key.(crypto.Signer)
	if !ok || algOf(signer) != row.Alg {
		return opened{}, fmt.Errorf("keys: %q is not a key for %s", row.KID, row.Alg)
	}
	if jwk, err := publicJWK(signer, row.Alg); err != nil || jwk.KeyID != row.KID {
		return opened{}, errors.Join(fmt.Errorf("keys: %q is not the thumbprint of its key", row.KID), err)
	}
	return opened{signer: signer}, nil
}

func algOf(key crypto.Signer) string {
	switch key.(type) {
	case *ecdsa.PrivateKey:
		return ES256
	case ed25519.PrivateKey:
		return EdDSA
	case *rsa.PrivateKey:
		return RS256
	}
	return ""
}

// publicJWK is the public half as a JWK whose kid is its thumbprint (RFC 7638),
// so that one kid can never name two keys.
func publicJWK(key crypto.Signer, alg string) (jose.JSONWebKey, error) {
	jwk := jose.JSONWebKey{Key: key.Public(), Algorithm: alg, Use: "sig"}
	sum, err := jwk.Thumbprint(crypto.SHA256)
	if err != nil {
		return jose.JSONWebKey{}, fmt.Errorf("keys: thumbprint: %w", err)
	}
	jwk.KeyID = base64.RawURLEncoding.EncodeToString(sum)
	return jwk, nil
}

// publish writes the key set (RFC 7517, section 5), the signing key first.
func (v *view) publish() error {
	slices.SortStableFunc(v.public, func(a, b PublicKey) int {
		return rank(a.KID, v.signer.KID) - rank(b.KID, v.signer.KID)
	})
	set := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{}}
	for _, k := range v.public {
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: k.Key, KeyID: k.KID, Algorithm: k.Alg, Use: "sig"})
	}
	body, err := json.Marshal(set)
	if err != nil {
		return fmt.Errorf("keys: write the key set: %w", err)
	}
	sum := sha256.Sum256(body)
	v.jwks, v.etag = body, `"`+base64.RawURLEncoding.EncodeToString(sum[:16])+`"`
	return nil
}

func rank(kid, signing string) int {
	if kid == signing {
		return 0
	}
	return 1
}

// seal makes the row of a new key, sealed for that row.
func (r *Ring) seal(row models.SigningKey, private []byte) models.SigningKey {
	now := models.At(r.o.Clock())
	row.State, row.CreatedAt, row.SignsFrom = StateCurrent, now, now
	row.Private = r.o.Box.Seal(row.TableName(), "private", place(row), private)
	return row
}

// random hands the random numbers of secrets to key generators.
type random struct{}

// Read implements io.Reader.
func (random) Read(p []byte) (int, error) { return copy(p, secrets.Random(len(p))), nil }
