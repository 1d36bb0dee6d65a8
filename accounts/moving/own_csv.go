package moving

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

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
