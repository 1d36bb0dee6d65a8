package signin

import (
	"gatehouse/accounts"
	"gatehouse/models"
	"gatehouse/tokens"
)

// Person is somebody as the answer to a refresh tells of them.
type Person struct {
	User models.User // what accounts.ProfileFields reads, and no more
	Held Held
}

const heldOfFamily = `(SELECT COUNT(*) FROM totp_factors h WHERE h.user_id = f.user_id),
 (SELECT COUNT(*) FROM passkeys h WHERE h.user_id = f.user_id),
 (SELECT COUNT(*) FROM recovery_codes h WHERE h.user_id = f.user_id AND h.used_at IS NULL)`

// Beside is handed to the room tokens, which reads a *Person with each refresh.
func Beside() tokens.Beside {
	return tokens.Beside{
		Columns: accounts.ProfileColumns + ", " + heldOfFamily,
		New: func() (any, []any) {
			p := &Person{}
			return p, append(accounts.ProfileFields(&p.User), &p.Held.TOTP, &p.Held.Passkeys, &p.Held.RecoveryCodes)
		},
	}
}
