package mail

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"gatehouse/locales"
)

func testRenderer(t *testing.T) *renderer {
	t.Helper()
	r, err := newRenderer("Gatehouse", "https://id.harbour.example")
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func render(t *testing.T, m Message) content {
	t.Helper()
	c, err := testRenderer(t).render(m, time.Date(2026, 7, 14, 10, 18, 0, 0, time.UTC))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// all is every mail that can be written.
func all() map[string]Message {
	link, ttl := "https://id.harbour.example/x?token=gh_abc&y=1", map[string]string{"code_ttl": "10m", "link_ttl": "1h"}
	out := map[string]Message{
		"verify":       {Purpose: VerifyEmail, Code: "418207", Link: link, Data: ttl},
		"verify code":  {Purpose: VerifyEmail, Code: "418207", Data: ttl},
		"verify link":  {Purpose: VerifyEmail, Link: link, Data: ttl},
		"verify, bare": {Purpose: VerifyEmail, Code: "418207", Link: link},
		"reset":        {Purpose: ResetPassword, Code: "418207", Link: link, Data: ttl},
		"reset link":   {Purpose: ResetPassword, Link: link, Data: ttl},
		"change":       {Purpose: ChangeEmail, Code: "418207", Link: link, Data: ttl},
		"change link":  {Purpose: ChangeEmail, Link: link, Data: ttl},
		"code":         {Purpose: EmailCode, Code: "418207", Data: ttl},
		"code, link":   {Purpose: EmailCode, Link: link, Data: ttl},
		"invited":      {Purpose: Invitation, Link: link, Data: map[string]string{"link_ttl": "168h"}},
		"invited code": {Purpose: Invitation, Code: "418207", Data: ttl},
		"device":       {Purpose: NewDevice, Data: map[string]string{"device": "Firefox on Linux", "ip": "203.0.113.7"}},
		"device, bare": {Purpose: NewDevice},
		"taken":        {Purpose: AlreadyRegistered},
		"taken, link":  {Purpose: AlreadyRegistered, Link: link},
	}
	for _, kind := range []string{
		KindPasswordChanged, KindPasswordReset, KindRefreshReused, KindEmailChanged, KindEmailRestored, KindUsernameChanged, KindPersonalMade,
		KindFactorAdded, KindFactorRemoved, KindFactorReset, KindRecoveryUsed, KindRecoveryMade, KindDeviceTrusted, KindAccountClosing, KindAccountKept,
		KindAccountErased, "", "something new",
	} {
		out["notice "+kind] = Message{Purpose: Notice, Data: map[string]string{"kind": kind, "factor": "totp", "erase_in": "336h"}}
		out["notice with a link "+kind] = Message{Purpose: Notice, Link: link, Data: map[string]string{"kind": kind, "link_ttl": "168h", "erase_in": "336h"}}
	}
	return out
}

func TestEveryMailIsWholeInEveryLanguage(t *testing.T) {
	for name, m := range all() {
		for _, lang := range []string{"en", "de"} {
			m.Locale = lang
			c := render(t, m)
			for _, part := range []string{c.Subject, c.Text, c.HTML} {
				if part == "" || strings.Contains(part, "<no value>") || strings.Contains(part, "{{") || strings.Contains(part, "mail.") {
					t.Errorf("%s in %s: %s", name, lang, part)
				}
			}
			if len([]rune(c.Subject)) > 70 || strings.ContainsAny(c.Subject, "\r\n") {
				t.Errorf("%s in %s: subject %q", name, lang, c.Subject)
			}
			if !strings.Contains(c.HTML, `<html lang="`+lang+`">`) {
				t.Errorf("%s in %s: the language is not marked", name, lang)
			}
			if m.Code != "" && (!strings.Contains(c.Text, "418 207") || !strings.Contains(c.HTML, "418 207") || !strings.Contains(c.Subject, "418 207")) {
				t.Errorf("%s in %s: the code is missing", name, lang)
			}
			if len(c.Links) > 1 || len(c.Links) == 1 && !strings.Contains(c.Text, "\n"+c.Links[0]+"\n") {
				t.Errorf("%s in %s: %v in\n%s", name, lang, c.Links, c.Text)
			}
		}
	}
}

func TestNothingInAMailIsLoadedOrTracked(t *testing.T) {
	external := regexp.MustCompile(`(?i)<(img|script|link|iframe|object|video)|\bsrc=|url\(|@import|utm_`)
	href := regexp.MustCompile(`href="([^"]*)"`)
	for name, m := range all() {
		c := render(t, m)
		if found := external.FindString(c.HTML); found != "" {
			t.Errorf("%s holds %s", name, found)
		}
		hrefs := href.FindAllStringSubmatch(c.HTML, -1)
		if len(hrefs) != len(c.Links) {
			t.Errorf("%s: %d links, want %v", name, len(hrefs), c.Links)
		}
		for _, h := range hrefs {
			if strings.ReplaceAll(h[1], "&amp;", "&") != c.Links[0] {
				t.Errorf("%s leads to %s", name, h[1])
			}
		}
		if !strings.Contains(c.HTML, `content="light dark"`) || !strings.Contains(c.HTML, "prefers-color-scheme: dark") {
			t.Errorf("%s is not made for the dark", name)
		}
	}
}

func TestTextAndHTMLHaveTheSameWords(t *testing.T) {
	tags := regexp.MustCompile(`(?s)<head>.*</head>|<[^>]*>`)
	plain := func(s string) []string {
		s = strings.NewReplacer("&amp;", "&", "&#39;", "'", "--", " ", ":", " ").Replace(s)
		list := strings.Fields(s)
		slices.Sort(list)
		return list
	}
	for name, m := range all() {
		c := render(t, m)
		if text, html := plain(c.Text), plain(tags.ReplaceAllString(c.HTML, " ")); !slices.Equal(text, html) {
			t.Errorf("%s differs:\n%v\n%v", name, text, html)
		}
	}
}

func TestTheMailReadsAsItShould(t *testing.T) {
	want := `Confirm your address

Somebody, most likely you, is opening an account with this address. Enter this code where you began:

    418 207

Or open this page, on any device:

Confirm the address:
https://id.harbour.example/verify?token=abc&x=1

The code works for 10 minutes, the link for 24 hours.

If it wasn’t you, there’s nothing to do: without this step there is no account.

-- 
This mail comes from Gatehouse at id.harbour.example.
`
	if got := render(t, confirm("mara@harbour.example")).Text; got != want {
		t.Errorf("got:\n%s", got)
	}
	m := confirm("mara@harbour.example")
	m.Locale = "de"
	if got := render(t, m); got.Subject != "418 207 ist dein Code für Gatehouse" || !strings.Contains(got.Text, "Der Code gilt 10 Minuten, der Link 24 Stunden.") {
		t.Errorf("%s\n%s", got.Subject, got.Text)
	}
}

func TestLengthsOfTimeAreSaidInWholeUnits(t *testing.T) {
	for ttl, want := range map[string]string{
		"1h0m0s": "1 hour", "24h": "24 hours", "10m": "10 minutes", "1m": "1 minute", "90m": "90 minutes", "45s": "45 seconds", "1s": "1 second", "168h": "7 days", "336h": "14 days", "36h": "36 hours",
	} {
		m := Message{Purpose: VerifyEmail, Code: "418207", Data: map[string]string{"code_ttl": ttl}}
		if got := render(t, m).Text; !strings.Contains(got, "The code works for "+want+".") {
			t.Errorf("%s: want %s in\n%s", ttl, want, got)
		}
	}
}

func TestTheClosestLanguageIsTaken(t *testing.T) {
	r := testRenderer(t)
	for in, want := range map[string]string{
		"": "en", "en": "en", "de": "de", "de-AT": "de", "fr": "en", "fr, de;q=0.5": "de", "!!": "en", "gsw": "de", "\x00": "en",
	} {
		if got := r.language(in); got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
}

func TestNamesCannotBreakOutOfAHeaderOrThePage(t *testing.T) {
	r, err := newRenderer("Gate\r\nBcc: x@y.example <b>house</b>", "https://id.harbour.example")
	if err != nil {
		t.Fatal(err)
	}
	c, err := r.render(confirm("mara@harbour.example"), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if strings.ContainsAny(c.Subject, "\r\n") || strings.Contains(c.HTML, "<b>") {
		t.Errorf("%q\n%s", c.Subject, c.HTML)
	}
	m := confirm("mara@harbour.example")
	m.Link = "javascript:alert(1)"
	if got := render(t, m).HTML; strings.Contains(got, `href="javascript`) {
		t.Error("a script became a link")
	}
}

func TestBothLanguagesHaveTheSameKeysAndValues(t *testing.T) {
	slots := regexp.MustCompile(`{{\.(\w+)}}`)
	read := func(lang string) map[string]any {
		raw, err := locales.Files.ReadFile("mail." + lang + ".json")
		if err != nil {
			t.Fatal(err)
		}
		var m map[string]any
		if err := json.Unmarshal(raw, &m); err != nil {
			t.Fatal(err)
		}
		return m
	}
	en, de := read("en"), read("de")
	if a, b := slices.Sorted(maps.Keys(en)), slices.Sorted(maps.Keys(de)); !slices.Equal(a, b) {
		t.Fatalf("keys differ:\n%v\n%v", a, b)
	}
	for key := range en {
		text := func(v any) []string {
			raw, _ := json.Marshal(v)
			list := slots.FindAllString(string(raw), -1)
			slices.Sort(list)
			return list
		}
		if a, b := text(en[key]), text(de[key]); !slices.Equal(a, b) {
			t.Errorf("%s has %v in English and %v in German", key, a, b)
		}
	}
}

func TestAMailSaysWhoDidItAndOffersTheWayBack(t *testing.T) {
	link := "https://id.harbour.example/undo?token=abc"
	got := render(t, Message{Purpose: Notice, Link: link, Data: map[string]string{
		"kind": KindEmailChanged, "device": "Firefox on Linux", "ip": "::ffff:203.0.113.7", "link_ttl": "168h0m0s",
	}}).Text
	for _, want := range []string{
		"Device: Firefox on Linux\nNetwork address: 203.0.113.7\n", "This wasn’t me:\n" + link + "\n", "The link works for 7 days, and only once.",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing in\n%s", want, got)
		}
	}
	closing := render(t, Message{Purpose: Notice, Locale: "de", Data: map[string]string{"kind": KindAccountClosing, "erase_in": "336h"}}).Text
	if !strings.Contains(closing, "14 Tage") {
		t.Error(closing)
	}
}

// What a stranger can put into a header of a request is not carried into
// somebody's mailbox under our name.
func TestADeviceCarriesNoStrangersMessage(t *testing.T) {
	for _, device := range []string{
		"visit evil.example now", "http://evil", "call me@evil", "a\\b", "<b>", strings.Repeat("win ", 30), "evil。example/x",
	} {
		c := render(t, Message{Purpose: NewDevice, Data: map[string]string{"device": device, "ip": "evil.example"}})
		if strings.Contains(c.Text, "evil") || strings.Contains(c.Text, "Device:") || strings.Contains(c.Text, "Network address:") {
			t.Errorf("%q is in\n%s", device, c.Text)
		}
	}
	c := render(t, Message{Purpose: NewDevice, Data: map[string]string{"device": "Safari 17.5\r\non iPhone"}})
	if !strings.Contains(c.Text, "Device: Safari 17.5 on iPhone\n") {
		t.Error(c.Text)
	}
}
