package accounts

import (
	"fmt"
	"strings"

	"gatehouse/accounts/moving"
	"gatehouse/internal/apperr"
	"gatehouse/internal/passwords"
	"gatehouse/models"
)

// Bounds of what one account may bring.
const (
	maxExternalID    = 255
	maxPasskeys      = 50
	maxRecoveryCodes = 50
	maxCredentialID  = 1023 // WebAuthn Level 3, section 4
	maxPublicKey     = 2048
)

// prepare checks a row with the same rules as a sign-up and makes of it what
// will be stored.
func (m *importer) prepare(r *row) {
	in := r.from
	u := &models.User{}
	r.user = u
	var wrong *apperr.Field
	if u.Email, u.EmailKey, wrong = CanonicalEmail(in.Email); wrong != nil {
		r.blame("email", sentence(wrong))
		return
	}
	if u.Username, u.UsernameKey, wrong = optionalUsername(in.Username); wrong != nil {
		r.blame("username", sentence(wrong))
		return
	}
	if u.Name, wrong = canonicalName(in.Name); wrong != nil {
		r.blame("name", sentence(wrong))
		return
	}
	if u.Roles, wrong = canonicalRoles(in.Roles); wrong != nil {
		r.blame("roles", "a role is up to 32 small letters, digits and _.:-, and there are at most 15")
		return
	}
	if u.PasswordHash = in.PasswordHash; u.PasswordHash != "" {
		if err := passwords.CheckEncoded(u.PasswordHash); err != nil {
			r.blame("password_hash", strings.TrimPrefix(err.Error(), "passwords: "))
			return
		}
	}
	m.prepareIDs(r)
	if r.refused == nil {
		m.prepareTimes(r)
		m.prepareFactors(r)
	}
}

func (m *importer) prepareIDs(r *row) {
	in := r.from
	switch {
	case in.ID == "":
		r.user.ID = models.NewID()
	default:
		id, err := models.ParseID(in.ID)
		if err != nil || id.IsZero() {
			r.blame("id", "it is not a UUID in its usual form; the id of another system is an external_id")
			return
		}
		r.user.ID = id
	}
	if len(in.ExternalID) > maxExternalID || !printable(in.ExternalID) {
		r.blame("external_id", "it is longer than 255 bytes or has characters that cannot be seen")
		return
	}
	if in.ExternalID != "" {
		r.external = []byte(in.ExternalID)
	}
}

// prepareTimes: an address that is verified was so since the account was made,
// as far as anybody knows; the same holds for the password.
func (m *importer) prepareTimes(r *row) {
	u, now := r.user, m.now()
	u.CreatedAt, u.UpdatedAt = now, now
	if !r.from.CreatedAt.IsZero() {
		u.CreatedAt = models.At(r.from.CreatedAt)
	}
	if r.from.EmailVerified || m.in.Verified {
		u.EmailVerifiedAt = u.CreatedAt
	}
	if u.PasswordHash != "" {
		u.PasswordChangedAt = u.CreatedAt
	}
	if r.from.Disabled {
		u.DisabledAt = now
	}
}

// prepareFactors keeps the passkeys of our own domain: a browser offers no
// other here (WebAuthn Level 3, section 5.1.3).
func (m *importer) prepareFactors(r *row) {
	in := r.from
	r.factors = Factors{User: r.user.ID, TOTP: in.TOTP, RecoveryCodes: in.RecoveryCodes, CreatedAt: r.user.CreatedAt}
	for _, p := range in.Passkeys {
		if p.RPID == "" {
			p.RPID = m.rpID
		}
		if p.RPID != m.rpID && !strings.HasSuffix(m.rpID, "."+p.RPID) {
			in.Lost = append(in.Lost, moving.LostPasskeyDomain)
			continue
		}
		if why := wrongPasskey(p); why != "" {
			r.blame("passkeys", why)
			return
		}
		r.factors.Passkeys = append(r.factors.Passkeys, p)
	}
	if len(r.factors.Passkeys) > maxPasskeys || len(in.RecoveryCodes) > maxRecoveryCodes {
		r.blame("passkeys", fmt.Sprintf("there are more than %d passkeys or recovery codes", maxPasskeys))
		return
	}
	for _, hash := range in.RecoveryCodes {
		if !recoveryHash(hash) {
			r.blame("recovery_code_hashes", "a hash is neither sha256: with 64 hex digits nor a password hash that we know")
			return
		}
	}
}

func wrongPasskey(p Passkey) string {
	_, wrongName := canonicalName(p.Name)
	_, badID := models.ParseID(p.AAGUID)
	switch {
	case len(p.CredentialID) == 0 || len(p.CredentialID) > maxCredentialID:
		return "a credential_id is empty or longer than 1,023 bytes"
	case len(p.PublicKey) == 0 || len(p.PublicKey) > maxPublicKey:
		return "a public_key is empty or longer than 2,048 bytes"
	case len(p.UserHandle) > 64:
		return "a user_handle is longer than 64 bytes"
	case p.SignCount < 0 || p.SignCount > 1<<32-1:
		return "a sign_count does not fit 32 bits"
	case p.BackupState && !p.BackupEligible:
		return "a passkey is backed up and may not be (backup_state without backup_eligible)"
	case p.AAGUID != "" && badID != nil:
		return "an aaguid is not a UUID"
	case wrongName != nil || len(p.RPID) > 255 || len(strings.Join(p.Transports, " ")) > 128:
		return "a name, an rp_id or the transports are too long or unusable"
	}
	for _, t := range p.Transports {
		if !roleWord.MatchString(t) {
			return "a transport is no word"
		}
	}
	return ""
}

// recoveryHash takes our own form and every hash that can be checked.
func recoveryHash(s string) bool {
	if hex, ok := strings.CutPrefix(s, "sha256:"); ok {
		return len(hex) == 64 && strings.Trim(hex, "0123456789abcdef") == ""
	}
	return passwords.CheckEncoded(s) == nil
}

func weak(hash string) bool { return hash != "" && passwords.Weak(hash) }

// blame refuses the row. The first fault counts.
func (r *row) blame(field, why string) {
	if r.refused == nil {
		r.refused = &moving.RowError{Row: r.from.Row, Which: r.which(), Field: field, Why: why}
	}
}

func (r *row) which() string {
	for _, s := range []string{r.from.Email, r.from.Username, r.from.ExternalID, r.from.ID} {
		if s != "" {
			return s
		}
	}
	return ""
}

// sentence says the reasons of names.go to an operator.
func sentence(f *apperr.Field) string {
	switch f.Reason {
	case "required":
		return "it is missing"
	case "not_an_address":
		return "it is not one plain address like name@example.com"
	case "at_sign":
		return "a username has no @"
	case "mixed_scripts":
		return "its letters are of several alphabets, so that it could be taken for another name"
	case "too_long":
		return fmt.Sprintf("it is longer than %v", f.Params["Max"])
	}
	return "it has characters that cannot be seen or used"
}
