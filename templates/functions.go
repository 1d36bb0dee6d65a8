package templates

import (
	"fmt"
	"html/template"

	"gatehouse/locales"
)

// functions are what templates may call, bound to one language.
func functions(words *locales.Bundle, lang string) template.FuncMap {
	return template.FuncMap{
		"t": func(key string, pairs ...any) (string, error) { return say(words, lang, key, pairs) },
		"asset": func(name string) (string, error) {
			return "", fmt.Errorf("asset %q is put in at start", name)
		},
	}
}

// say is the sentence of a key with its parameters, given as name and value.
func say(words *locales.Bundle, lang, key string, pairs []any) (string, error) {
	if !words.Has(lang, key) {
		return "", fmt.Errorf("%s has no key %q", lang, key)
	}
	params := make(map[string]any, len(pairs)/2)
	for i := 0; i+1 < len(pairs); i += 2 {
		params[fmt.Sprint(pairs[i])] = pairs[i+1]
	}
	return words.Text(lang, key, params), nil
}
