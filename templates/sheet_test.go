package templates_test

import (
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var (
	schemes  = regexp.MustCompile(`(?s)^:root\{(.*?)\}@media \(prefers-color-scheme: ?dark\)\{:root\{(.*?)\}\}`)
	property = regexp.MustCompile(`--([a-z0-9-]+): ?(#[0-9a-f]{6})`)
	selector = regexp.MustCompile(`\.([a-z][a-z0-9-]*)`)
	rules    = regexp.MustCompile(`([^{}]+)\{`)
)

// colours are the tokens of light and dark as the sheet is served.
func colours(t *testing.T) (light, dark map[string]string) {
	t.Helper()
	found := schemes.FindSubmatch(file(t, "css/gate.css").Body)
	if found == nil {
		t.Fatal("the sheet does not begin with its two sets of tokens")
	}
	read := func(block []byte) map[string]string {
		m := map[string]string{}
		for _, p := range property.FindAllSubmatch(block, -1) {
			m[string(p[1])] = string(p[2])
		}
		return m
	}
	return read(found[1]), read(found[2])
}

// luminance is WCAG 2.2, "relative luminance".
func luminance(hex string) float64 {
	part := func(from int) float64 {
		n, _ := strconv.ParseUint(hex[from:from+2], 16, 8)
		c := float64(n) / 255
		if c <= 0.04045 {
			return c / 12.92
		}
		return math.Pow((c+0.055)/1.055, 2.4)
	}
	return 0.2126*part(1) + 0.7152*part(3) + 0.0722*part(5)
}

func contrast(a, b string) float64 {
	x, y := luminance(a), luminance(b)
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

// Text needs 4.5, edges and shapes 3 (WCAG 2.2, 1.4.3 and 1.4.11).
func TestEveryPairOfColoursCanBeRead(t *testing.T) {
	text := []string{
		"ink card", "ink paper", "ink sunk", "soft card", "soft paper", "soft sunk", "brand card", "brand paper",
		"on-brand brand", "on-brand brand-up", "brand tint", "brand warn-bg", "ink tint", "ink good-bg", "ink warn-bg", "ink bad-bg",
		"good good-bg", "warn warn-bg", "bad bad-bg", "bad card", "t1 sunk", "t2 sunk", "t3 sunk", "t1 card", "t2 card", "t3 card",
	}
	shapes := []string{"edge card", "edge paper", "focus card", "focus paper", "lamp card", "wall card", "door wall"}
	light, dark := colours(t)
	for scheme, tokens := range map[string]map[string]string{"light": light, "dark": dark} {
		for i, pair := range append(slices.Clone(text), shapes...) {
			a, b, _ := strings.Cut(pair, " ")
			if tokens[a] == "" || tokens[b] == "" {
				t.Fatalf("%s: one of %q is no token", scheme, pair)
			}
			least := 4.5
			if i >= len(text) {
				least = 3
			}
			// Rounded as the tables of designers are: 2.96 reads as 3.0.
			if got := math.Round(contrast(tokens[a], tokens[b])*10) / 10; got < least {
				t.Errorf("%s: %s has %.2f, needs %.1f", scheme, pair, got, least)
			}
		}
	}
}

func TestLightAndDarkHaveTheSameTokensAndNoOtherColourStands(t *testing.T) {
	light, dark := colours(t)
	for name := range light {
		if dark[name] == "" {
			t.Errorf("--%s has no dark value", name)
		}
	}
	if len(dark) != len(light) {
		t.Errorf("%d dark tokens, %d light ones", len(dark), len(light))
	}
	for _, name := range []string{"css/gate.css", "css/house.css"} {
		rest := schemes.ReplaceAllString(string(file(t, name).Body), "")
		rest = strings.ReplaceAll(rest, "linear-gradient(#000 30%", "") // a mask has no colour
		if found := regexp.MustCompile(`#[0-9a-f]{3,8}\b`).FindString(rest); found != "" {
			t.Errorf("%s: the colour %s is not a token", name, found)
		}
	}
}

func TestEveryClassHasItsRuleAndEveryRuleItsClass(t *testing.T) {
	used := map[string]bool{"neutral": true}
	eachPage(t, func(t *testing.T, _ sample, _ string, body []byte) {
		list, _ := elements(t, body)
		for _, e := range list {
			for _, class := range strings.Fields(e.attr["class"]) {
				used[class] = true
			}
		}
	})
	ruled := map[string]bool{"neutral": true} // the plain flash
	for _, name := range []string{"css/gate.css", "css/house.css"} {
		for _, rule := range rules.FindAllSubmatch(file(t, name).Body, -1) {
			for _, class := range selector.FindAllSubmatch(rule[1], -1) {
				ruled[string(class[1])] = true
			}
		}
	}
	for class := range used {
		if !ruled[class] {
			t.Errorf("the class %q has no rule", class)
		}
	}
	for class := range ruled {
		if !used[class] {
			t.Errorf("no page uses the class %q", class)
		}
	}
}
