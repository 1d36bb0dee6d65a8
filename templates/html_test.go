package templates_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"gatehouse/locales"
	"gatehouse/templates"
)

// eachPage draws every sample in every language.
func eachPage(t *testing.T, check func(t *testing.T, s sample, lang string, body []byte)) {
	t.Helper()
	r := templates.New()
	for _, lang := range locales.Languages {
		for _, s := range samples(r, lang) {
			t.Run(lang+"/"+s.name, func(t *testing.T) {
				body, err := r.Page(s.page, lang, s.view)
				if err != nil {
					t.Fatal(err)
				}
				check(t, s, lang, body)
			})
		}
	}
}

// element is a start tag.
type element struct {
	name string
	attr map[string]string
}

func (e element) has(name string) bool { _, ok := e.attr[name]; return ok }

// void elements have no end tag; shapes of SVG end themselves with a slash.
var void = []string{"meta", "link", "input", "br"}

// elements reads a page strictly: every element is closed in its order. The
// parser of a browser would repair what is wrong, and hide it.
func elements(t *testing.T, body []byte) (list []element, text string) {
	t.Helper()
	z := html.NewTokenizer(bytes.NewReader(body))
	var open []string
	var words strings.Builder
	for {
		switch kind := z.Next(); kind {
		case html.ErrorToken:
			if len(open) > 0 {
				t.Errorf("never closed: %v", open)
			}
			return list, words.String()
		case html.TextToken:
			words.Write(z.Text())
		case html.StartTagToken, html.SelfClosingTagToken:
			token := z.Token()
			e := element{token.Data, map[string]string{}}
			for _, a := range token.Attr {
				if e.has(a.Key) {
					t.Errorf("<%s> has %s twice", e.name, a.Key)
				}
				e.attr[a.Key] = a.Val
			}
			list = append(list, e)
			if kind == html.StartTagToken && !slices.Contains(void, e.name) {
				open = append(open, e.name)
			}
		case html.EndTagToken:
			name, _ := z.TagName()
			if len(open) == 0 || open[len(open)-1] != string(name) {
				t.Fatalf("</%s> closes %v", name, open)
			}
			open = open[:len(open)-1]
		}
	}
}

func count(list []element, name string) (n int) {
	for _, e := range list {
		if e.name == name {
			n++
		}
	}
	return n
}

func TestEveryPageIsWellFormed(t *testing.T) {
	eachPage(t, func(t *testing.T, s sample, lang string, body []byte) {
		list, text := elements(t, body)
		if !bytes.HasPrefix(body, []byte("<!doctype html>\n<html lang=\""+lang+"\">")) {
			t.Errorf("begins with %.40q", body)
		}
		for _, name := range []string{"title", "h1", "main"} {
			if n := count(list, name); n != 1 {
				t.Errorf("%d <%s>", n, name)
			}
		}
		for _, bad := range []string{"ZgotmplZ", "<no value>", "%!", "{{"} {
			if strings.Contains(string(body), bad) {
				t.Errorf("contains %q", bad)
			}
		}
		if strings.Contains(text, "  ") && !strings.Contains(s.name, "inbox") {
			t.Error("two spaces in a row")
		}
	})
}

// The policy of the pages has neither unsafe-inline nor another host.
func TestNoPageBreaksItsPolicy(t *testing.T) {
	eachPage(t, func(t *testing.T, s sample, _ string, body []byte) {
		list, _ := elements(t, body)
		for _, e := range list {
			if e.name == "style" || e.name == "iframe" || e.name == "base" || e.name == "script" && !e.has("src") {
				t.Errorf("has <%s>", e.name)
			}
			for name, value := range e.attr {
				if name == "style" || strings.HasPrefix(name, "on") {
					t.Errorf("<%s> has %s", e.name, name)
				}
				local := strings.HasPrefix(value, "/") && !strings.HasPrefix(value, "//") || strings.HasPrefix(value, "#")
				if name == "href" && e.has("download") && strings.HasPrefix(value, "data:text/plain;") {
					continue // a file that the page itself holds
				}
				if (name == "src" || name == "href" || name == "action") && !local && s.page != templates.PageInbox {
					t.Errorf("<%s %s=%q> leads away", e.name, name, value)
				}
			}
		}
	})
}

func TestIDsAreUniqueAndReferencesLeadSomewhere(t *testing.T) {
	eachPage(t, func(t *testing.T, _ sample, _ string, body []byte) {
		list, _ := elements(t, body)
		ids := map[string]bool{}
		for _, e := range list {
			if id := e.attr["id"]; id != "" {
				if ids[id] {
					t.Errorf("the id %q stands there twice", id)
				}
				ids[id] = true
			}
		}
		for _, e := range list {
			references := strings.Fields(e.attr["aria-describedby"] + " " + e.attr["for"] + " " + e.attr["popovertarget"])
			if strings.HasPrefix(e.attr["href"], "#") {
				references = append(references, e.attr["href"][1:])
			}
			for _, id := range references {
				if !ids[id] {
					t.Errorf("<%s> refers to %q, which is not there", e.name, id)
				}
			}
		}
	})
}

// fieldAttributes are what password managers, phones and readers go by.
var fieldAttributes = map[string]map[string][]string{
	"username": {
		templates.PageLogin:      {"username webauthn"},
		templates.PageLoginReset: {"username"},
		templates.PageSetup:      {"username"},
		templates.PageVerify:     {"username"},
		templates.PageProfile:    {"username"},

		templates.PageInvitation: {"username"}, templates.PageLoginEmailCode: {"username"},

		templates.PageForgot:   {"username"},
		templates.PageReset:    {"username"},
		templates.PageUndo:     {"username"},
		templates.PageReauth:   {"username"},
		templates.PageSecurity: {"username"},
	},
	"login": {templates.PageVerify: {"username"}},
	"email": {templates.PageRegister: {"username"}, templates.PageSetup: {"email"}, templates.PageEmail: {"email"}, templates.PageInvitations: {"off"}},
	"name":  {templates.PagePasskeys: {"off"}, templates.PageRegister: {"name"}, templates.PageProfile: {"name"}, templates.PageInvitation: {"name"}},
	"roles": {templates.PageInvitations: {"off"}},
	"user":  {templates.PageAudit: {"off"}}, "by": {templates.PageAudit: {"off"}}, "action": {templates.PageAudit: {"off"}},
	"since": {templates.PageAudit: {"off"}}, "outcome": {templates.PageAudit: {""}},
	"code": {templates.PageVerify: {"one-time-code"}, templates.PageReset: {"one-time-code"}, templates.PageEmailVerify: {"one-time-code"}, templates.PageLoginEmailCode: {"one-time-code"},
		templates.PageReauth: {"one-time-code"}, templates.PageLoginTOTP: {"one-time-code"}, templates.PageLoginEnrol: {"one-time-code"},
		templates.PageTOTP: {"one-time-code"}, templates.PageLoginRecovery: {"off"}},
	"token_name":       {templates.PageTokens: {"off"}},
	"apps":             {templates.PageTokens: {"off"}},
	"expires_at":       {templates.PageTokens: {"off"}},
	"trust":            {templates.PageLoginTOTP: {""}, templates.PageLoginPasskey: {""}},
	"profile:read":     {templates.PageTokens: {""}},
	"profile:write":    {templates.PageTokens: {""}},
	"sessions:read":    {templates.PageTokens: {""}},
	"current_password": {templates.PageSecurity: {"current-password"}},
	"new_password":     {templates.PageSecurity: {"new-password"}, templates.PageReset: {"new-password"}, templates.PageUndo: {"new-password"}},
	"password": {
		templates.PageLogin:      {"current-password"},
		templates.PageLoginReset: {"current-password"},
		templates.PageVerify:     {"current-password"},
		templates.PageReauth:     {"current-password"},
		templates.PageRegister:   {"new-password"},
		templates.PageSetup:      {"new-password"},

		templates.PageInvitation: {"new-password"},
	},
}

func TestEveryFieldSaysWhatItIsFor(t *testing.T) {
	eachPage(t, func(t *testing.T, s sample, _ string, body []byte) {
		list, _ := elements(t, body)
		labelled := map[string]bool{}
		for _, e := range list {
			if e.name == "label" {
				labelled[e.attr["for"]] = true
			}
		}
		for _, e := range list {
			if e.name != "input" || e.attr["type"] == "hidden" {
				continue
			}
			name := e.attr["name"]
			if want := fieldAttributes[name][s.page]; !slices.Contains(want, e.attr["autocomplete"]) {
				t.Errorf("%s has autocomplete %q, want one of %q", name, e.attr["autocomplete"], want)
			}
			if e.attr["class"] != "vh" && !labelled[e.attr["id"]] {
				t.Errorf("%s has no label", name)
			}
			if secret := strings.Contains(name, "password"); secret != (e.attr["type"] == "password") || secret && e.has("value") {
				t.Errorf("%s is of type %q with a value: %v", name, e.attr["type"], e.has("value"))
			}
			if e.attr["autocomplete"] == "new-password" && (e.attr["minlength"] != "8" || !e.has("passwordrules")) {
				t.Errorf("%s does not tell managers its rules", name)
			}
		}
	})
}

func TestAFailedPageSaysSoInItsTitleAndHoldsTheCursor(t *testing.T) {
	r := templates.New()
	for _, lang := range locales.Languages {
		for _, s := range samples(r, lang) {
			failed, ok := s.view.(interface{ Failed() bool })
			if !ok {
				continue
			}
			body, err := r.Page(s.page, lang, s.view)
			if err != nil {
				t.Fatal(err)
			}
			title := "<title>" + locales.Text(lang, "form.error", nil) + ": "
			if strings.Contains(string(body), title) != failed.Failed() {
				t.Errorf("%s %s: failed is %v, its title does not agree", lang, s.name, failed.Failed())
			}
			list, _ := elements(t, body)
			var focused, invalid int
			for _, e := range list {
				if e.has("autofocus") {
					focused++
				}
				if e.attr["aria-invalid"] == "true" {
					invalid++
				}
			}
			if focused != min(invalid, 1) {
				t.Errorf("%s %s: %d of %d wrong fields take the cursor", lang, s.name, focused, invalid)
			}
		}
	}
}

func TestTwoWrongFieldsGetASummary(t *testing.T) {
	r := templates.New()
	for _, s := range gateSamples(r, "en") {
		body, err := r.Page(s.page, "en", s.view)
		if err != nil {
			t.Fatal(err)
		}
		if has := strings.Contains(string(body), `<a href="#email">`); has != (s.name == "register-wrong") {
			t.Errorf("%s: summary is %v", s.name, has)
		}
	}
}

func TestNavigationNamesTheCurrentPageOnce(t *testing.T) {
	r := templates.New()
	for _, s := range houseSamples(r, "en") {
		if s.page == templates.PageInbox {
			continue
		}
		body, err := r.Page(s.page, "en", s.view)
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(body), `aria-current="page"`); n != 1 {
			t.Errorf("%s: %d current pages", s.name, n)
		}
	}
}

// What a person typed, or a device claims, is text wherever it stands.
func TestWhatPeopleTypeIsNeverMarkup(t *testing.T) {
	const evil = `"><script>alert(1)</script><b onclick=x '`
	r := templates.New()
	l := inside("/account", templates.Flash{Kind: evil, Title: evil, Text: evil})
	l.Operator, l.Query, l.User = evil, "x="+evil, &templates.Who{Name: evil, Login: evil}
	form := templates.Form{
		Typed: map[string]string{"username": evil, "email": evil, "name": evil},
		Wrong: map[string]string{"username": evil, "email": evil},
		Alert: &templates.Flash{Kind: templates.Bad, Title: evil},
	}
	ownForm := templates.Form{
		Typed: map[string]string{"token_name": evil, "apps": evil, "expires_at": evil},
		Wrong: map[string]string{"token_name": evil, "apps": evil, "expires_at": evil, "scopes": evil},
	}
	row := templates.SessionRow{ID: evil, UserAgent: evil, IP: evil}
	views := map[string]any{
		templates.PageLogin:     templates.LoginView{Layout: l, Form: form, ReturnTo: evil},
		templates.PageRegister:  templates.RegisterView{Layout: l, Form: form},
		templates.PageVerify:    templates.VerifyView{Layout: l, Form: form, Email: evil, Token: evil, AskPassword: true, AskUsername: true},
		templates.PageSetup:     templates.SetupView{Layout: l, Form: form, Token: evil},
		templates.PageReset:     templates.ResetView{Layout: l, Form: form, Token: evil, Login: evil},
		templates.PageReauth:    templates.ReauthView{Layout: l, Form: form, Login: evil, ReturnTo: evil, Method: evil, Ways: []string{"totp"}},
		templates.PageContinue:  templates.ContinueView{Layout: l, Path: "javascript:alert(1)", Fields: []templates.ContinueField{{Name: evil, Value: evil}}},
		templates.PagePublic:    templates.PublicView{Layout: l},
		templates.PageError:     templates.ErrorView{Layout: l, Title: evil, Text: evil, RequestID: evil, Retry: "javascript:alert(1)"},
		templates.PageAccount:   templates.AccountView{Layout: l, Name: evil, Username: evil, Email: evil, Methods: []string{evil}},
		templates.PageProfile:   templates.ProfileView{Layout: l, Form: form, Email: evil},
		templates.PageSecurity:  templates.SecurityView{Layout: l, Form: form, Login: evil, Proved: true, Health: "good"},
		templates.PageLoginTOTP: templates.StepView{Layout: l, Form: form, Login: evil},
		templates.PageTOTP:      templates.SeedView{Layout: l, Form: form, Asked: true, Secret: evil},
		templates.PageCodes:     templates.CodesView{Layout: l, Codes: []string{evil}, Back: evil, File: templates.CodesFile(evil, evil, []string{evil})},
		templates.PageSessions:  templates.SessionsView{Layout: l, Current: row, Others: []templates.SessionRow{row}},
		templates.PageTokens: templates.TokensView{Layout: l, Form: ownForm, Proved: true, Tokens: []templates.PersonalRow{
			{ID: evil, Name: evil, Scopes: []string{evil}, IP: evil, LastUsed: sampleNow}, {ID: evil, Name: evil, Via: evil, LastUsed: sampleNow},
		}},
		templates.PagePersonal: templates.PersonalView{Layout: l, Token: evil, Name: evil, Scopes: []string{evil}, AppURL: evil},
		templates.PageInbox: templates.InboxView{Layout: l, Messages: []templates.InboxMessage{
			{To: evil, Subject: evil, Purpose: evil, Code: evil, Text: evil, HTML: evil, Links: []string{"javascript:alert(1)", evil}},
		}},
	}
	for page, view := range views {
		body, err := r.Page(page, "en", view)
		if err != nil {
			t.Fatalf("%s: %v", page, err)
		}
		list, _ := elements(t, body)
		for _, e := range list {
			if e.has("onclick") || e.name == "script" && !e.has("src") || strings.HasPrefix(e.attr["href"], "javascript:") {
				t.Errorf("%s: <%s %v>", page, e.name, e.attr)
			}
		}
	}
}
