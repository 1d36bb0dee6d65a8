package moving

import (
	"encoding/json"
	"strings"
)

// django is the JSON of "manage.py dumpdata", or of authentik's
// "ak dumpdata", which is the same: objects of many models in one list.
type django struct {
	*stream
	model, system string
}

func openDjango(model string) func(*input, Options) (Source, error) {
	return func(in *input, _ Options) (Source, error) {
		s, err := newStream(in, "")
		system, _, _ := strings.Cut(model, "_")
		if model == "auth.user" {
			system = "django"
		}
		return django{s, model, system}, err
	}
}

type djangoUser struct {
	Model  string          `json:"model"`
	PK     json.RawMessage `json:"pk"`
	Fields struct {
		UUID        string         `json:"uuid"`
		Username    string         `json:"username"`
		Email       string         `json:"email"`
		Name        string         `json:"name"`
		FirstName   string         `json:"first_name"`
		LastName    string         `json:"last_name"`
		Password    string         `json:"password"`
		IsActive    *bool          `json:"is_active"`
		IsStaff     bool           `json:"is_staff"`
		IsSuperuser bool           `json:"is_superuser"`
		DateJoined  string         `json:"date_joined"`
		Type        string         `json:"type"`
		Groups      []any          `json:"groups"`
		Permissions []any          `json:"user_permissions"`
		Attributes  map[string]any `json:"attributes"`
	} `json:"fields"`
}

// Next implements Source. Objects of other models are passed over; a user
// model of one's own ends in ".user".
func (d django) Next() (*Record, error) {
	for {
		var u djangoUser
		if err := d.next(&u); err != nil {
			return nil, err
		}
		own := d.model == "auth.user" && strings.HasSuffix(strings.ToLower(u.Model), "user")
		service := strings.Contains(u.Fields.Type, "service_account")
		if (u.Model == d.model || own) && !service {
			return u.record(d)
		}
	}
}

func (u *djangoUser) record(d django) (*Record, error) {
	f := u.Fields
	id := f.UUID
	if id == "" {
		id = strings.Trim(string(u.PK), `"`)
	}
	r := &Record{
		Row: d.row, ExternalID: foreignID(d.system, id), Email: f.Email, Name: f.Name, Disabled: f.IsActive != nil && !*f.IsActive,
	}
	if r.Name == "" {
		r.Name = strings.TrimSpace(f.FirstName + " " + f.LastName)
	}
	r.setUsername(f.Username)
	r.setHash(f.Password)
	r.loseIf(LostRoles, f.IsStaff || f.IsSuperuser || len(f.Permissions) > 0)
	r.loseIf(LostGroups, len(f.Groups) > 0)
	r.loseIf(LostAttributes, len(f.Attributes) > 0)
	return r, r.take("", f.DateJoined)
}
