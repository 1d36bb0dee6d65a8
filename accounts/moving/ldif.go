package moving

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// ldif is the text of a directory (RFC 2849), as "slapcat" and "ldapsearch
// -LLL" write it.
type ldif struct {
	in     *input
	line   int64
	peeked []byte
	end    bool
}

func openLDIF(in *input, _ Options) (Source, error) { return &ldif{in: in}, nil }

// entry is one object of the directory.
type entry struct {
	row    int64
	dn     string
	values map[string][]string
}

func (e *entry) first(names ...string) string {
	for _, name := range names {
		if v := e.values[name]; len(v) > 0 {
			return v[0]
		}
	}
	return ""
}

func (e *entry) has(attribute, value string) bool {
	for _, v := range e.values[attribute] {
		if strings.EqualFold(v, value) {
			return true
		}
	}
	return false
}

// Next implements Source. Entries that are no people are passed over.
func (l *ldif) Next() (*Record, error) {
	for {
		l.in.budget.fill()
		e, err := l.entry()
		if err != nil {
			return nil, err
		}
		person := e.has("objectclass", "person") || e.has("objectclass", "inetOrgPerson") || e.has("objectclass", "posixAccount") || e.has("objectclass", "user")
		if person && !e.has("objectclass", "computer") {
			return e.record()
		}
	}
}

func (e *entry) record() (*Record, error) {
	r := &Record{Row: e.row, Email: e.first("mail", "email", "userprincipalname"), Name: e.first("displayname", "cn")}
	id := e.first("entryuuid", "nsuniqueid", "ipauniqueid", "objectguid")
	if !utf8.ValidString(id) || id == "" {
		id = strings.ToLower(e.dn)
	}
	r.ExternalID = foreignID("ldap", id)
	r.setUsername(e.first("uid", "samaccountname"))
	r.setHash(e.first("userpassword"))
	r.Disabled = e.first("pwdaccountlockedtime") != "" || strings.EqualFold(e.first("nsaccountlock"), "true") ||
		strings.EqualFold(e.first("logindisabled"), "true")
	r.loseIf(LostGroups, len(e.values["memberof"]) > 0)
	r.loseIf(LostPhone, e.first("telephonenumber", "mobile") != "")
	r.loseIf(LostPicture, e.first("jpegphoto") != "")
	r.loseIf(LostNoEmail, len(e.values["mail"]) > 1)
	for name, list := range e.values {
		for _, v := range list {
			if !utf8.ValidString(v) && name != "jpegphoto" && name != "objectguid" {
				return nil, &RowError{Row: e.row, Which: e.dn, Field: name, Why: "it is not UTF-8"}
			}
		}
	}
	return r, r.take("", e.first("createtimestamp"))
}

// entry reads the lines up to an empty one.
func (l *ldif) entry() (*entry, error) {
	e := &entry{values: map[string][]string{}}
	var wrong error
	for {
		line, err := l.logical()
		if err != nil {
			if errors.Is(err, errTooLong) {
				return nil, fmt.Errorf("row %d: %w", l.line, err)
			}
			if err == io.EOF && e.row > 0 {
				return e, wrong
			}
			return nil, err
		}
		switch {
		case len(line) == 0 && e.row > 0:
			if wrong != nil {
				return nil, wrong
			}
			return e, nil
		case len(line) == 0 || line[0] == '#' || e.row == 0 && bytes.HasPrefix(line, []byte("version:")):
			continue
		}
		if e.row == 0 {
			e.row = l.line
		}
		if err := e.add(string(line)); err != nil && wrong == nil {
			wrong = &RowError{Row: e.row, Which: e.dn, Why: err.Error()}
		}
	}
}

// add reads "name: value", "name:: base64" and refuses "name:< address", which
// would have us read files.
func (e *entry) add(line string) error {
	name, value, ok := strings.Cut(line, ":")
	if !ok {
		return errors.New("a line is not \"name: value\"; a continued one begins with a space")
	}
	name, _, _ = strings.Cut(strings.ToLower(name), ";") // without options such as ";lang-de"
	switch {
	case strings.HasPrefix(value, "<"):
		return errors.New("values behind an address are not read")
	case strings.HasPrefix(value, ":"):
		decoded, err := anyBase64(strings.TrimSpace(value[1:]))
		if err != nil {
			return fmt.Errorf("%s is not base64", name)
		}
		value = string(decoded)
	default:
		value = strings.TrimLeft(value, " ")
	}
	switch name {
	case "dn":
		e.dn = value
	case "changetype":
		if !strings.EqualFold(value, "add") {
			return errors.New("it is a change and not an entry")
		}
	default:
		e.values[name] = append(e.values[name], value)
	}
	return nil
}

// logical reads a line with its continuations (RFC 2849, note 2).
func (l *ldif) logical() ([]byte, error) {
	line, err := l.physical()
	if err != nil {
		return nil, err
	}
	for {
		next, err := l.physical()
		if err == io.EOF {
			l.end = true
			return line, nil
		}
		if err != nil {
			return nil, err
		}
		if len(next) == 0 || next[0] != ' ' || len(line) == 0 {
			l.peeked = append([]byte{}, next...)
			l.line--
			return line, nil
		}
		line = append(line, next[1:]...)
		if len(line) > maxRow {
			return nil, errTooLong
		}
	}
}

func (l *ldif) physical() ([]byte, error) {
	if p := l.peeked; p != nil {
		l.peeked = nil
		l.line++
		return p, nil
	}
	if l.end {
		return nil, io.EOF
	}
	line, err := l.in.r.ReadBytes('\n')
	if err == io.EOF && len(line) == 0 || err != nil && err != io.EOF {
		return nil, err
	}
	l.line++
	return bytes.TrimRight(line, "\r\n"), nil
}
