package middleware

import (
	"mime"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"gatehouse/internal/apperr"
)

// Form is a parsed form of the fields that the page knows.
type Form map[string]string

// Get returns what was typed into a field, "" when it was not sent.
func (f Form) Get(name string) string { return f[name] }

// Has reports whether the field was sent at all, as a pressed button is.
func (f Form) Has(name string) bool { _, ok := f[name]; return ok }

// ParseForm reads the known fields of a form. It takes urlencoded bodies only,
// never the query (a password in an address ends up in logs), refuses a known
// field that is sent twice (two parsers may pick different ones, ASVS 5.0,
// V2.2.1) and bytes that are no text. Unknown fields are left aside: password
// managers and extensions add some.
func ParseForm(r *http.Request, known ...string) (Form, error) {
	body, err := formBody(r)
	if err != nil {
		return nil, err
	}
	return parseForm(body, known)
}

// ParseStrictForm is ParseForm for programs: no parameter at all may be sent
// twice (RFC 6749, section 3.1), known or not.
func ParseStrictForm(r *http.Request, known ...string) (Form, error) {
	body, err := formBody(r)
	if err != nil {
		return nil, err
	}
	return parseStrictForm(body, known)
}

func formBody(r *http.Request) (string, error) {
	kind, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	// Browsers name no charset here, and one that we do not read would be a
	// second reading of the same bytes.
	charset := params["charset"]
	if err != nil || kind != "application/x-www-form-urlencoded" || charset != "" && !strings.EqualFold(charset, "utf-8") {
		return "", apperr.New(apperr.MediaType, "form_only")
	}
	if err := plainEncoding(r.Header); err != nil {
		return "", err
	}
	body, err := readBody(r)
	if err != nil {
		return "", err
	}
	return string(body), nil
}

func parseForm(body string, known []string) (Form, error) {
	values, err := url.ParseQuery(body)
	if err != nil {
		return nil, apperr.Wrap(apperr.Malformed, "form_syntax", err)
	}
	return pick(values, known)
}

func parseStrictForm(body string, known []string) (Form, error) {
	values, err := url.ParseQuery(body)
	if err != nil {
		return nil, apperr.Wrap(apperr.Malformed, "form_syntax", err)
	}
	for _, sent := range values {
		if len(sent) > 1 {
			return nil, malformed("form_duplicate")
		}
	}
	return pick(values, known)
}

func pick(values url.Values, known []string) (Form, error) {
	form := make(Form, len(known))
	for _, name := range known {
		typed, sent := values[name]
		if !sent {
			continue
		}
		if len(typed) > 1 {
			return nil, malformed("form_duplicate")
		}
		if !utf8.ValidString(typed[0]) || strings.ContainsRune(typed[0], 0) {
			return nil, malformed("not_utf8")
		}
		form[name] = typed[0]
	}
	return form, nil
}
