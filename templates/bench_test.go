package templates_test

import (
	"io"
	"testing"

	"gatehouse/templates"
)

// The login page is the one that strangers open: it has to stay cheap.
func BenchmarkLogin(b *testing.B) {
	r := templates.New()
	view := templates.LoginView{Layout: layout("/login")}
	b.ReportAllocs()
	for b.Loop() {
		if err := r.Render(io.Discard, templates.PageLogin, "en", &view); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSessions(b *testing.B) {
	r := templates.New()
	var view any
	for _, s := range houseSamples(r, "de") {
		if s.name == "sessions" {
			view = s.view
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := r.Render(io.Discard, templates.PageSessions, "de", view); err != nil {
			b.Fatal(err)
		}
	}
}

// New is part of the time from start to the first answer.
func BenchmarkNew(b *testing.B) {
	for b.Loop() {
		templates.New()
	}
}
