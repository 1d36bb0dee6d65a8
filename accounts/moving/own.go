package moving

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
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

// table yields the rows of a CSV with a header.
type table struct {
	in     *input
	csv    *csv.Reader
	header []string
	row    int64 // the line on which the row begins
}

func newTable(in *input) (*table, error) {
	t := &table{in: in, csv: csv.NewReader(in.r)}
	t.csv.ReuseRecord = true
	header, err := t.csv.Read()
	if err != nil {
		return nil, fmt.Errorf("the header cannot be read: %w", csvWhy(err))
	}
	if len(header) == 1 && strings.ContainsAny(header[0], ";\t") {
		return nil, errors.New("the columns are not separated by commas")
	}
	seen := map[string]bool{}
	for _, name := range header {
		name = strings.ToLower(strings.TrimSpace(name))
		if seen[name] {
			return nil, fmt.Errorf("the header has the column %q twice", name)
		}
		seen[name] = true
		t.header = append(t.header, name)
	}
	t.csv.FieldsPerRecord = len(t.header)
	return t, nil
}

// next reads one row; the cells are good until the next call.
func (t *table) next() ([]string, error) {
	t.in.budget.fill()
	cells, err := t.csv.Read()
	if err == io.EOF {
		return nil, err
	}
	var wrong *csv.ParseError
	if errors.As(err, &wrong) {
		t.row = int64(wrong.StartLine)
		if errors.Is(err, csv.ErrFieldCount) {
			return nil, &RowError{Row: t.row, Why: fmt.Sprintf("it has %d columns and the header %d", len(cells), len(t.header))}
		}
		if !errors.Is(wrong.Err, errTooLong) {
			return nil, &RowError{Row: t.row, Why: csvWhy(err).Error()}
		}
	}
	if err != nil {
		return nil, fmt.Errorf("row after %d: %w", t.row, csvWhy(err))
	}
	line, _ := t.csv.FieldPos(0)
	t.row = int64(line)
	for i, c := range cells {
		if !utf8.ValidString(c) {
			return nil, &RowError{Row: t.row, Field: t.header[i], Why: "it is not UTF-8"}
		}
	}
	return cells, nil
}

func csvWhy(err error) error {
	var wrong *csv.ParseError
	switch {
	case errors.Is(err, errTooLong):
		return errTooLong
	case errors.Is(err, csv.ErrQuote), errors.Is(err, csv.ErrBareQuote):
		return errors.New("a quote is not closed or stands where none may be")
	case errors.As(err, &wrong):
		return wrong.Err
	}
	return err
}

// ownTable is our CSV.
type ownTable struct{ *table }

func openCSV(in *input) (Source, error) {
	t, err := newTable(in)
	if err != nil {
		return nil, err
	}
	email := false
	for _, name := range t.header {
		if ownColumns[name] == nil {
			return nil, fmt.Errorf("the header has the column %q, which is unknown: want some of id, external_id, email, email_verified, username, name, roles, disabled, password_hash, totp_seed, created_at", name)
		}
		email = email || name == "email"
	}
	if !email {
		return nil, errors.New("the header has no column email")
	}
	return ownTable{t}, nil
}

// Next implements Source.
func (t ownTable) Next() (*Record, error) {
	cells, err := t.next()
	if err != nil {
		return nil, err
	}
	r := &Record{Row: t.row}
	for i, cell := range cells {
		if cell = strings.TrimSpace(cell); cell == "" {
			continue
		}
		if err := ownColumns[t.header[i]](r, cell); err != nil {
			return nil, &RowError{Row: t.row, Which: r.Email, Field: t.header[i], Why: err.Error()}
		}
	}
	return r, nil
}

func parseBool(s string) (bool, error) {
	switch strings.ToLower(s) {
	case "true", "t", "1", "yes", "y":
		return true, nil
	case "false", "f", "0", "no", "n", "":
		return false, nil
	}
	return false, fmt.Errorf("%.20q is neither true nor false", s)
}

var timeForms = []string{
	time.RFC3339Nano, "2006-01-02 15:04:05.999999999Z07:00", "2006-01-02 15:04:05.999999999Z07", "2006-01-02 15:04:05.999999999 MST",
	"2006-01-02 15:04:05.999999999", "2006-01-02T15:04:05.999999999", "20060102150405Z", "2006-01-02",
}

// parseTime reads the usual forms; without a zone it is UTC. A number is
// seconds since 1970, or milliseconds when it is long.
func parseTime(s string) (time.Time, error) {
	if strings.HasPrefix(s, "0000-00-00") { // MySQL's "never"
		return time.Time{}, nil
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil && len(s) <= 13 && len(s) > 6 && n > 0 {
		if len(s) > 11 {
			return time.UnixMilli(n).UTC(), nil
		}
		return time.Unix(n, 0).UTC(), nil
	}
	for _, form := range timeForms {
		if t, err := time.Parse(form, s); err == nil && t.Year() >= 1970 && t.Year() < 10000 {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("%.40q is no time like 2026-01-31T15:04:05Z", s)
}
