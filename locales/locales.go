package locales

import (
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/nicksnyder/go-i18n/v2/i18n"
	"golang.org/x/text/language"
)

// Files holds the message files of go-i18n.
//
//go:embed *.json
var Files embed.FS

// Languages are the languages of the pages, the default one first. Each has a
// file of its name, and may have others that end in it ("mail.de.json").
var Languages = []string{"en", "de"}

// counts are the parameters that may choose the plural form of a sentence, in
// the order in which they are looked for. A sentence counts one thing only.
var counts = []string{"Count", "N", "Minutes", "Missing", "Max"}

// Bundle is the words of all languages, ready to be looked up.
type Bundle struct {
	languages map[string]*words
}

// words is one language. Sentences without a parameter are kept as they are:
// a page is made of dozens of them.
type words struct {
	plain     map[string]string
	plural    map[string]bool
	localizer *i18n.Localizer
}

var load = sync.OnceValue(func() *Bundle {
	b, err := Parse(Files)
	if err != nil {
		panic(err) // the files are part of the program
	}
	return b
})

// Default is the bundle of the embedded files.
func Default() *Bundle { return load() }

// Text is the sentence of a key in a language of ours, with its parameters put
// in; "" when there is no such key. Languages that we don't have get English.
func Text(lang, key string, params map[string]any) string {
	return load().Text(lang, key, params)
}

// Parse reads the files of every language.
func Parse(files fs.FS) (*Bundle, error) {
	b := &Bundle{languages: map[string]*words{}}
	bundle := i18n.NewBundle(language.MustParse(Languages[0]))
	bundle.RegisterUnmarshalFunc("json", json.Unmarshal)
	for _, lang := range Languages {
		w := &words{plain: map[string]string{}, plural: map[string]bool{}}
		others, err := fs.Glob(files, "*."+lang+".json")
		if err != nil {
			return nil, err
		}
		for _, name := range append(others, lang+".json") {
			if err := w.read(bundle, files, name); err != nil {
				return nil, fmt.Errorf("locales: %s: %w", name, err)
			}
		}
		w.localizer = i18n.NewLocalizer(bundle, lang)
		b.languages[lang] = w
	}
	return b, nil
}

func (w *words) read(bundle *i18n.Bundle, files fs.FS, name string) error {
	body, err := fs.ReadFile(files, name)
	if err != nil {
		return err
	}
	file, err := bundle.ParseMessageFileBytes(body, name)
	if err != nil {
		return err
	}
	for _, m := range file.Messages {
		if _, twice := w.plural[m.ID]; twice {
			return fmt.Errorf("the key %q stands there twice", m.ID)
		}
		w.plural[m.ID] = m.One != ""
		if m.One == "" && !strings.Contains(m.Other, "{{") {
			w.plain[m.ID] = m.Other
		}
	}
	return nil
}

// Text is the sentence of a key; see the function of that name.
func (b *Bundle) Text(lang, key string, params map[string]any) string {
	w := b.languages[lang]
	if w == nil {
		w = b.languages[Languages[0]]
	}
	if s, ok := w.plain[key]; ok {
		return s
	}
	plural, known := w.plural[key]
	if !known {
		return ""
	}
	ask := &i18n.LocalizeConfig{MessageID: key, TemplateData: params}
	if plural {
		ask.PluralCount = countOf(params)
	}
	s, err := w.localizer.Localize(ask)
	if err != nil {
		return ""
	}
	return s
}

// Has reports whether a language has a key.
func (b *Bundle) Has(lang, key string) bool {
	w := b.languages[lang]
	if w == nil {
		return false
	}
	_, ok := w.plural[key]
	return ok
}

// Plain is the sentence of a key that needs no parameters.
func (b *Bundle) Plain(lang, key string) (string, bool) {
	w := b.languages[lang]
	if w == nil {
		return "", false
	}
	s, ok := w.plain[key]
	return s, ok
}

// Keys are all keys of a language, sorted.
func (b *Bundle) Keys(lang string) []string {
	if w := b.languages[lang]; w != nil {
		return slices.Sorted(maps.Keys(w.plural))
	}
	return nil
}

// countOf is the number that a sentence agrees with. Without one the sentence
// is in the plural, which reads right for everything but one.
func countOf(params map[string]any) any {
	for _, name := range counts {
		if n, ok := params[name]; ok {
			return n
		}
	}
	return 2
}
