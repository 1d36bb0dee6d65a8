package moving

import (
	"encoding/base64"
	"errors"
	"fmt"
)

// FirebaseParams are the "password hash parameters" of a Firebase project.
type FirebaseParams struct {
	SignerKey     string // base64_signer_key
	SaltSeparator string // base64_salt_separator
	Rounds        int    // rounds
	MemCost       int    // mem_cost
}

// firebase is the JSON of "firebase auth:export users.json".
type firebase struct {
	*stream
	params FirebaseParams
}

func openFirebase(in *input, o Options) (Source, error) {
	if o.Firebase.SignerKey == "" {
		return nil, errors.New("the hashes of Firebase need the project's parameters: base64_signer_key, base64_salt_separator, rounds and mem_cost")
	}
	s, err := newStream(in, "users")
	return firebase{s, o.Firebase}, err
}

type firebaseUser struct {
	LocalID       string `json:"localId"`
	Email         string `json:"email"`
	EmailVerified bool   `json:"emailVerified"`
	PasswordHash  string `json:"passwordHash"`
	Salt          string `json:"salt"`
	DisplayName   string `json:"displayName"`
	PhotoURL      string `json:"photoUrl"`
	PhoneNumber   string `json:"phoneNumber"`
	CreatedAt     string `json:"createdAt"`
	Disabled      bool   `json:"disabled"`
	CustomClaims  string `json:"customAttributes"`
	MFA           []any  `json:"mfaInfo"`
	Providers     []struct {
		ProviderID string `json:"providerId"`
	} `json:"providerUserInfo"`
}

// Next implements Source.
func (f firebase) Next() (*Record, error) {
	var u firebaseUser
	if err := f.next(&u); err != nil {
		return nil, err
	}
	r := &Record{
		Row: f.row, ExternalID: foreignID("firebase", u.LocalID), Email: u.Email, EmailVerified: u.EmailVerified,
		Name: u.DisplayName, Disabled: u.Disabled,
	}
	r.setHash(f.hash(u))
	if err := r.take("", u.CreatedAt); err != nil {
		return nil, err
	}
	social := false
	for _, p := range u.Providers {
		social = social || p.ProviderID != "password" && p.ProviderID != "phone"
	}
	r.loseIf(LostSocial, social)
	r.loseIf(LostPhone, u.PhoneNumber != "")
	r.loseIf(LostPicture, u.PhotoURL != "")
	r.loseIf(LostAttributes, u.CustomClaims != "" && u.CustomClaims != "{}")
	r.loseIf(LostSecondFactor, len(u.MFA) > 0)
	return r, nil
}

// hash writes the parameters of the project into each hash. The export spells
// base64 with "-" and "_".
func (f firebase) hash(u firebaseUser) string {
	if u.PasswordHash == "" {
		return ""
	}
	var b [4]string
	for i, s := range []string{f.params.SaltSeparator, f.params.SignerKey, u.Salt, u.PasswordHash} {
		decoded, err := anyBase64(s)
		if err != nil {
			return "?"
		}
		b[i] = base64.StdEncoding.EncodeToString(decoded)
	}
	return fmt.Sprintf("$fbscrypt$v=1,n=%d,r=%d,p=1,ss=%s,sk=%s$%s$%s", f.params.MemCost, f.params.Rounds, b[0], b[1], b[2], b[3])
}
