package templates

import (
	"strings"

	"gatehouse/locales"
)

// maxUserAgent is how much of a User-Agent is looked at.
const maxUserAgent = 512

// DeviceName is what a User-Agent claims to be. It helps a person to recognise
// their own devices; it proves nothing and decides nothing.
type DeviceName struct {
	Browser string // "Firefox"; "" for a program
	System  string // "Linux"; "" when it is not told
	Program string // "curl"; "" for a browser, and for a program without a name
}

// sign is a mark in a User-Agent and what it stands for. The order matters:
// nearly every browser also claims to be the ones before it in history.
type sign struct{ mark, name string }

var browserSigns = []sign{
	{"Edg", "Edge"}, {"OPR/", "Opera"}, {"SamsungBrowser/", "Samsung Internet"}, {"Vivaldi/", "Vivaldi"},
	{"FxiOS/", "Firefox"}, {"Firefox/", "Firefox"}, {"CriOS/", "Chrome"}, {"HeadlessChrome/", "Chrome"},
	{"Chromium/", "Chromium"}, {"Chrome/", "Chrome"}, {"Safari/", "Safari"},
}

var systemSigns = []sign{
	{"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Android", "Android"}, {"CrOS", "ChromeOS"},
	{"Windows", "Windows"}, {"Mac OS X", "Mac"}, {"Linux", "Linux"}, {"FreeBSD", "FreeBSD"},
}

// Device reads a User-Agent header.
func Device(userAgent string) DeviceName {
	if len(userAgent) > maxUserAgent {
		userAgent = userAgent[:maxUserAgent]
	}
	if browser := firstOf(browserSigns, userAgent); browser != "" && strings.HasPrefix(userAgent, "Mozilla/") {
		return DeviceName{Browser: browser, System: firstOf(systemSigns, userAgent)}
	}
	return DeviceName{Program: productOf(userAgent)}
}

func firstOf(signs []sign, userAgent string) string {
	for _, s := range signs {
		if strings.Contains(userAgent, s.mark) {
			return s.name
		}
	}
	return ""
}

// maxProduct is the longest name of a program that is repeated on a page.
const maxProduct = 32

// productOf is the first product of a User-Agent without its version: "curl"
// of "curl/8.5.0" (RFC 9110, section 10.1.5). It is "" when that is no token.
func productOf(userAgent string) string {
	name, _, _ := strings.Cut(userAgent, " ")
	name, _, _ = strings.Cut(name, "/")
	if len(name) > maxProduct || strings.ContainsFunc(name, notInProduct) {
		return ""
	}
	return name
}

func notInProduct(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_' && r != '.'
}

// In says the device in a language: "Firefox on Linux", "A program (curl)".
func (d DeviceName) In(lang string) string {
	switch {
	case d.Browser == "" && d.Program == "":
		return locales.Text(lang, "device.program", nil)
	case d.Browser == "":
		return locales.Text(lang, "device.program_named", map[string]any{"Name": d.Program})
	case d.System == "":
		return d.Browser
	}
	return locales.Text(lang, "device.browser_on", map[string]any{"Browser": d.Browser, "System": d.System})
}

// String is the device in English, for JSON.
func (d DeviceName) String() string { return d.In("en") }

// Icon is the partial of its icon.
func (d DeviceName) Icon() string {
	switch {
	case d.Browser == "":
		return "program"
	case d.System == "iPhone" || d.System == "iPad" || d.System == "Android":
		return "phone"
	}
	return "laptop"
}
