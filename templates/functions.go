package templates

import (
	"fmt"
	"html/template"
	"net/url"
	"strings"
	"time"

	"gatehouse/locales"
)

// functions are what templates may call, bound to one language. The calls of
// t, asset and lang that have no other argument are put in at start.
func functions(words *locales.Bundle, lang string) template.FuncMap {
	s := speaker{words, lang}
	c := clock{words, lang}
	return template.FuncMap{
		"t":       s.text,
		"th":      s.html,
		"label":   s.label,
		"methods": s.methods,
		"passkey": func(word string, main bool) passkeyForm { return passkeyForm{word, main} },
		"way":     func(method string) (string, error) { return s.text("way." + method) },
		"wayHint": func(method string) (string, error) { return s.text("way." + method + ".hint") },
		"health":  func(word string) (string, error) { return s.text("health." + word) },
		"spaced":  spaced,
		"meaning": s.meaning,
		"device":  func(userAgent string) string { return Device(userAgent).In(lang) },
		"icon":    func(userAgent string) string { return Device(userAgent).Icon() },
		"asset":   atStart, "lang": atStart,
		"others": otherLanguages(words, lang),
		"switch": switchTo,
		"wrong":  wrongOf,

		"when":  func(now, at time.Time) template.HTML { return tag(at, c.when(now, at)) },
		"ago":   func(now, at time.Time) template.HTML { return tag(at, c.ago(now, at)) },
		"date":  func(now, at time.Time) template.HTML { return tag(at, c.date(now, at)) },
		"exact": func(now, at time.Time) template.HTML { return tag(at, at.In(now.Location()).Format("15:04:05")) },
		"zone":  func(now time.Time) string { name, _ := now.Zone(); return name },
		"span":  c.span,
		"left":  func(now, until time.Time) string { return c.left(until.Sub(now)) },

		"bold": func(text string) template.HTML { return element("b", text) },
		"mono": func(text string) template.HTML { return element("code", text) },
		"link": func(href, text string) template.HTML {
			return template.HTML(`<a href="` + template.HTMLEscapeString(href) + `">` + template.HTMLEscapeString(text) + `</a>`)
		},
		"grouped": grouped,
		"prose":   prose,
	}
}

func atStart(...string) (string, error) {
	return "", fmt.Errorf("this is put in at start, and takes no variable")
}

// speaker looks up words in one language.
type speaker struct {
	words *locales.Bundle
	lang  string
}

// text is the sentence of a key; pairs are names and values of its parameters.
func (s speaker) text(key string, pairs ...any) (string, error) {
	if !s.words.Has(s.lang, key) {
		return "", fmt.Errorf("%s has no key %q", s.lang, key)
	}
	params := make(map[string]any, len(pairs)/2)
	for i := 0; i+1 < len(pairs); i += 2 {
		params[fmt.Sprint(pairs[i])] = pairs[i+1]
	}
	return s.words.Text(s.lang, key, params), nil
}

// html is text whose parameters may be elements that a function here made.
// All others are escaped; the sentence itself is ours.
func (s speaker) html(key string, pairs ...any) (template.HTML, error) {
	for i := 1; i < len(pairs); i += 2 {
		if text, ok := pairs[i].(string); ok {
			pairs[i] = template.HTMLEscapeString(text)
		}
	}
	sentence, err := s.text(key, pairs...)
	return template.HTML(sentence), err
}

// label is what the summary calls a field.
func (s speaker) label(name string) (string, error) { return s.text("form.put_right." + name) }

// methods says how somebody signed in, from amr values (RFC 8176, section 2).
func (s speaker) methods(amr []string) string {
	var named []string
	for _, m := range amr {
		if name := s.words.Text(s.lang, "method."+m, nil); name != "" {
			named = append(named, name)
		}
	}
	switch len(named) {
	case 0:
		return s.words.Text(s.lang, "method.unknown", nil)
	case 1:
		return named[0]
	}
	last := len(named) - 1
	return s.words.Text(s.lang, "list.and", map[string]any{"First": strings.Join(named[:last], ", "), "Last": named[last]})
}

// meaning is what a claim, an algorithm or a purpose stands for, "" for a
// strange one.
func (s speaker) meaning(key string) string { return s.words.Text(s.lang, key, nil) }

// language is one of the switch in the footer.
type language struct{ Code, Name string }

// otherLanguages makes the list once: it is on every page.
func otherLanguages(words *locales.Bundle, lang string) func() []language {
	var list []language
	for _, code := range locales.Languages {
		if words != nil && code != lang {
			list = append(list, language{code, words.Text(code, "language.name", nil)})
		}
	}
	return func() []language { return list }
}

// switchTo is the address of the same page in another language.
func switchTo(l Layout, lang string) string {
	if l.Query == "" {
		return l.Path + "?lang=" + lang
	}
	query, err := url.ParseQuery(l.Query)
	if err != nil {
		return l.Path + "?lang=" + lang
	}
	query.Set("lang", lang)
	return l.Path + "?" + query.Encode()
}

// wrongField is the view of the partial "wrong".
type wrongField struct{ Name, Sentence string }

func wrongOf(f Form, name string) *wrongField {
	if f.Wrong[name] == "" {
		return nil
	}
	return &wrongField{name, f.Wrong[name]}
}

func element(name, text string) template.HTML {
	return template.HTML("<" + name + ">" + template.HTMLEscapeString(text) + "</" + name + ">")
}

// prose is a text of the API document: what stands between backticks is code.
func prose(text string) template.HTML {
	var out strings.Builder
	parts := strings.Split(text, "`")
	for i, part := range parts {
		switch {
		case i%2 == 0:
			out.WriteString(template.HTMLEscapeString(part))
		case i == len(parts)-1: // the last backtick has no partner
			out.WriteString(template.HTMLEscapeString("`" + part))
		default:
			out.WriteString(string(element("code", part)))
		}
	}
	return template.HTML(out.String())
}

// spaced writes a long secret in groups of four, as people copy it.
func spaced(secret string) string {
	var groups []string
	for len(secret) > 4 {
		groups, secret = append(groups, secret[:4]), secret[4:]
	}
	return strings.Join(append(groups, secret), " ")
}

// grouped writes "418207" as "418 207", as people read it out.
func grouped(code string) string {
	if len(code) != 6 {
		return code
	}
	return code[:3] + " " + code[3:]
}

// passkeyForm is what the partial "passkey" draws.
type passkeyForm struct {
	Word string
	Main bool
}
