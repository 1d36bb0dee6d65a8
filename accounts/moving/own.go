package moving

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"
)

// User is one line of our own shape, in the order in which it is written. It
// is documented in docs/migration.md.
type User struct {
	ID            string    `json:"id,omitempty"`
	Email         string    `json:"email"`
	EmailVerified bool      `json:"email_verified"`
	Username      string    `json:"username,omitempty"`
	Name          string    `json:"name,omitempty"`
	Roles         []string  `json:"roles"`
	Disabled      bool      `json:"disabled"`
	PasswordHash  string    `json:"password_hash,omitempty"`
	TOTPSeed      string    `json:"totp_seed,omitempty"`
	Passkeys      []Passkey `json:"passkeys,omitempty"`
	RecoveryCodes []string  `json:"recovery_code_hashes,omitempty"`
	CreatedAt     string    `json:"created_at,omitempty"`
	ExternalID    string    `json:"external_id,omitempty"`
}

// FormatTime writes a moment as our own shape does.
func FormatTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000Z") }

// jsonLines is our own shape: one object a line.
type jsonLines struct {
	in  *input
	row int64
	buf []byte
}

// Next implements Source.
func (j *jsonLines) Next() (*Record, error) {
	for {
		line, err := j.line()
		if err != nil {
			return nil, err
		}
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		return j.record(line)
	}
}

// line reads to the end of a line; what is beyond the bound is skipped.
func (j *jsonLines) line() ([]byte, error) {
	j.in.budget.fill()
	j.row++
	j.buf = j.buf[:0]
	long := false
	for {
		part, err := j.in.r.ReadSlice('\n')
		j.in.budget.fill()
		if len(j.buf)+len(part) > maxRow {
			long = true
		}
		if !long {
			j.buf = append(j.buf, part...)
		}
		switch {
		case errors.Is(err, errBufferFull):
			continue
		case err == io.EOF && len(j.buf) == 0 && !long:
			return nil, io.EOF
		case err != nil && err != io.EOF:
			return nil, err
		case long:
			return nil, &RowError{Row: j.row, Why: "the line is longer than 1 MiB"}
		}
		return j.buf, nil
	}
}

func (j *jsonLines) record(line []byte) (*Record, error) {
	var u User
	if err := strictJSON(line, &u); err != nil {
		return nil, &RowError{Row: j.row, Which: u.Email, Why: err.Error()}
	}
	r := &Record{
		Row: j.row, ID: u.ID, ExternalID: u.ExternalID, Email: u.Email, EmailVerified: u.EmailVerified, Username: u.Username,
		Name: u.Name, Roles: u.Roles, Disabled: u.Disabled, PasswordHash: u.PasswordHash, Passkeys: u.Passkeys,
		RecoveryCodes: u.RecoveryCodes,
	}
	return r, r.take(u.TOTPSeed, u.CreatedAt)
}

// take reads the two fields that are text with a form of their own.
func (r *Record) take(seed, created string) error {
	var err error
	if seed != "" {
		if r.TOTP, err = ParseTOTP(seed); err != nil {
			return &RowError{Row: r.Row, Which: r.Email, Field: "totp_seed", Why: err.Error()}
		}
	}
	if created != "" {
		if r.CreatedAt, err = parseTime(created); err != nil {
			return &RowError{Row: r.Row, Which: r.Email, Field: "created_at", Why: err.Error()}
		}
	}
	return nil
}

// strictJSON decodes one object without unknown fields and without anything
// behind it.
func strictJSON(b []byte, to any) error {
	if !utf8.Valid(b) {
		return errors.New("it is not UTF-8")
	}
	if err := noneTwice(b, strings.ToLower); err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(to); err != nil {
		return jsonWhy(err)
	}
	// What is left is looked at here: the decoder would make room for more.
	if len(bytes.TrimLeft(b[d.InputOffset():], " \t\r\n")) > 0 {
		return errors.New("there is more on the line than one object")
	}
	return nil
}

// jsonWhy puts the words of encoding/json into ours.
func jsonWhy(err error) error {
	var wrong *json.UnmarshalTypeError
	switch text := err.Error(); {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("the line ends in the middle of an object: the file may be cut")
	case errors.As(err, &wrong):
		return fmt.Errorf("the field %q holds a JSON %s and should not", wrong.Field, wrong.Value)
	case strings.HasPrefix(text, "json: unknown field "):
		return fmt.Errorf("the field %s is unknown", strings.TrimPrefix(text, "json: unknown field "))
	}
	return fmt.Errorf("it is not JSON: %s", strings.TrimPrefix(err.Error(), "json: "))
}

// ownColumns are the columns of our CSV, which are the fields of a line but
// for passkeys and recovery codes, which have no place in a table.
var ownColumns = map[string]func(*Record, string) error{
	"id":             func(r *Record, s string) error { r.ID = s; return nil },
	"external_id":    func(r *Record, s string) error { r.ExternalID = s; return nil },
	"email":          func(r *Record, s string) error { r.Email = s; return nil },
	"username":       func(r *Record, s string) error { r.Username = s; return nil },
	"name":           func(r *Record, s string) error { r.Name = s; return nil },
	"password_hash":  func(r *Record, s string) error { r.PasswordHash = s; return nil },
	"email_verified": func(r *Record, s string) (err error) { r.EmailVerified, err = parseBool(s); return err },
	"disabled":       func(r *Record, s string) (err error) { r.Disabled, err = parseBool(s); return err },
	"totp_seed":      func(r *Record, s string) (err error) { r.TOTP, err = ParseTOTP(s); return err },
	"created_at":     func(r *Record, s string) (err error) { r.CreatedAt, err = parseTime(s); return err },
	"roles": func(r *Record, s string) error {
		r.Roles = strings.FieldsFunc(s, func(c rune) bool { return c == ' ' || c == ',' || c == ';' })
		return nil
	},
}

var timeForms = []string{
	time.RFC3339Nano, "2006-01-02 15:04:05.999999999Z07:00", "2006-01-02 15:04:05.999999999Z07", "2006-01-02 15:04:05.999999999 MST",
	"2006-01-02 15:04:05.999999999", "2006-01-02T15:04:05.999999999", "20060102150405Z", "2006-01-02",
}
