package handlers_test

import (
	"net/http"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gatehouse/handlers"
	"gatehouse/internal/testserver"
	"gatehouse/tokens"
)

// everyMethod is what HTTP knows, what WebDAV knows, and what nobody knows.
// Methods are case-sensitive (RFC 9110, section 9.1): "get" is not GET.
var everyMethod = []string{
	"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "MOVE", "BREW", "get", "post", "Post", "GET2",
}

// Whoever knows the owner's cookie and token may ask in every way: what is not
// in the table reaches no handler, and says so in the one shape of errors.
func TestNoMethodReachesAHandlerThatIsNotItsOwn(t *testing.T) {
	s, keys := ownersKeys(t)
	allowed := map[string][]string{}
	for _, r := range handlers.Table() {
		for _, other := range handlers.Table() {
			// ".../begin" is also a wrong id of ".../:id".
			if at, _ := path.Match(anyPart(r.Path), other.Path); at || r.Path == other.Path {
				allowed[other.Path] = append(allowed[other.Path], r.Method)
				if r.Method == get {
					allowed[other.Path] = append(allowed[other.Path], http.MethodHead)
				}
			}
		}
	}
	for _, r := range handlers.Table() {
		for _, method := range everyMethod {
			if slices.Contains(allowed[r.Path], method) {
				continue
			}
			a := s.Send(s.Request(method, pathOf(r), "username=x", append(keys, "Content-Type", "application/x-www-form-urlencoded", "Accept", "application/json")...))
			if method == http.MethodOptions {
				a.Is(204)
			} else {
				a.Fails(405, "method_not_allowed")
				oneShape(t, a)
			}
			if got := strings.Split(a.Header.Get("Allow"), ", "); !sameWords(got, allowed[r.Path]) {
				t.Errorf("%s %s: Allow is %v, want %v (RFC 9110, section 15.5.6)", method, r.Path, got, allowed[r.Path])
			}
		}
	}
}

// anyPart is the pattern of a route as path.Match has it.
func anyPart(route string) string { return regexp.MustCompile(`:\w+`).ReplaceAllString(route, "*") }

// A path has one spelling. Proxies and firewalls compare paths by the letter;
// what they let through must not be what they keep out under another name.
func TestNoOtherSpellingOfAPathReachesAHandler(t *testing.T) {
	s, keys := ownersKeys(t)
	known := map[string]bool{}
	for _, r := range handlers.Table() {
		known[pathOf(r)] = true
	}
	for _, r := range handlers.Table() {
		if r.Group == handlers.Asset {
			continue // no row of the table but a look-up of whole names; the next test
		}
		for _, other := range spellings(pathOf(r)) {
			if known[other] {
				continue
			}
			a := s.Send(spelled(s, r.Method, other, append(keys, "Accept", "application/json")...))
			// An id is a part of a path; a wrong one is refused by its handler.
			if strings.Contains(r.Path, ":") && a.Status >= 400 && a.Status < 500 {
				continue
			}
			if a.Status != 404 && a.Status != 405 {
				t.Errorf("%s %s: got %d to %q\n%.300s", r.Method, other, a.Status, a.Header.Get("Location"), a.Body)
				continue
			}
			oneShape(t, a)
		}
	}
}

func TestNoOtherSpellingOfAFileIsServed(t *testing.T) {
	s := testserver.New(t)
	for _, other := range append(spellings("/favicon.ico"), spellings("/static/css/gate.css")...) {
		if a := s.Send(spelled(s, get, other, "Accept", "application/json")); a.Status != 404 {
			t.Errorf("%s: got %d", other, a.Status)
		}
	}
}

// spelled is a request as it comes over the wire: the path is what was sent.
func spelled(s *testserver.Server, method, path string, header ...string) *http.Request {
	r := s.Request(method, "/", "", header...)
	u, err := url.ParseRequestURI(path)
	if err != nil {
		// net/http answers 400 by itself; see e2e.
		u = &url.URL{Path: "/refused-by-the-parser"}
	}
	r.URL, r.RequestURI = u, path
	return r
}

// spellings is what a path could be mistaken for.
func spellings(path string) (list []string) {
	list = []string{
		path + "/", path + "//", "/" + path, "//" + path, "/." + path, "/x/.." + path, "/%2e" + path, "/%2e%2e" + path, "/%2f" + path, "%2f" + path[1:],
		path + "%00", path + "%00.css", path + "%20", path + "%09", path + "%0a", path + ";x", path + ";jsessionid=1", path + ".", path + "/.", path + "/..", path + "%2f", path + "%5c", path + "\\",
		path + ".json", path + ".html", path + "%3f", path + "%23", path + "%25", path + "*", "/\\" + path, "/static/.." + path, "/static/%2e%2e" + path, "/static/..%2f" + path[1:],
		strings.ReplaceAll(path, "/", "//"), strings.ReplaceAll(path, "/", "/./"), strings.ReplaceAll(path, "/", "%2f"), "/" + strings.ReplaceAll(path[1:], "/", "%2F"),
		"/" + strings.ReplaceAll(path[1:], "/", "%5c"), strings.ToUpper(path), "https://evil.example" + path,
	}
	for i, c := range path {
		if c >= 'a' && c <= 'z' {
			list = append(list, path[:i]+strings.ToUpper(path[i:i+1])+path[i+1:], path[:i]+"%"+hexOf(byte(c))+path[i+1:])
			break
		}
	}
	// What HTTP takes for the same is not another spelling: an absolute address.
	return slices.DeleteFunc(list, func(p string) bool { return p == path || strings.HasPrefix(p, "https:") })
}

func hexOf(c byte) string {
	const digits = "0123456789abcdef"
	return string([]byte{digits[c>>4], digits[c&15]})
}

// ownersKeys is a server and everything that its owner could show.
func ownersKeys(t *testing.T) (*testserver.Server, []string) {
	t.Helper()
	s := testserver.New(t)
	if err := s.Accounts.SetRoles(t.Context(), s.User(mara, "mara", password).ID, []string{"owner"}, tokens.Client{}); err != nil {
		t.Fatal(err)
	}
	cookie := cookieHeader(s.Browser().Login("mara", password))
	return s, []string{"Cookie", cookie, "Authorization", "Bearer " + s.Program().Login("mara", password).Access, "Sec-Fetch-Site", "same-origin"}
}

// oneShape checks that an error is a JSON object of the members of the
// contract and of no other.
func oneShape(t *testing.T, a *testserver.Answer) {
	t.Helper()
	if a.Request.Method == http.MethodHead {
		return
	}
	for name := range a.JSON() {
		if !slices.Contains([]string{"error", "error_description", "reason", "fields", "request_id"}, name) {
			t.Errorf("%s %s: the error has a member %q", a.Request.Method, a.Request.URL, name)
		}
	}
	for _, name := range []string{"error", "error_description", "request_id"} {
		if a.Text(name) == "" {
			t.Errorf("%s %s: the error has no %s", a.Request.Method, a.Request.URL, name)
		}
	}
}

func sameWords(a, b []string) bool {
	return slices.Equal(slices.Compact(slices.Sorted(slices.Values(a))), slices.Compact(slices.Sorted(slices.Values(b))))
}
