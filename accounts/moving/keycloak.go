package moving

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"gatehouse/internal/passwords"
)

// keycloak is the export of a realm ("kc.sh export --users same_file") or one
// of its user files ("--users different_files"): both have a list "users".
type keycloak struct{ *stream }

func openKeycloak(in *input, _ Options) (Source, error) {
	s, err := newStream(in, "users")
	return keycloak{s}, err
}

type keycloakUser struct {
	ID              string               `json:"id"`
	Username        string               `json:"username"`
	Email           string               `json:"email"`
	EmailVerified   bool                 `json:"emailVerified"`
	FirstName       string               `json:"firstName"`
	LastName        string               `json:"lastName"`
	Enabled         *bool                `json:"enabled"`
	Created         int64                `json:"createdTimestamp"`
	Attributes      map[string]any       `json:"attributes"`
	Credentials     []keycloakCredential `json:"credentials"`
	RequiredActions []string             `json:"requiredActions"`
	RealmRoles      []string             `json:"realmRoles"`
	ClientRoles     map[string]any       `json:"clientRoles"`
	Groups          []string             `json:"groups"`
	Federated       []any                `json:"federatedIdentities"`
	ServiceAccount  string               `json:"serviceAccountClientId"`
}

type keycloakCredential struct {
	Type           string `json:"type"`
	UserLabel      string `json:"userLabel"`
	SecretData     string `json:"secretData"`
	CredentialData string `json:"credentialData"`
}

// Next implements Source. The accounts of clients are not people.
func (k keycloak) Next() (*Record, error) {
	for {
		var u keycloakUser
		if err := k.next(&u); err != nil {
			return nil, err
		}
		if u.ServiceAccount == "" {
			return u.record(k.row), nil
		}
	}
}

func (u *keycloakUser) record(row int64) *Record {
	r := &Record{
		Row: row, ExternalID: foreignID("keycloak", u.ID), Email: u.Email, EmailVerified: u.EmailVerified,
		Name: strings.TrimSpace(u.FirstName + " " + u.LastName), Disabled: u.Enabled != nil && !*u.Enabled,
	}
	r.setUsername(u.Username)
	if u.Created > 0 {
		r.CreatedAt = time.UnixMilli(u.Created).UTC()
	}
	for _, c := range u.Credentials {
		c.add(r)
	}
	if r.PasswordHash == "" {
		r.lose(LostPassword)
	}
	r.loseIf(LostRoles, len(u.RealmRoles)+len(u.ClientRoles) > 0)
	r.loseIf(LostGroups, len(u.Groups) > 0)
	r.loseIf(LostAttributes, len(u.Attributes) > 0)
	r.loseIf(LostSocial, len(u.Federated) > 0)
	r.loseIf(LostActions, len(u.RequiredActions) > 0)
	return r
}

func (c keycloakCredential) add(r *Record) {
	switch c.Type {
	case "password":
		hash, err := KeycloakHash(c.SecretData, c.CredentialData)
		if err != nil {
			r.lose(LostPasswordKind)
			return
		}
		r.PasswordHash = hash
	case "otp":
		if t, err := keycloakTOTP(c.SecretData, c.CredentialData); err == nil && r.TOTP == nil {
			r.TOTP = t
		} else {
			r.lose(LostSecondFactor)
		}
	case "webauthn", "webauthn-passwordless":
		if p, err := keycloakPasskey(c); err == nil {
			r.Passkeys = append(r.Passkeys, p)
		} else {
			r.lose(LostPasskey)
		}
	case "recovery-authn-codes":
		r.lose(LostRecoveryCodes)
	default:
		r.lose(LostSecondFactor)
	}
}

// KeycloakHash turns a credential of Keycloak into the usual string of its
// scheme.
func KeycloakHash(secretData, credentialData string) (string, error) {
	var secret struct{ Value, Salt string }
	var how struct {
		HashIterations       int64               `json:"hashIterations"`
		Algorithm            string              `json:"algorithm"`
		AdditionalParameters map[string][]string `json:"additionalParameters"`
	}
	if err := json.Unmarshal([]byte(secretData), &secret); err != nil {
		return "", err
	}
	if err := json.Unmarshal([]byte(credentialData), &how); err != nil {
		return "", err
	}
	salt, err := anyBase64(secret.Salt)
	value, err2 := anyBase64(secret.Value)
	if err != nil || err2 != nil {
		return "", fmt.Errorf("salt or value is not base64")
	}
	one := func(name string) string {
		if v := how.AdditionalParameters[name]; len(v) == 1 {
			return v[0]
		}
		return ""
	}
	var hash string
	switch how.Algorithm {
	case "pbkdf2", "pbkdf2-sha1":
		hash = pbkdf2String("pbkdf2", how.HashIterations, salt, value)
	case "pbkdf2-sha256", "pbkdf2-sha512":
		hash = pbkdf2String(how.Algorithm, how.HashIterations, salt, value)
	case "argon2":
		if one("version") != "1.3" {
			return "", fmt.Errorf("argon2 of version %q", one("version"))
		}
		hash = fmt.Sprintf("$argon2%s$v=19$m=%s,t=%d,p=%s$%s$%s", one("type"), one("memory"), how.HashIterations, one("parallelism"),
			base64.RawStdEncoding.EncodeToString(salt), base64.RawStdEncoding.EncodeToString(value))
	default:
		return "", fmt.Errorf("the algorithm %q", how.Algorithm)
	}
	return hash, passwords.CheckEncoded(hash)
}

// pbkdf2String writes passlib's form.
func pbkdf2String(name string, rounds int64, salt, tag []byte) string {
	ab64 := func(b []byte) string {
		return strings.ReplaceAll(base64.RawStdEncoding.EncodeToString(b), "+", ".")
	}
	return fmt.Sprintf("$%s$%d$%s$%s", name, rounds, ab64(salt), ab64(tag))
}

// keycloakTOTP reads an authenticator. The secret is text whose bytes are the
// key, unless it says that it is base32.
func keycloakTOTP(secretData, credentialData string) (*TOTP, error) {
	var secret struct{ Value string }
	var how struct {
		SubType        string `json:"subType"`
		Digits, Period int
		Algorithm      string
		SecretEncoding string `json:"secretEncoding"`
	}
	if err := json.Unmarshal([]byte(secretData), &secret); err != nil {
		return nil, err
	}
	if err := json.Unmarshal([]byte(credentialData), &how); err != nil {
		return nil, err
	}
	if how.SubType != "totp" {
		return nil, errTOTP
	}
	t := &TOTP{Secret: []byte(secret.Value), Digits: how.Digits, Period: how.Period}
	if how.SecretEncoding == "BASE32" {
		parsed, err := ParseTOTP(secret.Value)
		if err != nil {
			return nil, err
		}
		t.Secret = parsed.Secret
	}
	if err := t.read(how.Algorithm, "", ""); err != nil {
		return nil, err
	}
	return t, t.check()
}

func keycloakPasskey(c keycloakCredential) (Passkey, error) {
	var how struct {
		AAGUID       string   `json:"aaguid"`
		CredentialID string   `json:"credentialId"`
		Counter      int64    `json:"counter"`
		PublicKey    string   `json:"credentialPublicKey"`
		Transports   []string `json:"transports"`
	}
	if err := json.Unmarshal([]byte(c.CredentialData), &how); err != nil {
		return Passkey{}, err
	}
	id, err := anyBase64(how.CredentialID)
	key, err2 := anyBase64(how.PublicKey)
	if err != nil || err2 != nil || len(id) == 0 || len(key) == 0 {
		return Passkey{}, fmt.Errorf("not base64")
	}
	p := Passkey{CredentialID: id, PublicKey: key, SignCount: how.Counter, AAGUID: how.AAGUID, Name: c.UserLabel}
	for _, t := range how.Transports {
		p.Transports = append(p.Transports, strings.ToLower(t))
	}
	return p, nil
}

// foreignID marks an id with the system that it is of, so that the first
// account of one is not that of another.
func foreignID(system, id string) string {
	if id == "" {
		return ""
	}
	return system + ":" + id
}

func (r *Record) loseIf(what string, lost bool) {
	if lost {
		r.lose(what)
	}
}

// setUsername keeps a username unless it looks like an address, which no
// username may here; its owner signs in with the address instead.
func (r *Record) setUsername(s string) {
	if strings.Contains(s, "@") {
		r.loseIf(LostUsername, !strings.EqualFold(s, r.Email))
		return
	}
	r.Username = s
}

// setHash keeps a hash that we can check. One of another kind is lost, and the
// account comes without a password: its owner resets it.
func (r *Record) setHash(s string) {
	switch {
	case s == "" || strings.HasPrefix(s, "!"): // Django and shadow mark "none" with "!"
		r.lose(LostPassword)
	case passwords.CheckEncoded(s) != nil:
		r.lose(LostPasswordKind)
	default:
		r.PasswordHash = s
	}
}
