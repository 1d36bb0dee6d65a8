package middleware

import (
	"net/url"
	"strings"
	"testing"
)

func TestOnlyLocalPathsAreKept(t *testing.T) {
	for _, kept := range []string{"/", "/account", "/account/tokens?a=b&c=%20d", "/public", "/verify?token=abc"} {
		if got := LocalPath(kept, "-"); got != kept {
			t.Errorf("LocalPath(%q) = %q, want it kept", kept, got)
		}
	}
}

func TestEverythingElseFallsBack(t *testing.T) {
	for _, bad := range []string{
		"", "account", "//evil.example", "///evil.example", `/\evil.example`, `\\evil.example`, `\/evil.example`,
		"https://evil.example", "http:evil", "javascript:alert(1)", "data:text/html,x", "mailto:a@b",
		"/%2f/evil.example", "/%2F%2Fevil.example", "/%5cevil.example", "/%5c%5cevil.example", "/a/%2e%2e//evil.example",
		"/\t/evil.example", "/\n/evil.example", "/\r\nSet-Cookie:x=y", "/%0d%0aSet-Cookie:x=y", "/%09/evil.example", "/\x00", "/%00",
		"/./", "/../", "/.//evil.example", "/a/../../b", "/%2e%2e/x", " /account", "/ account", "/ü", "/%zz",
		"/login", "/logout", "/account/reauth", "/account/reauth?return_to=/account/reauth",
		"/@evil.example:80//x", "/" + strings.Repeat("a", 600),
	} {
		if got := LocalPath(bad, "/fallback"); got != "/fallback" {
			t.Errorf("LocalPath(%q) = %q, want the fallback", bad, got)
		}
	}
}

func FuzzLocalPathNeverLeavesTheServer(f *testing.F) {
	for _, s := range []string{"/", "//evil", `/\evil`, "/%2f%2fevil", "/a?b=//c", "/\t/x", "http://x", "/a#b", "/..//x"} {
		f.Add(s)
	}
	base, _ := url.Parse("https://gate.example/login")
	f.Fuzz(func(t *testing.T, raw string) {
		got := LocalPath(raw, "/fallback")
		ref, err := url.Parse(got)
		if err != nil {
			t.Fatalf("%q became %q, which does not parse", raw, got)
		}
		// A browser strips tabs and newlines and reads a backslash as a slash
		// (WHATWG URL, section 4.4).
		seen := strings.NewReplacer("\t", "", "\n", "", "\r", "", `\`, "/").Replace(got)
		if strings.HasPrefix(seen, "//") || !strings.HasPrefix(seen, "/") {
			t.Fatalf("%q became %q, which a browser reads as another host", raw, got)
		}
		if abs := base.ResolveReference(ref); abs.Host != base.Host || abs.Scheme != base.Scheme {
			t.Fatalf("%q became %q, which leaves the server", raw, got)
		}
		if again := LocalPath(got, "-"); got != "/fallback" && again != got {
			t.Fatalf("%q became %q and then %q", raw, got, again)
		}
	})
}
