package moving

import (
	"encoding/base32"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// TOTP is the shared secret of an authenticator app (RFC 6238).
type TOTP struct {
	Secret    []byte
	Algorithm string // SHA1, SHA256 or SHA512
	Digits    int
	Period    int // seconds
}

var secret32 = base32.StdEncoding.WithPadding(base32.NoPadding)

var errTOTP = errors.New("it is neither a base32 secret of 10 to 128 bytes nor an otpauth://totp/ address")

// Bounds of a secret: RFC 4226, section 4 asks for 16 bytes; authenticators of
// before it, and many sites still, use 10.
const minSecret, maxSecret = 10, 128

// ParseTOTP reads a secret in base32, or an otpauth address when its algorithm,
// digits or period are not the usual ones.
func ParseTOTP(s string) (*TOTP, error) {
	t := &TOTP{Algorithm: "SHA1", Digits: 6, Period: 30}
	secret := s
	if strings.HasPrefix(s, "otpauth://") {
		u, err := url.Parse(s)
		if err != nil || u.Host != "totp" {
			return nil, errTOTP
		}
		q := u.Query()
		secret = q.Get("secret")
		if err := t.read(q.Get("algorithm"), q.Get("digits"), q.Get("period")); err != nil {
			return nil, err
		}
	}
	var err error
	secret = strings.ToUpper(strings.NewReplacer(" ", "", "-", "").Replace(strings.TrimRight(secret, "=")))
	if strings.ContainsAny(secret, "\r\n") {
		return nil, errTOTP
	}
	if t.Secret, err = secret32.DecodeString(secret); err != nil {
		return nil, errTOTP
	}
	if err := t.check(); err != nil {
		return nil, err
	}
	return t, nil
}

// read takes parameters as text; an empty one keeps what stands.
func (t *TOTP) read(algorithm, digits, period string) error {
	if algorithm != "" {
		t.Algorithm = strings.ReplaceAll(strings.TrimPrefix(strings.ToUpper(algorithm), "HMAC"), "-", "")
	}
	for text, to := range map[string]*int{digits: &t.Digits, period: &t.Period} {
		if text == "" {
			continue
		}
		n, err := strconv.Atoi(text)
		if err != nil {
			return errTOTP
		}
		*to = n
	}
	return nil
}

func (t *TOTP) check() error {
	switch {
	case len(t.Secret) < minSecret || len(t.Secret) > maxSecret:
		return errTOTP
	case t.Algorithm != "SHA1" && t.Algorithm != "SHA256" && t.Algorithm != "SHA512":
		return fmt.Errorf("its algorithm is none of SHA1, SHA256 and SHA512")
	case t.Digits < 6 || t.Digits > 8 || t.Period < 15 || t.Period > 120:
		return fmt.Errorf("it has not 6 to 8 digits or not a period of 15 to 120 seconds")
	}
	return nil
}

// String writes what ParseTOTP reads, in one spelling.
func (t *TOTP) String() string {
	secret := secret32.EncodeToString(t.Secret)
	if t.Algorithm == "SHA1" && t.Digits == 6 && t.Period == 30 {
		return secret
	}
	return fmt.Sprintf("otpauth://totp/x?algorithm=%s&digits=%d&period=%d&secret=%s", t.Algorithm, t.Digits, t.Period, secret)
}

// Passkey is a WebAuthn credential in a file (Level 3, section 4, "credential
// record"). Bytes are base64url without padding.
type Passkey struct {
	CredentialID   Bytes      `json:"credential_id"`
	PublicKey      Bytes      `json:"public_key"` // the COSE key
	SignCount      int64      `json:"sign_count"`
	Transports     []string   `json:"transports,omitempty"`
	AAGUID         string     `json:"aaguid,omitempty"`
	BackupEligible bool       `json:"backup_eligible"`
	BackupState    bool       `json:"backup_state"`
	RPID           string     `json:"rp_id,omitempty"`
	UserHandle     Bytes      `json:"user_handle,omitempty"`
	Name           string     `json:"name,omitempty"`
	CreatedAt      *time.Time `json:"created_at,omitempty"`
	LastUsedAt     *time.Time `json:"last_used_at,omitempty"`
}

// Bytes are binary in JSON: base64url without padding, in one spelling.
type Bytes []byte

var url64 = base64.RawURLEncoding.Strict()

// MarshalText implements encoding.TextMarshaler.
func (b Bytes) MarshalText() ([]byte, error) { return url64.AppendEncode(nil, b), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (b *Bytes) UnmarshalText(text []byte) error {
	s := string(text)
	if strings.ContainsAny(s, "\r\n") {
		return errors.New("a line break inside base64url")
	}
	decoded, err := url64.DecodeString(s)
	if err != nil {
		return errors.New("not base64url without padding")
	}
	*b = decoded
	return nil
}

// anyBase64 reads the four usual spellings, for exports of other systems.
func anyBase64(s string) ([]byte, error) {
	s = strings.TrimRight(strings.NewReplacer("-", "+", "_", "/", "\r", "!", "\n", "!").Replace(s), "=")
	return base64.RawStdEncoding.DecodeString(s)
}
