package templates_test

import (
	"encoding/base64"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"

	"gatehouse/locales"
	"gatehouse/templates"
)

func TestAnAnswerCarriesItsLengthAndType(t *testing.T) {
	r := templates.New()
	for _, s := range samples(r, "en") {
		w := httptest.NewRecorder()
		if err := r.Render(w, s.page, "en", s.view); err != nil {
			t.Fatal(err)
		}
		if got := w.Header().Get("Content-Length"); got != strconv.Itoa(w.Body.Len()) {
			t.Errorf("%s: Content-Length %s of %d", s.name, got, w.Body.Len())
		}
		if got := w.Header().Get("Content-Type"); got != "text/html; charset=utf-8" {
			t.Errorf("%s: Content-Type %s", s.name, got)
		}
	}
}

func TestNothingIsWrittenWhenAPageCannotBeDrawn(t *testing.T) {
	r := templates.New()
	for page, view := range map[string]any{"nowhere": nil, templates.PageSessions: templates.LoginView{}} {
		w := httptest.NewRecorder()
		if err := r.Render(w, page, "en", view); err == nil || w.Body.Len() > 0 {
			t.Errorf("%s: %v after %d bytes", page, err, w.Body.Len())
		}
	}
}

func TestAnUnknownLanguageGetsEnglish(t *testing.T) {
	body, err := templates.New().Page(templates.PageLogin, "tlh", templates.LoginView{Layout: layout("/login")})
	if err != nil || !strings.Contains(string(body), `<html lang="en">`) {
		t.Errorf("%v: %.60s", err, body)
	}
}

// Pages that are kept must be those that would be drawn, for everybody alike.
func TestKeptPagesAreTheSameAsDrawnOnes(t *testing.T) {
	r := templates.New()
	flash := layout("/login")
	flash.Flash = []templates.Flash{{Kind: templates.Good, Title: "Only for Mara."}}
	asked := layout("/login")
	asked.Query = "return_to=%2Faccount"
	typed := templates.Form{Typed: map[string]string{"username": "mara"}}
	other := layout("/login")
	other.Operator = "Elsewhere"
	views := []templates.LoginView{
		{Layout: flash}, {Layout: layout("/login"), Form: typed}, {Layout: layout("/login"), ReturnTo: "/account"}, {Layout: asked},
		{Layout: layout("/login")}, {Layout: layout("/")}, {Layout: other}, {Layout: layout("/login"), SignupClosed: true},
	}
	for range 3 {
		for _, lang := range locales.Languages {
			for i, view := range views {
				want, err := r.Page(templates.PageLogin, lang, view)
				if err != nil {
					t.Fatal(err)
				}
				w := httptest.NewRecorder()
				if err := r.Render(w, templates.PageLogin, lang, view); err != nil || w.Body.String() != string(want) {
					t.Errorf("%s, view %d differs: %v", lang, i, err)
				}
			}
		}
	}
}

func TestPagesAreDrawnByManyAtOnce(t *testing.T) {
	r := templates.New()
	var wg sync.WaitGroup
	for range 32 {
		wg.Go(func() {
			for _, lang := range locales.Languages {
				for _, s := range samples(r, lang) {
					w := httptest.NewRecorder()
					if err := r.Render(w, s.page, lang, s.view); err != nil || !strings.HasSuffix(w.Body.String(), "</html>\n") {
						t.Errorf("%s: %v", s.name, err)
					}
				}
			}
		})
	}
	wg.Wait()
}

func TestFlashesComeFromTheLocales(t *testing.T) {
	r := templates.New()
	f := r.Flash("en", templates.Good, "password_changed", map[string]string{"Count": "1"})
	if f.Title != "Password changed." || f.Text != "1 other device was signed out." {
		t.Errorf("one is %+v", f)
	}
	f = r.Flash("de", templates.Good, "others_ended", map[string]string{"Count": "3"})
	if f.Title != "3 andere Geräte wurden abgemeldet." || f.Text != "" {
		t.Errorf("three are %+v", f)
	}
}

func TestATokenIsDecodedInTheOrderOfItsExplanation(t *testing.T) {
	v, err := templates.NewTokenView(inside("/account/tokens"), sampleToken(), "http://localhost:5000")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, c := range v.Claims {
		names = append(names, c.Name)
	}
	if got := strings.Join(names, " "); got != "sub iss aud exp iat auth_time acr amr scope roles client_id sid jti gen cgen" {
		t.Errorf("the claims are %s", got)
	}
	if v.KeyID != "k7-2026-11-9fe01b" || v.SignatureBytes != 64 || v.Ended() || v.Percent() != 98 || v.Seconds() != 588 {
		t.Errorf("the view is %+v", v)
	}
	if joined := v.Header + "." + v.Payload + "." + v.Signature; joined != sampleToken() {
		t.Error("the parts are not the token")
	}
}

func TestWhatIsNoTokenIsRefused(t *testing.T) {
	part := base64.RawURLEncoding.EncodeToString
	for _, token := range []string{"", "a.b", "!.!.!", part([]byte("[")) + ".a.a", part([]byte(`{"a":`)) + "." + part([]byte("{}")) + ".AA", part([]byte("{}")) + "." + part([]byte("{}")) + ".!"} {
		if _, err := templates.NewTokenView(templates.Layout{}, token, ""); err == nil {
			t.Errorf("%q was taken", token)
		}
	}
}
