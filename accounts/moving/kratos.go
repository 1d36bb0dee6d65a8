package moving

import (
	"fmt"
	"math/bits"
	"regexp"
	"strconv"
	"strings"
)

// kratos is identities as the admin API of Ory Kratos answers them with
// include_credential, as a list or one after the other.
type kratos struct{ *stream }

func openKratos(in *input, _ Options) (Source, error) {
	s, err := newStream(in, "")
	return kratos{s}, err
}

type kratosIdentity struct {
	ID        string         `json:"id"`
	State     string         `json:"state"`
	CreatedAt string         `json:"created_at"`
	Traits    map[string]any `json:"traits"`
	Addresses []struct {
		Value    string `json:"value"`
		Via      string `json:"via"`
		Verified bool   `json:"verified"`
	} `json:"verifiable_addresses"`
	Credentials struct {
		Password *struct {
			Config struct {
				Hash string `json:"hashed_password"`
			} `json:"config"`
		} `json:"password"`
		TOTP *struct {
			Config struct {
				URL string `json:"totp_url"`
			} `json:"config"`
		} `json:"totp"`
		OIDC     any `json:"oidc"`
		WebAuthn any `json:"webauthn"`
		Passkey  any `json:"passkey"`
		Lookup   any `json:"lookup_secret"`
		Code     any `json:"code"`
	} `json:"credentials"`
}

// Next implements Source.
func (k kratos) Next() (*Record, error) {
	var u kratosIdentity
	if err := k.next(&u); err != nil {
		return nil, err
	}
	r := &Record{Row: k.row, ExternalID: foreignID("kratos", u.ID), Disabled: u.State == "inactive"}
	u.readTraits(r)
	for _, a := range u.Addresses {
		if strings.EqualFold(a.Value, r.Email) {
			r.EmailVerified = a.Verified
		}
	}
	hash := ""
	if u.Credentials.Password != nil {
		hash = KratosHash(u.Credentials.Password.Config.Hash)
	}
	r.setHash(hash)
	if t := u.Credentials.TOTP; t != nil {
		var err error
		if r.TOTP, err = ParseTOTP(t.Config.URL); err != nil {
			r.lose(LostSecondFactor)
		}
	}
	r.loseIf(LostSocial, u.Credentials.OIDC != nil)
	r.loseIf(LostPasskey, u.Credentials.WebAuthn != nil || u.Credentials.Passkey != nil)
	r.loseIf(LostRecoveryCodes, u.Credentials.Lookup != nil)
	return r, r.take("", u.CreatedAt)
}

// readTraits takes what the usual schemas call an address and a name.
func (u *kratosIdentity) readTraits(r *Record) {
	more := false
	for key, value := range u.Traits {
		text, isText := value.(string)
		switch {
		case key == "email" && isText:
			r.Email = text
		case key == "username" && isText:
			r.setUsername(text)
		case key == "name" && isText:
			r.Name = text
		case key == "name":
			parts, _ := value.(map[string]any)
			first, _ := parts["first"].(string)
			last, _ := parts["last"].(string)
			r.Name = strings.TrimSpace(first + " " + last)
		default:
			more = true
		}
	}
	r.loseIf(LostAttributes, more)
}

var (
	kratosPBKDF2 = regexp.MustCompile(`\A\$pbkdf2-(sha1|sha256|sha512)\$i=([0-9]+),l=[0-9]+\$([^$]+)\$([^$]+)\z`)
	kratosScrypt = regexp.MustCompile(`\A\$scrypt\$ln=([0-9]+),r=([0-9]+),p=([0-9]+)\$([^$]+)\$([^$]+)\z`)
)

// KratosHash turns Kratos' own spellings into the usual ones: it writes
// parameters of PBKDF2 as "i=,l=", and N of scrypt instead of its logarithm.
func KratosHash(s string) string {
	if m := kratosPBKDF2.FindStringSubmatch(s); m != nil {
		salt, err := anyBase64(m[3])
		tag, err2 := anyBase64(m[4])
		rounds, err3 := strconv.ParseInt(m[2], 10, 64)
		if err != nil || err2 != nil || err3 != nil {
			return s
		}
		return pbkdf2String(strings.TrimSuffix("pbkdf2-"+m[1], "-sha1"), rounds, salt, tag)
	}
	if m := kratosScrypt.FindStringSubmatch(s); m != nil {
		n, err := strconv.ParseUint(m[1], 10, 32)
		if err == nil && n > 64 && bits.OnesCount64(n) == 1 {
			return fmt.Sprintf("$scrypt$ln=%d,r=%s,p=%s$%s$%s", bits.TrailingZeros64(n), m[2], m[3],
				strings.TrimRight(m[4], "="), strings.TrimRight(m[5], "="))
		}
	}
	return s
}
