package mail

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"testing"
)

// What is taken for a key signs: a wrong one stops the start and not a mail.
func FuzzDKIMKey(f *testing.F) {
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	_, edwards, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	for _, key := range []any{edwards, curve} {
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})))
	}
	f.Add("-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n")
	f.Add("-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n")
	f.Fuzz(func(t *testing.T, key string) {
		o, err := newSigner("example.com", "gh1", key)
		if err != nil {
			return
		}
		if _, err := (&transport{sign: o}).signed([]byte("From: a@example.com\r\nTo: b@example.com\r\nSubject: x\r\n\r\ny\r\n")); err != nil {
			t.Errorf("a key that was accepted does not sign: %v", err)
		}
	})
}
