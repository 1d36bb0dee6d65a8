package signin

import (
	"encoding/base64"

	"gatehouse/models"
)

// PasskeyOptions is what a browser is asked for, under the names of WebAuthn
// Level 3, sections 5.4 and 5.5, in their JSON form (section 5.1.9 and 5.1.10).
type PasskeyOptions struct {
	Challenge        string             `json:"challenge"`
	RPID             string             `json:"rpId,omitempty"` // of get()
	RP               *PasskeyEntity     `json:"rp,omitempty"`   // of create()
	User             *PasskeyUser       `json:"user,omitempty"`
	Params           []PasskeyParameter `json:"pubKeyCredParams,omitempty"`
	Timeout          int64              `json:"timeout"` // milliseconds
	Exclude          []PasskeyReference `json:"excludeCredentials,omitempty"`
	Allow            []PasskeyReference `json:"allowCredentials,omitempty"`
	Selection        *PasskeySelection  `json:"authenticatorSelection,omitempty"`
	UserVerification string             `json:"userVerification,omitempty"`
	Attestation      string             `json:"attestation,omitempty"`
	Extensions       map[string]any     `json:"extensions,omitempty"`
}

// PasskeyEntity is us.
type PasskeyEntity struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// PasskeyUser is the account, as the browser's list of passkeys shows it.
type PasskeyUser struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	DisplayName string `json:"displayName"`
}

// PasskeyParameter is a kind of key that we take.
type PasskeyParameter struct {
	Type string `json:"type"`
	Alg  int64  `json:"alg"`
}

// PasskeyReference names a passkey.
type PasskeyReference struct {
	Type       string   `json:"type"`
	ID         string   `json:"id"`
	Transports []string `json:"transports,omitempty"`
}

// PasskeySelection is what an authenticator must be able to do.
type PasskeySelection struct {
	ResidentKey        string `json:"residentKey"`
	RequireResidentKey bool   `json:"requireResidentKey"`
	UserVerification   string `json:"userVerification"`
}

const publicKeyType = "public-key"

var url64 = base64.RawURLEncoding.Strict()

func encode64(b []byte) string { return url64.EncodeToString(b) }

// createOptions asks for a passkey that is found without a name and that
// checks who uses it: one that is two factors.
func (rp relyingParty) createOptions(challenge []byte, user PasskeyUser, have []models.Passkey) PasskeyOptions {
	o := PasskeyOptions{
		Challenge: encode64(challenge), RP: &PasskeyEntity{ID: rp.id, Name: rp.name}, User: &user,
		Timeout: ceremonyLife.Milliseconds(), Exclude: references(have, rp.id), Attestation: "none",
		Selection: &PasskeySelection{ResidentKey: "required", RequireResidentKey: true, UserVerification: "required"},
	}
	for _, alg := range passkeyAlgorithms {
		o.Params = append(o.Params, PasskeyParameter{Type: publicKeyType, Alg: alg})
	}
	return o
}

// getOptions asks for a proof: of one of allow, or of whichever the person
// picks. With a password before it possession is enough, so that old security
// keys without a PIN work; alone it has to be two factors.
func getOptions(rpID string, challenge []byte, allow []models.Passkey, verification string) PasskeyOptions {
	return PasskeyOptions{
		Challenge: encode64(challenge), RPID: rpID, Timeout: ceremonyLife.Milliseconds(),
		Allow: references(allow, rpID), UserVerification: verification,
	}
}

func references(list []models.Passkey, rpID string) (out []PasskeyReference) {
	for _, k := range list {
		if k.RPID == rpID {
			out = append(out, PasskeyReference{Type: publicKeyType, ID: encode64(k.CredentialID), Transports: k.Transports.List()})
		}
	}
	return out
}
