package templates

import (
	"html/template"
	"slices"
	"strings"
)

// Form is what was typed into a form and what was wrong with it.
type Form struct {
	// Typed is shown again, by the name of the field. It holds no secrets.
	Typed map[string]string
	// Wrong has one sentence for each wrong field.
	Wrong map[string]string
	// Alert is about the whole form: throttled, busy, ended.
	Alert *Flash
}

// secretFields are never shown again.
var secretFields = []string{"password", "current_password", "new_password", "code", "token", "attempt"}

// fieldOrder is the order in which fields stand on every page, for the summary
// and for where the cursor goes.
var fieldOrder = []string{"code", "email", "name", "username", "password", "current_password", "new_password",
	"token_name", "scopes", "apps", "expires_at", "roles", "user", "by", "action", "since"}

// ownField are the reasons that are told beside a field: there the eye is.
var ownField = map[string]string{
	"invalid_credentials": "password",
	"code_wrong":          "code",
	"totp_wrong":          "code",
	"totp_used":           "code",
	"recovery_wrong":      "code",
	"username_taken":      "username",
	"email_taken":         "email",
}

// Mistake is a failure in the words of the locales, as middleware tells it.
type Mistake struct {
	Reason    string
	Text      string
	Fields    map[string]string
	Throttled bool // 429: it passes by itself
}

// NewForm puts a mistake where it belongs: beside its field, or above the
// form when no field of it is to blame.
func NewForm(typed map[string]string, m Mistake) Form {
	f := Form{Typed: map[string]string{}, Wrong: map[string]string{}}
	for name, value := range typed {
		if value != "" && !slices.Contains(secretFields, name) {
			f.Typed[name] = value
		}
	}
	for name, sentence := range m.Fields {
		if slices.Contains(fieldOrder, name) {
			f.Wrong[name] = sentence
		}
	}
	if len(f.Wrong) > 0 || m.Reason == "" {
		return f
	}
	if name := ownField[m.Reason]; name != "" {
		f.Wrong[name] = m.Text
		return f
	}
	f.Alert = alert(m)
	return f
}

// alert sets the first sentence in bold. The rest says
// what helps.
func alert(m Mistake) *Flash {
	a := &Flash{Kind: Bad, Title: m.Text}
	if first, rest, more := strings.Cut(m.Text, ". "); more {
		a.Title, a.Text = first+".", rest
	}
	if m.Throttled {
		a.Kind = Warn
	}
	return a
}

// Failed reports whether the form is shown because something was wrong.
func (f Form) Failed() bool { return len(f.Wrong) > 0 || f.Alert != nil }

// Value is what was typed into a field.
func (f Form) Value(name string) string { return f.Typed[name] }

// Summary are the names of the wrong fields in the order of the page, when
// there are two or more: a single one is next to the cursor.
func (f Form) Summary() []string {
	if len(f.Wrong) < 2 {
		return nil
	}
	return f.wrongNames()
}

func (f Form) wrongNames() []string {
	var names []string
	for _, name := range fieldOrder {
		if f.Wrong[name] != "" {
			names = append(names, name)
		}
	}
	return names
}

// Describe are the attributes that tie a field to its hint and its error, and
// bring the cursor to the first wrong one. The error is named before the hint,
// because it is read first. The name is a word of the template.
func (f Form) Describe(name string, hint bool) template.HTMLAttr {
	ids, wrong := "", f.Wrong[name] != ""
	if wrong {
		ids = name + "-wrong"
	}
	if hint {
		if ids != "" {
			ids += " "
		}
		ids += name + "-hint"
	}
	if ids == "" {
		return ""
	}
	attr := ` aria-describedby="` + ids + `"`
	if wrong {
		attr += ` aria-invalid="true"`
		if f.wrongNames()[0] == name {
			attr += " autofocus"
		}
	}
	return template.HTMLAttr(attr)
}
