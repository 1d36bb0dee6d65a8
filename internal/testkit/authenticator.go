package testkit

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"testing"

	"github.com/go-webauthn/webauthn/protocol/webauthncbor"
)

// The flags of an authenticator (WebAuthn Level 3, section 6.1).
const (
	UserPresent    = 0x01
	UserVerified   = 0x04
	BackupEligible = 0x08
	BackupState    = 0x10
	attested       = 0x40
)

// Authenticator is a browser with a software authenticator that holds one
// passkey. What it answers can be bent before it is signed.
type Authenticator struct {
	Origin, RPID string
	Flags        byte
	Count        uint32
	AAGUID       [16]byte
	ID           []byte
	UserHandle   []byte
	Algorithm    int64

	// BendClient changes the client data, BendData the authenticator data,
	// before the signature; BendAnswer the answer after it.
	BendClient func(map[string]any)
	BendData   func([]byte) []byte
	BendAnswer func(map[string]any)

	t   testing.TB
	key *ecdsa.PrivateKey
}

// NewAuthenticator makes one with a fresh key pair, for a page of origin.
func NewAuthenticator(t testing.TB, origin, rpID string) *Authenticator {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	id := make([]byte, 32)
	_, _ = rand.Read(id)
	return &Authenticator{
		Origin: origin, RPID: rpID, ID: id, Flags: UserPresent | UserVerified | BackupEligible | BackupState, Algorithm: -7, t: t, key: key,
	}
}

// passkeyRequest is what of the options of create() and get() matters here.
type passkeyRequest struct {
	Challenge string `json:"challenge"`
	User      struct {
		ID string `json:"id"`
	} `json:"user"`
}

func (a *Authenticator) request(options []byte) passkeyRequest {
	a.t.Helper()
	var in passkeyRequest
	if err := json.Unmarshal(options, &in); err != nil {
		a.t.Fatalf("options %s: %v", options, err)
	}
	return in
}

// Create answers the options of create(), the JSON inside "publicKey".
func (a *Authenticator) Create(options []byte) []byte {
	a.t.Helper()
	in := a.request(options)
	a.UserHandle = unbase64(in.User.ID)
	client := a.client("webauthn.create", in.Challenge)
	data := a.bent(append(a.data(a.Flags|attested), a.attestedData()...))
	object, err := webauthncbor.Marshal(map[string]any{"fmt": "none", "attStmt": map[string]any{}, "authData": data})
	if err != nil {
		a.t.Fatal(err)
	}
	return a.answer(map[string]any{
		"clientDataJSON": base64url(client), "attestationObject": base64url(object), "transports": []string{"internal", "hybrid", "<script>"},
	})
}

// Get answers the options of get().
func (a *Authenticator) Get(options []byte) []byte {
	a.t.Helper()
	client := a.client("webauthn.get", a.request(options).Challenge)
	data := a.bent(a.data(a.Flags))
	sum := sha256.Sum256(client)
	digest := sha256.Sum256(append(append([]byte{}, data...), sum[:]...))
	signature, err := ecdsa.SignASN1(rand.Reader, a.key, digest[:])
	if err != nil {
		a.t.Fatal(err)
	}
	response := map[string]any{
		"clientDataJSON": base64url(client), "authenticatorData": base64url(data), "signature": base64url(signature),
	}
	if a.UserHandle != nil {
		response["userHandle"] = base64url(a.UserHandle)
	}
	return a.answer(response)
}

func (a *Authenticator) client(kind, challenge string) []byte {
	client := map[string]any{"type": kind, "challenge": challenge, "origin": a.Origin, "crossOrigin": false}
	if a.BendClient != nil {
		a.BendClient(client)
	}
	return a.marshal(client)
}

func (a *Authenticator) bent(data []byte) []byte {
	if a.BendData != nil {
		return a.BendData(data)
	}
	return data
}

func (a *Authenticator) answer(response map[string]any) []byte {
	answer := map[string]any{
		"id": base64url(a.ID), "rawId": base64url(a.ID), "type": "public-key", "authenticatorAttachment": "platform",
		"clientExtensionResults": map[string]any{}, "response": response,
	}
	if a.BendAnswer != nil {
		a.BendAnswer(answer)
	}
	return a.marshal(answer)
}

// data is the authenticator data without a key (section 6.1).
func (a *Authenticator) data(flags byte) []byte {
	hash := sha256.Sum256([]byte(a.RPID))
	data := append(hash[:], flags)
	return binary.BigEndian.AppendUint32(data, a.Count)
}

func (a *Authenticator) attestedData() []byte {
	data := append([]byte{}, a.AAGUID[:]...)
	data = binary.BigEndian.AppendUint16(data, uint16(len(a.ID)))
	return append(append(data, a.ID...), a.PublicKey()...)
}

// PublicKey is the COSE key.
func (a *Authenticator) PublicKey() []byte {
	point, err := a.key.PublicKey.Bytes()
	if err != nil {
		a.t.Fatal(err)
	}
	cose, err := webauthncbor.Marshal(map[int64]any{1: 2, 3: a.Algorithm, -1: 1, -2: point[1:33], -3: point[33:]})
	if err != nil {
		a.t.Fatal(err)
	}
	return cose
}

func (a *Authenticator) marshal(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		a.t.Fatal(err)
	}
	return b
}

func base64url(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func unbase64(s string) []byte {
	b, _ := base64.RawURLEncoding.DecodeString(s)
	return b
}
