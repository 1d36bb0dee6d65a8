package moving

import (
	"errors"
	"fmt"
	"strings"
)

// shape says what the columns of another system's user table mean to us.
type shape struct {
	system  string
	columns map[string]string // to one of the fields of set
	// ignored columns hold nothing that is lost: counters, tokens, times.
	ignored string
	// unverified is true when the table has no column for it and an address
	// was never checked.
	lost map[string]string // what a column that is not empty means to lose
}

var supabaseTable = shape{
	system: "supabase",
	columns: map[string]string{
		"id": "id", "email": "email", "encrypted_password": "hash", "email_confirmed_at": "verified_at", "created_at": "created_at",
		"banned_until": "disabled_at", "deleted_at": "disabled_at",
	},
	ignored: "instance_id aud role invited_at confirmation_token confirmation_sent_at recovery_token recovery_sent_at email_change_token_new email_change email_change_sent_at last_sign_in_at updated_at phone_confirmed_at phone_change phone_change_token phone_change_sent_at confirmed_at email_change_token_current email_change_confirm_status reauthentication_token reauthentication_sent_at is_sso_user is_anonymous raw_app_meta_data is_super_admin",
	lost:    map[string]string{"phone": LostPhone, "raw_user_meta_data": LostAttributes},
}

var laravelTable = shape{
	system: "laravel",
	columns: map[string]string{
		"id": "id", "name": "name", "email": "email", "username": "username", "password": "hash", "email_verified_at": "verified_at",
		"created_at": "created_at", "deleted_at": "disabled_at",
	},
	ignored: "remember_token updated_at two_factor_confirmed_at current_team_id",
	// Fortify seals both with the application's key.
	lost: map[string]string{"two_factor_secret": LostSecondFactor, "two_factor_recovery_codes": LostRecoveryCodes, "profile_photo_path": LostPicture, "phone": LostPhone},
}

var deviseTable = shape{
	system: "devise",
	columns: map[string]string{
		"id": "id", "email": "email", "username": "username", "name": "name", "encrypted_password": "hash", "confirmed_at": "verified_at",
		"created_at": "created_at", "locked_at": "", "otp_secret": "totp",
	},
	ignored: "locked_at reset_password_token reset_password_sent_at remember_created_at sign_in_count current_sign_in_at last_sign_in_at current_sign_in_ip last_sign_in_ip confirmation_token confirmation_sent_at unconfirmed_email failed_attempts unlock_token updated_at consumed_timestep otp_required_for_login",
	lost:    map[string]string{"provider": LostSocial, "uid": LostSocial, "otp_backup_codes": LostRecoveryCodes, "encrypted_otp_secret": LostSecondFactor},
}

var wordpressTable = shape{
	system: "wordpress",
	columns: map[string]string{
		"id": "id", "user_login": "username", "user_pass": "hash", "user_email": "email", "user_registered": "created_at",
		"display_name": "name",
	},
	ignored: "user_nicename user_activation_key user_status spam deleted",
	lost:    map[string]string{"user_url": LostAttributes, "roles": LostRoles, "first_name": LostAttributes, "last_name": LostAttributes},
}

// foreignTable yields the rows of a table of another system, as CSV with a
// header or as JSON objects.
type foreignTable struct {
	shape
	csv  *table
	json *stream
}

func openTable(s shape) func(*input, Options) (Source, error) {
	return func(in *input, _ Options) (Source, error) {
		if in.json() {
			j, err := newStream(in, "")
			return &foreignTable{shape: s, json: j}, err
		}
		t, err := newTable(in)
		if err != nil {
			return nil, err
		}
		for _, name := range t.header {
			if s.columns[name] == "email" {
				return &foreignTable{shape: s, csv: t}, nil
			}
		}
		return nil, errors.New("the header has no column with the address: is it the table of another system?")
	}
}

// Next implements Source.
func (f *foreignTable) Next() (*Record, error) {
	row, cells, err := f.cells()
	if err != nil {
		return nil, err
	}
	r := &Record{Row: row}
	r.Email = cells[f.column("email")]
	hash := ""
	for column, cell := range cells {
		cell = strings.TrimSpace(cell)
		if cell == "" || cell == "NULL" || cell == `\N` || cell == "null" {
			continue
		}
		if f.columns[column] == "hash" {
			hash = cell
			continue
		}
		if err := f.set(r, column, cell); err != nil {
			return nil, &RowError{Row: row, Which: r.Email, Field: column, Why: err.Error()}
		}
	}
	r.setHash(hash)
	return r, nil
}

func (f *foreignTable) column(field string) string {
	for column, to := range f.columns {
		if to == field {
			return column
		}
	}
	return ""
}

func (f *foreignTable) cells() (int64, map[string]string, error) {
	cells := map[string]string{}
	if f.csv != nil {
		row, err := f.csv.next()
		for i, cell := range row {
			if err == nil {
				cells[f.csv.header[i]] = cell
			}
		}
		return f.csv.row, cells, err
	}
	object := map[string]any{}
	err := f.json.next(&object)
	for key, value := range object {
		switch v := value.(type) {
		case nil:
		case string:
			cells[strings.ToLower(key)] = v
		case float64:
			cells[strings.ToLower(key)] = fmt.Sprintf("%.0f", v)
		default:
			cells[strings.ToLower(key)] = fmt.Sprint(v)
		}
	}
	return f.json.row, cells, err
}

func (f *foreignTable) set(r *Record, column, cell string) (err error) {
	switch f.columns[column] {
	case "id":
		r.ExternalID = foreignID(f.system, cell)
	case "name":
		r.Name = cell
	case "username":
		r.setUsername(cell)
	case "verified_at":
		r.EmailVerified = true
	case "disabled_at":
		r.Disabled = true
	case "created_at":
		r.CreatedAt, err = parseTime(cell)
	case "totp":
		if r.TOTP, err = ParseTOTP(cell); err != nil {
			err = nil
			r.lose(LostSecondFactor)
		}
	case "":
		if what, ok := f.lost[column]; ok {
			r.loseIf(what, cell != "{}" && cell != "[]")
		} else if !strings.Contains(" "+f.ignored+" ", " "+column+" ") {
			r.lose(LostAttributes)
		}
	}
	return err
}
