package keys

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"time"

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

// newSecret makes a MAC secret that is in use at once. It has no thumbprint to
// name it, and its name is never shown to anybody but operators.
func (r *Ring) newSecret(purpose string) models.SigningKey {
	kid := purpose + "-" + string(secrets.EncodeBase62(secrets.Random(16)))
	row := models.SigningKey{KID: kid, Purpose: purpose, Alg: algMAC, Public: []byte{}, State: StateCurrent}
	return r.seal(row, secrets.Random(macSize), 0)
}

// newPair makes a pair that may sign after lead. Making it takes up to a second
// for RSA, so it happens before the transaction that uses it.
func (r *Ring) newPair(purpose, alg, state string, lead time.Duration) (models.SigningKey, error) {
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
	row := models.SigningKey{KID: jwk.KeyID, Purpose: purpose, Alg: alg, Public: public, State: state}
	return r.seal(row, private, lead), nil
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

// seal completes the row of a new key, sealed for that row.
func (r *Ring) seal(row models.SigningKey, private []byte, lead time.Duration) models.SigningKey {
	now := r.o.Clock()
	row.CreatedAt, row.SignsFrom = models.At(now), models.At(now.Add(lead))
	row.Private = r.o.Box.Seal(row.TableName(), "private", place(row), private)
	return row
}

// random hands the random numbers of secrets to key generators.
type random struct{}

// Read implements io.Reader.
func (random) Read(p []byte) (int, error) { return copy(p, secrets.Random(len(p))), nil }
