package templates_test

import (
	"testing"

	"gatehouse/locales"
	"gatehouse/templates"
)

func TestEveryPageIsDrawn(t *testing.T) {
	r := templates.New()
	for _, lang := range locales.Languages {
		for _, s := range samples(r, lang) {
			if _, err := r.Page(s.page, lang, s.view); err != nil {
				t.Errorf("%s %s: %v", lang, s.name, err)
			}
		}
	}
}
