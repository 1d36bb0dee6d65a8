package templates_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"gatehouse/templates"
)

func TestDevicesAreSaidInWords(t *testing.T) {
	const like = " AppleWebKit/537.36 (KHTML, like Gecko) "
	for _, c := range []struct{ agent, en, de, icon string }{
		{firefox, "Firefox on Linux", "Firefox auf Linux", "laptop"},
		{iphone, "Safari on iPhone", "Safari auf iPhone", "phone"},
		{chrome, "Chrome on Mac", "Chrome auf Mac", "laptop"},
		{"Mozilla/5.0 (Windows NT 10.0; Win64; x64)" + like + "Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0", "Edge on Windows", "Edge auf Windows", "laptop"},
		{"Mozilla/5.0 (Linux; Android 16; SM-S931B)" + like + "SamsungBrowser/29.0 Chrome/136.0.0.0 Mobile Safari/537.36", "Samsung Internet on Android", "Samsung Internet auf Android", "phone"},
		{"Mozilla/5.0 (iPad; CPU OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/142.0 Mobile/15E148 Safari/604.1", "Chrome on iPad", "Chrome auf iPad", "phone"},
		{"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0)" + like + "Chrome/142.0.0.0 Safari/537.36", "Chrome on ChromeOS", "Chrome auf ChromeOS", "laptop"},
		{"Mozilla/5.0 (X11; Linux x86_64)" + like + "HeadlessChrome/142.0.0.0 Safari/537.36", "Chrome on Linux", "Chrome auf Linux", "laptop"},
		{"Mozilla/5.0 (Haiku) Firefox/1.0", "Firefox", "Firefox", "laptop"},
		{curl, "A program (curl)", "Ein Programm (curl)", "program"},
		{"python-requests/2.32.3", "A program (python-requests)", "Ein Programm (python-requests)", "program"},
		{"Go-http-client/2.0", "A program (Go-http-client)", "Ein Programm (Go-http-client)", "program"},
		{"Firefox/145.0", "A program (Firefox)", "Ein Programm (Firefox)", "program"},
		{"", "A program", "Ein Programm", "program"},
		{"<script>/1.0", "A program", "Ein Programm", "program"},
		{strings.Repeat("x", 40), "A program", "Ein Programm", "program"},
	} {
		d := templates.Device(c.agent)
		if d.String() != c.en || d.In("de") != c.de || d.Icon() != c.icon {
			t.Errorf("%.60q is %q, %q, %q", c.agent, d.String(), d.In("de"), d.Icon())
		}
	}
}

func FuzzDevice(f *testing.F) {
	for _, seed := range []string{firefox, iphone, chrome, curl, "", "a b/c", "Mozilla/5.0 (", "\xff/1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, agent string) {
		words := templates.Device(agent).String()
		if words == "" || len(words) > 64 || !utf8.ValidString(words) || strings.ContainsAny(words, "<>&\"'\n") {
			t.Errorf("%q is said as %q", agent, words)
		}
	})
}
