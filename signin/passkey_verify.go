package signin

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"slices"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/protocol/webauthncbor"
	"github.com/go-webauthn/webauthn/protocol/webauthncose"

	"gatehouse/models"
)

// passkeyAlgorithms are the signatures that we take, the favourite first
// (WebAuthn Level 3, section 5.4.3: ES256, EdDSA and RS256 are what a relying
// party should offer). What is not listed is refused at both ceremonies, so
// that an imported key cannot bring SHA-1 with it.
var passkeyAlgorithms = []int64{
	int64(webauthncose.AlgES256), int64(webauthncose.AlgEdDSA), int64(webauthncose.AlgRS256),
	int64(webauthncose.AlgES384), int64(webauthncose.AlgES512),
}

const (
	maxCredentialID = 1023 // Level 3, section 7.1, step 25
	maxPublicKey    = 2048 // what the column holds
)

// refusedCheck is which check of section 7.1 or 7.2 an answer failed. It goes
// to the record and to no visitor.
type refusedCheck string

func (r refusedCheck) Error() string { return "passkey: " + string(r) }

// expectation is what an answer must be true to.
type expectation struct {
	challenge []byte
	rpID      string
	origins   []string
	// verified asks for user verification; absent waives even presence, which
	// is for conditional create alone (section 7.1, step 15).
	verified, absent bool
}

// answer is what was read of a ceremony's answer before anything is believed.
type answer struct {
	client       clientData
	challenge    []byte
	credentialID []byte
}

func read(clientJSON, id []byte) (answer, error) {
	client, err := parseClientData(clientJSON)
	if err != nil {
		return answer{}, refusedCheck("client_data")
	}
	challenge, ok := challengeOf(client)
	if !ok {
		return answer{}, refusedCheck("challenge")
	}
	if len(id) == 0 || len(id) > maxCredentialID {
		return answer{}, refusedCheck("credential_id")
	}
	return answer{client, challenge, id}, nil
}

// checkClient is steps 7 to 11 of section 7.1 and 10 to 14 of section 7.2. The
// library compares origins without regard to case, path and query; ours is the
// stricter of the two, and both run.
func (e expectation) checkClient(a answer, kind protocol.CeremonyType) error {
	switch {
	case a.client.Type != string(kind):
		return refusedCheck("type")
	case !bytes.Equal(a.challenge, e.challenge):
		return refusedCheck("challenge")
	case !slices.Contains(e.origins, a.client.Origin):
		return refusedCheck("origin")
	// No page of ours is meant to be framed, so that a ceremony inside a frame
	// is somebody else's idea (section 13.4.8).
	case a.client.CrossOrigin:
		return refusedCheck("cross_origin")
	case a.client.TopOrigin:
		return refusedCheck("top_origin")
	}
	return nil
}

// checkData is steps 14 to 18 of section 7.1 and 15 to 18 of section 7.2.
func (e expectation) checkData(data protocol.AuthenticatorData) error {
	want, flags := sha256.Sum256([]byte(e.rpID)), data.Flags
	switch {
	case !bytes.Equal(data.RPIDHash, want[:]):
		return refusedCheck("rp_id")
	case !e.absent && !flags.HasUserPresent():
		return refusedCheck("user_present")
	case e.verified && !flags.HasUserVerified():
		return refusedCheck("user_verified")
	case flags.HasBackupState() && !flags.HasBackupEligible():
		return refusedCheck("backup_state")
	}
	return nil
}

// registration is an answer to create() that was read.
type registration struct {
	answer
	parsed *protocol.ParsedCredentialCreationData
}

func parseRegistration(body []byte) (registration, error) {
	if len(body) > maxPasskeyAnswer || tooDeep(body, 8) {
		return registration{}, refusedCheck("size")
	}
	parsed, err := protocol.ParseCredentialCreationResponseBytes(body)
	if err != nil {
		return registration{}, refusedCheck("format")
	}
	a, err := read(parsed.Raw.AttestationResponse.ClientDataJSON, parsed.RawID)
	return registration{a, parsed}, err
}

// verifyRegistration is section 7.1. The attestation is checked to be one, and
// trusted for nothing: we ask for none, because who makes somebody's
// authenticator is theirs to decide (section 13.4.4).
func (e expectation) verifyRegistration(r registration) (models.Passkey, error) {
	if err := e.checkClient(r.answer, protocol.CreateCeremony); err != nil {
		return models.Passkey{}, err
	}
	data := r.parsed.Response.AttestationObject.AuthData
	if err := e.checkData(data); err != nil {
		return models.Passkey{}, err
	}
	// The library compares the id outside the signed data with nothing.
	if !bytes.Equal(data.AttData.CredentialID, r.credentialID) {
		return models.Passkey{}, refusedCheck("credential_id")
	}
	if err := checkKey(data.AttData.CredentialPublicKey); err != nil {
		return models.Passkey{}, err
	}
	if object := &r.parsed.Response.AttestationObject; slices.Contains(vendorFormats, object.Format) {
		object.Format, object.AttStatement, object.SubStatements = string(protocol.AttestationFormatNone), nil, nil
	}
	_, err := r.parsed.Verify(base64.RawURLEncoding.EncodeToString(e.challenge), e.rpID, e.origins, nil, nil,
		protocol.TopOriginExplicitVerificationMode, false, e.verified, !e.absent, nil, credentialParameters(),
		protocol.AttestationPolicy{}, protocol.SignaturePolicy{})
	if err != nil {
		return models.Passkey{}, fmt.Errorf("%w: %w", refusedCheck("attestation"), err)
	}
	return e.newPasskey(r, data), nil
}

// vendorFormats are statements that say nothing without the certificates of a
// vendor. As we trust no vendor they are taken for none (section 6.5.3), and an
// expired root of theirs locks nobody out.
var vendorFormats = []string{"android-key", "android-safetynet", "apple", "compound", "tpm"}

func (e expectation) newPasskey(r registration, data protocol.AuthenticatorData) models.Passkey {
	row := models.Passkey{
		CredentialID: data.AttData.CredentialID, PublicKey: data.AttData.CredentialPublicKey, SignCount: int64(data.Counter),
		BackupEligible: flag(data.Flags.HasBackupEligible()), BackupState: flag(data.Flags.HasBackupState()), RPID: e.rpID,
		Transports: models.JoinWords(knownTransports(r.parsed.Response.Transports)),
	}
	if id, err := models.IDFromBytes(data.AttData.AAGUID); err == nil {
		row.AAGUID = id
	}
	return row
}

// knownTransports keeps the words of the registry (Level 3, section 5.8.4); a
// client may send anything.
func knownTransports(sent []protocol.AuthenticatorTransport) (known []string) {
	for _, t := range []string{"ble", "hybrid", "internal", "nfc", "smart-card", "usb"} {
		if slices.Contains(sent, protocol.AuthenticatorTransport(t)) {
			known = append(known, t)
		}
	}
	return known
}

// checkKey refuses keys of another algorithm and what is longer than the
// column. It also runs on imported keys, when they are used.
func checkKey(cose []byte) error {
	var key webauthncose.PublicKeyData
	switch err := webauthncbor.Unmarshal(cose, &key); {
	case len(cose) > maxPublicKey || err != nil:
		return refusedCheck("public_key")
	case !slices.Contains(passkeyAlgorithms, key.Algorithm):
		return refusedCheck("algorithm")
	}
	return nil
}

func credentialParameters() []protocol.CredentialParameter {
	list := make([]protocol.CredentialParameter, len(passkeyAlgorithms))
	for i, alg := range passkeyAlgorithms {
		list[i] = protocol.CredentialParameter{Type: protocol.PublicKeyCredentialType, Algorithm: webauthncose.COSEAlgorithmIdentifier(alg)}
	}
	return list
}

// assertion is an answer to get() that was read.
type assertion struct {
	answer
	userHandle []byte
	parsed     *protocol.ParsedCredentialAssertionData
}

func parseAssertion(body []byte) (assertion, error) {
	if len(body) > maxPasskeyAnswer || tooDeep(body, 8) {
		return assertion{}, refusedCheck("size")
	}
	parsed, err := protocol.ParseCredentialRequestResponseBytes(body)
	if err != nil {
		return assertion{}, refusedCheck("format")
	}
	a, err := read(parsed.Raw.AssertionResponse.ClientDataJSON, parsed.RawID)
	return assertion{a, parsed.Response.UserHandle, parsed}, err
}

// verifyAssertion is section 7.2, for the passkey that the answer names. handle
// says that the answer must carry the user handle, as it must where nobody was
// named before (step 6).
func (e expectation) verifyAssertion(a assertion, key *models.Passkey, handle bool) error {
	if err := e.checkClient(a.answer, protocol.AssertCeremony); err != nil {
		return err
	}
	data := a.parsed.Response.AuthenticatorData
	if err := e.checkData(data); err != nil {
		return err
	}
	switch {
	case !bytes.Equal(key.CredentialID, a.credentialID):
		return refusedCheck("credential_id")
	case len(a.userHandle) == 0 && handle, len(a.userHandle) > 0 && !bytes.Equal(a.userHandle, key.UserHandle):
		return refusedCheck("user_handle")
	// Step 19: a key never changes whether it may be copied.
	case data.Flags.HasBackupEligible() != (key.BackupEligible != 0):
		return refusedCheck("backup_eligible")
	// Step 22: a count that does not grow is that of a copy.
	case (data.Counter != 0 || key.SignCount != 0) && int64(data.Counter) <= key.SignCount:
		return refusedCheck("counter")
	}
	if err := checkKey(key.PublicKey); err != nil {
		return err
	}
	err := a.parsed.Verify(base64.RawURLEncoding.EncodeToString(e.challenge), e.rpID, "", e.origins, nil, nil,
		protocol.TopOriginExplicitVerificationMode, false, e.verified, true, key.PublicKey, protocol.SignaturePolicy{})
	if err != nil {
		return fmt.Errorf("%w: %w", refusedCheck("signature"), err)
	}
	return nil
}
