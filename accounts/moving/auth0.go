package moving

import (
	"encoding/json"
	"strings"
)

// auth0 is the JSON of a job "users export", or the file with hashes that
// Auth0's support hands out: one object a line.
type auth0 struct{ *stream }

func openAuth0(in *input, _ Options) (Source, error) {
	s, err := newStream(in, "")
	return auth0{s}, err
}

type auth0User struct {
	UserID         string          `json:"user_id"`
	OID            json.RawMessage `json:"_id"`
	Email          string          `json:"email"`
	EmailVerified  bool            `json:"email_verified"`
	EmailVerified2 bool            `json:"Email Verified"`
	Username       string          `json:"username"`
	Name           string          `json:"name"`
	Nickname       string          `json:"nickname"`
	CreatedAt      string          `json:"created_at"`
	Blocked        bool            `json:"blocked"`
	PasswordHash   string          `json:"passwordHash"`
	Phone          string          `json:"phone_number"`
	Picture        string          `json:"picture"`
	AppMetadata    map[string]any  `json:"app_metadata"`
	UserMetadata   map[string]any  `json:"user_metadata"`
	Multifactor    []any           `json:"multifactor"`
	Identities     []struct {
		Provider string `json:"provider"`
		IsSocial bool   `json:"isSocial"`
	} `json:"identities"`
}

// Next implements Source.
func (a auth0) Next() (*Record, error) {
	var u auth0User
	if err := a.next(&u); err != nil {
		return nil, err
	}
	id := u.UserID
	var oid struct {
		OID string `json:"$oid"`
	}
	if id == "" && json.Unmarshal(u.OID, &oid) == nil && oid.OID != "" {
		id = "auth0|" + oid.OID // the file with hashes names the account without its connection
	}
	if id != "" && !strings.Contains(id, "|") {
		id = "auth0|" + id
	}
	r := &Record{
		Row: a.row, ExternalID: id, Email: u.Email, EmailVerified: u.EmailVerified || u.EmailVerified2, Disabled: u.Blocked,
	}
	if u.Name != u.Email {
		r.Name = u.Name
	}
	r.setUsername(u.Username)
	r.setHash(u.PasswordHash)
	if err := r.take("", u.CreatedAt); err != nil {
		return nil, err
	}
	social := false
	for _, i := range u.Identities {
		social = social || i.IsSocial || i.Provider != "auth0"
	}
	r.loseIf(LostSocial, social)
	r.loseIf(LostAttributes, len(u.AppMetadata)+len(u.UserMetadata) > 0)
	r.loseIf(LostSecondFactor, len(u.Multifactor) > 0)
	r.loseIf(LostPhone, u.Phone != "")
	r.loseIf(LostPicture, u.Picture != "")
	return r, nil
}
