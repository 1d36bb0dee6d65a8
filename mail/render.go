package mail

import (
	"bytes"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	html "html/template"
	"net/url"
	"strings"
	text "text/template"
	"time"

	"github.com/nicksnyder/go-i18n/v2/i18n"
	"golang.org/x/text/language"

	"gatehouse/locales"
)

// Languages that mails are written in; the first one is for everybody else.
var languages = []language.Tag{language.English, language.German}

//go:embed templates
var templateFiles embed.FS

// letter is the view of both templates: the same words as text and as HTML.
type letter struct {
	Lang, Subject, Title, Lead string
	Code                       string // grouped for reading
	Or, Action, Link           string
	Facts                      []fact
	Notes                      []string
	Footer                     string
}

// fact is a line of what is known: its name and what it is.
type fact struct{ Name, Value string }

// renderer turns messages into letters.
type renderer struct {
	bundle  *i18n.Bundle
	matcher language.Matcher
	html    *html.Template
	text    *text.Template
	app     string
	base    string
}

func newRenderer(app, base string) (*renderer, error) {
	r := &renderer{
		bundle:  i18n.NewBundle(languages[0]),
		matcher: language.NewMatcher(languages),
		app:     oneLine(app),
		base:    base,
	}
	r.bundle.RegisterUnmarshalFunc("json", json.Unmarshal)
	for _, tag := range languages {
		if _, err := r.bundle.LoadMessageFileFS(locales.Files, "mail."+tag.String()+".json"); err != nil {
			return nil, fmt.Errorf("mail: the words for %s: %w", tag, err)
		}
	}
	var htmlErr, textErr error
	r.html, htmlErr = html.ParseFS(templateFiles, "templates/letter.html")
	r.text, textErr = text.ParseFS(templateFiles, "templates/letter.txt")
	return r, errors.Join(htmlErr, textErr)
}

// language is the language of ours that is closest to what was asked for.
func (r *renderer) language(locale string) string {
	tags, _, err := language.ParseAcceptLanguage(locale)
	if err != nil {
		return languages[0].String()
	}
	_, i, _ := r.matcher.Match(tags...)
	return languages[i].String()
}

func (r *renderer) render(m Message, at time.Time) (content, error) {
	w := words{localizer: i18n.NewLocalizer(r.bundle, r.language(m.Locale)), data: map[string]any{
		"App": r.app, "Host": r.host(), "Code": grouped(m.Code), "When": at.UTC().Format("2006-01-02 15:04 UTC"),
	}}
	l, err := r.compose(m, &w)
	if err != nil {
		return content{}, err
	}
	l.Lang = r.language(m.Locale)
	var h, t bytes.Buffer
	if err := errors.Join(w.err, r.html.Execute(&h, l), r.text.Execute(&t, l)); err != nil {
		return content{}, fmt.Errorf("mail: writing %s: %w", m.Purpose, err)
	}
	c := content{Subject: oneLine(l.Subject), HTML: h.String(), Text: t.String(), Code: m.Code}
	if l.Link != "" {
		c.Links = []string{l.Link}
	}
	return c, nil
}

func (r *renderer) host() string {
	if u, err := url.Parse(r.base); err == nil {
		return u.Host
	}
	return ""
}

// grouped writes "418207" as "418 207", as people read it out.
func grouped(code string) string {
	if len(code) != 6 {
		return code
	}
	return code[:3] + " " + code[3:]
}

const day = 24 * time.Hour

// words looks up sentences and keeps the first error, so that composing a
// letter reads as a list of its parts.
type words struct {
	localizer *i18n.Localizer
	data      map[string]any
	err       error
}

func (w *words) say(key string) string {
	s, err := w.localizer.Localize(&i18n.LocalizeConfig{MessageID: "mail." + key, TemplateData: w.data})
	if err != nil && w.err == nil {
		w.err = err
	}
	return s
}

// find is say for words that a letter need not have.
func (w *words) find(key string) (string, bool) {
	s, err := w.localizer.Localize(&i18n.LocalizeConfig{MessageID: "mail." + key, TemplateData: w.data})
	return s, err == nil
}

// span says a length of time in the largest unit that is whole; one day is 24
// hours, because that is what is meant.
func (w *words) span(ttl string) string {
	d, err := time.ParseDuration(ttl)
	if err != nil || d <= 0 {
		return ""
	}
	unit, n := "seconds", int(d/time.Second)
	switch {
	case d%day == 0 && d > day:
		unit, n = "days", int(d/day)
	case d%time.Hour == 0:
		unit, n = "hours", int(d/time.Hour)
	case d >= time.Minute:
		unit, n = "minutes", int(d/time.Minute)
	}
	s, err := w.localizer.Localize(&i18n.LocalizeConfig{
		MessageID: "mail.span." + unit, PluralCount: n, TemplateData: map[string]any{"N": n},
	})
	if err != nil && w.err == nil {
		w.err = err
	}
	return s
}

// notes drops the empty ones.
func notes(all ...string) []string {
	var out []string
	for _, s := range all {
		if strings.TrimSpace(s) != "" {
			out = append(out, s)
		}
	}
	return out
}
