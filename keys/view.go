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

	"gatehouse/models"
)

// view is the ring at one moment. It never changes.
type view struct {
	slots   map[string]string      // purpose -> kid
	opened  map[string]opened      // by kid
	signers map[string]Signer      // by purpose
	public  map[string][]PublicKey // by purpose, the signing one first
	sets    map[string]published   // by purpose
	macs    map[string][]byte      // by purpose
}

// published is a key set as it is sent, held ready.
type published struct {
	body []byte
	etag string
}

// opened is a key whose private half has been unsealed.
type opened struct {
	row    models.SigningKey
	signer crypto.Signer // nil for a MAC secret
	secret []byte
}

// same reports whether two views answer the same.
func (v *view) same(o *view) bool {
	for _, p := range signing {
		if v.sets[p.name].etag != o.sets[p.name].etag || v.signers[p.name].KID != o.signers[p.name].KID {
			return false
		}
	}
	return maps.Equal(v.slots, o.slots)
}

func newView() *view {
	return &view{
		slots: map[string]string{}, opened: map[string]opened{}, signers: map[string]Signer{},
		public: map[string][]PublicKey{}, sets: map[string]published{}, macs: map[string][]byte{},
	}
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
	v := newView()
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
	case was.signer != nil:
		v.public[row.Purpose] = append(v.public[row.Purpose],
			PublicKey{KID: row.KID, Alg: row.Alg, Purpose: row.Purpose, Key: was.signer.Public()})
		if inUse {
			v.signers[row.Purpose] = Signer{KID: row.KID, Alg: row.Alg, Key: was.signer}
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
	return !r.o.Clock().Before(row.RetiredAt.Add(r.keptFor(row.Purpose)))
}

// keptFor is how long a key stays published after it has stopped signing.
func (r *Ring) keptFor(purpose string) time.Duration {
	if purpose == PurposeData {
		return keepData
	}
	return time.Duration(r.keep.Load()) + r.CacheFor() + keepMargin
}

// inSlot is the usable key that a slot names; without one it has no KID.
func (v *view) inSlot(slot string) models.SigningKey { return v.opened[v.slots[slot]].row }

// without is the view as if kids were not there. Their slots keep their names,
// which a change of the slot is conditioned on.
func (v *view) without(kids []string) *view {
	left := *v
	left.opened = maps.Clone(v.opened)
	for _, kid := range kids {
		delete(left.opened, kid)
	}
	return &left
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
	if !ok || algOfKey(signer) != row.Alg {
		return opened{}, fmt.Errorf("keys: %q is not a key for %s", row.KID, row.Alg)
	}
	if jwk, err := publicJWK(signer, row.Alg); err != nil || jwk.KeyID != row.KID {
		return opened{}, errors.Join(fmt.Errorf("keys: %q is not the thumbprint of its key", row.KID), err)
	}
	return opened{signer: signer}, nil
}

func algOfKey(key crypto.Signer) string {
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

// publish writes the key set of every purpose (RFC 7517, section 5), the
// signing key first.
func (v *view) publish() error {
	for _, p := range signing {
		signer, public := v.signers[p.name].KID, v.public[p.name]
		slices.SortStableFunc(public, func(a, b PublicKey) int { return rank(a.KID, signer) - rank(b.KID, signer) })
		set, err := setOf(public)
		if err != nil {
			return err
		}
		v.sets[p.name] = set
	}
	return nil
}

func setOf(public []PublicKey) (published, error) {
	set := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{}}
	for _, k := range public {
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: k.Key, KeyID: k.KID, Algorithm: k.Alg, Use: "sig"})
	}
	body, err := json.Marshal(set)
	if err != nil {
		return published{}, fmt.Errorf("keys: write the key set: %w", err)
	}
	sum := sha256.Sum256(body)
	return published{body: body, etag: `"` + base64.RawURLEncoding.EncodeToString(sum[:16]) + `"`}, nil
}

func rank(kid, signing string) int {
	if kid == signing {
		return 0
	}
	return 1
}
