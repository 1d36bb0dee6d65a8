package handlers_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"
	"golang.org/x/text/unicode/norm"

	"gatehouse/handlers"
	"gatehouse/internal/openapi"
	"gatehouse/internal/testkit"
	"gatehouse/internal/testserver"
	"gatehouse/tokens"
)

// textForms are the fields that the forms of each page read. A test below
// holds it against the code.
var textForms = map[string][]string{
	"/register": {"email", "username", "name", "password"}, "/login": {"username", "password", "return_to"},
	"/login/emailcode": {"username", "code"}, "/login/totp": {"code", "trust"}, "/login/recovery": {"code"}, "/login/enrol": {"code"},
	"/login/reset": {"token", "username", "password"}, "/login/passkey": {"credential", "return_to", "step", "trust"}, "/login/passkey/begin": {"step", "rp_id"},
	"/verify": {"token", "code", "password", "username"}, "/forgot": {"username", "email"}, "/reset": {"token", "code", "new_password"},
	"/undo": {"token", "new_password"}, "/invitation": {"token", "name", "username", "password"}, "/setup": {"token", "email", "username", "password"},
	"/account/profile": {"name", "username"}, "/account/email": {"email"}, "/account/email/verify": {"token", "code"},
	"/account/security": {"current_password", "new_password"}, "/account/security/totp": {"code"},
	"/account/security/passkeys": {"credential", "conditional", "name"}, "/account/security/passkeys/begin": {"conditional"},
	"/account/security/passkeys/change": {"id", "name"}, "/account/security/passkeys/remove": {"id"},
	"/account/security/trusted": {"id", "all"}, "/account/sessions": {"id", "others", "all"}, "/account/tokens": {"id", "all", "show", "token_name", "apps", "expires_at"},
	"/account/reauth": {"method", "password", "code", "credential", "return_to"}, "/admin/invitations": {"id", "email", "roles"},
}

func TestEveryFieldOfEveryFormIsFedNaughtyStrings(t *testing.T) {
	read := regexp.MustCompile(`ParseForm\(c\.Request((?:, "\w+")+)`)
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	known := slices.Concat(slices.Collect(maps.Values(textForms))...)
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, call := range read.FindAllStringSubmatch(string(b), -1) {
			for _, field := range regexp.MustCompile(`\w+`).FindAllString(call[1], -1) {
				if !strings.HasSuffix(file, "_test.go") && !slices.Contains(known, field) {
					t.Errorf("%s reads a field %q that is fed nothing", file, field)
				}
			}
		}
	}
}

// TestNaughtyStringsAreKeptOrRefusedAndNeverMarkup feeds the big list of naughty
// strings to every text field of every form and call. Nothing breaks, nothing of
// it becomes markup, what is refused stands in its field again, what is taken is
// shown as it was typed, and both databases decide alike.
func TestNaughtyStringsAreKeptOrRefusedAndNeverMarkup(t *testing.T) {
	decided := map[string]map[string]string{}
	testkit.EachURL(t, func(t *testing.T, at string) {
		f := newFeeder(t, at)
		f.forms()
		f.calls()
		f.passkeyNames()
		decided[strings.SplitN(at, ":", 2)[0]] = f.decided
		testkit.Found(t, testkit.Finding{Proof: "N", Case: strings.SplitN(at, ":", 2)[0],
			Tried: fmt.Sprintf("%d fields of forms and calls fed %d times with strings of the list", f.turn, len(f.decided)),
			Found: "each kept as typed or refused beside its field; no markup, no failure; the same decision on every database"})
	})
	for case_, lite := range decided["sqlite"] {
		if mysql, other := decided["mysql"][case_]; other && mysql != lite {
			t.Errorf("%s: SQLite decides %s, MySQL %s", case_, lite, mysql)
		}
	}
}

// feeder is an owner in a browser and in a program, and what became of each
// string.
type feeder struct {
	t       *testing.T
	s       *testserver.Server
	b       *testserver.Browser
	p       *testserver.Program
	strings []string
	markup  map[string]bool // of pages that nobody tried to change
	decided map[string]string
	turn    int
	secret  string // the owner's password, which is fed too
}

func newFeeder(t *testing.T, at string) *feeder {
	t.Helper()
	raw, err := os.ReadFile("testdata/naughty/blns.json")
	if err != nil {
		t.Fatal(err)
	}
	f := &feeder{t: t, decided: map[string]string{}, markup: map[string]bool{}, secret: password}
	if err := json.Unmarshal(raw, &f.strings); err != nil || len(f.strings) < 400 {
		t.Fatalf("%d strings, %v", len(f.strings), err)
	}
	f.s = testserver.New(t, func(o *testserver.Options) {
		o.DatabaseURL, o.Quiet, o.EmailCode = at, true, true
	})
	if err := f.s.Accounts.SetRoles(t.Context(), f.s.User(mara, "mara", password).ID, []string{"owner"}, tokens.Client{}); err != nil {
		t.Fatal(err)
	}
	f.signIn()
	for _, r := range handlers.Table() {
		if r.Method == get && r.Group == handlers.Page {
			f.learn(f.b.Get(r.Path).Body)
			f.learn(f.s.Browser().Get(r.Path).Body)
		}
	}
	f.learn(f.b.Post("/account/tokens", "show", "access").Body)
	files, err := filepath.Glob("../templates/*/*.html")
	if err != nil || len(files) < 20 {
		t.Fatalf("%d templates, %v", len(files), err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		f.learn(string(b))
	}
	return f
}

// signIn is by the address: usernames change.
func (f *feeder) signIn() {
	f.b, f.p = f.s.Browser().Login(mara, f.secret), f.s.Program().Login(mara, f.secret)
}

// fed are the strings that a field gets: all of them in the long form, and in
// the short one a share, which is larger for what is stored.
func (f *feeder) fed(stored bool) []string {
	f.turn++
	step := 24
	if stored {
		step = 3
	}
	if testkit.Proving() {
		step = 1
	}
	var some []string
	for i := f.turn % step; i < len(f.strings); i += step {
		some = append(some, f.strings[i])
	}
	return some
}

var storing = []string{"name", "username", "token_name"}

func (f *feeder) forms() {
	for _, path := range slices.Sorted(maps.Keys(textForms)) {
		for _, field := range textForms[path] {
			stored := slices.Contains(storing, field) && (path == "/account/profile" || path == "/account/tokens")
			for i, typed := range f.fed(stored) {
				f.form(path, field, i, typed)
			}
		}
	}
}

func (f *feeder) form(path, field string, i int, typed string) {
	var fields []string
	for _, other := range textForms[path] {
		if other == field {
			fields = append(fields, field, typed)
		} else if v := f.plain(path, other, i); v != "" {
			fields = append(fields, other, v)
		}
	}
	if path == "/account/tokens" {
		fields = append(fields, "profile:read", "on")
	}
	send := func() *testserver.Answer {
		if strings.HasPrefix(path, "/account") || strings.HasPrefix(path, "/admin") {
			return f.b.Post(path, fields...)
		}
		return f.s.Browser().Post(path, fields...)
	}
	a := f.patiently(send)
	f.judge(a, path+" "+field, i, typed)
	f.markupIsOurs(a, typed)
	if a.Status == 422 || a.Status == 401 {
		f.staysInItsField(a, field, typed)
	}
	if a.Status == 303 && path == "/account/profile" {
		f.isShown(path, field, typed)
	}
	if a.Status == 200 && field == "token_name" {
		f.markupIsOurs(f.b.Get(path), typed)
		f.isListed(typed)
		f.b.Post(path, "all", "1")
	}
}

// plain is something harmless for the fields beside the one that is fed.
func (f *feeder) plain(path, field string, i int) string {
	switch field {
	case "current_password":
		return f.secret
	case "password", "new_password":
		if path == "/account/reauth" || path == "/api/v1/reauth" {
			return f.secret
		}
		if path == "/login" {
			return "a wrong one that is long"
		}
		return password
	case "email":
		return fmt.Sprintf("n%d-%d@harbour.example", f.turn, i)
	case "username":
		if path == "/account/profile" || path == "/forgot" {
			return ""
		}
		return fmt.Sprintf("n%d-%d", f.turn, i)
	case "code":
		return "123456"
	case "method":
		return "password"
	}
	return ""
}

// patiently waits, once, when there were too many tries or the proof is old.
func (f *feeder) patiently(send func() *testserver.Answer) *testserver.Answer {
	a := send()
	out := a.Status == 303 && (strings.HasPrefix(a.Header.Get("Location"), "/login?") || strings.HasPrefix(a.Header.Get("Location"), "/account/reauth?return_to")) ||
		a.Status == 401 && strings.Contains(a.Body, "invalid_token") || a.Status == 403
	if a.Status != 429 && !out {
		return a
	}
	f.s.Clock.Advance(25 * time.Hour)
	f.signIn()
	return send()
}

func (f *feeder) judge(a *testserver.Answer, where string, i int, typed string) {
	if changed := a.Status == 204 || a.Header.Get("Location") == "/account/security"; changed {
		switch {
		case strings.HasSuffix(where, "new_password"):
			f.secret = typed
		case strings.HasSuffix(where, "current_password"): // the string is the password by now
			f.secret = password
		}
	}
	if a.Status >= 500 {
		f.t.Fatalf("%s with %q: got %d\n%s", where, typed, a.Status, a.Body)
	}
	decision := fmt.Sprint(a.Status)
	if strings.HasPrefix(a.Header.Get("Content-Type"), "application/json") {
		v := a.JSON()
		decision = fmt.Sprintf("%d %v %v %v", a.Status, v["error"], v["reason"], v["fields"])
	}
	f.decided[fmt.Sprintf("%s %d", where, i)] = decision
}

// pieces are the elements of a page with the names of their attributes, and
// everything in it that could do something.
func pieces(body string) []string {
	var list []string
	z := html.NewTokenizer(strings.NewReader(body))
	for {
		switch z.Next() {
		case html.ErrorToken:
			return list
		case html.CommentToken:
			list = append(list, "a comment")
		case html.StartTagToken, html.SelfClosingTagToken:
			tag := z.Token()
			list = append(list, tag.Data)
			if tag.Data == "script" && !strings.HasPrefix(attribute(tag, "src"), "/static/") {
				list = append(list, "a script of somebody else")
			}
			for _, attr := range tag.Attr {
				if !harmless.MatchString(attr.Key) {
					list = append(list, tag.Data+" "+attr.Key)
				}
				if attr.Key == "src" || attr.Key == "href" || attr.Key == "action" || attr.Key == "formaction" {
					scheme, _, found := strings.Cut(attr.Val, ":")
					if found && !strings.ContainsAny(scheme, "/?#") {
						list = append(list, "a link to "+strings.ToLower(scheme))
					}
				}
			}
		}
	}
}

// harmless attributes come and go with what is wrong in a form.
var harmless = regexp.MustCompile(`^(aria-[a-z]+|autofocus|checked|open)$`)

func (f *feeder) learn(body string) {
	for _, piece := range pieces(body) {
		f.markup[piece] = true
	}
}

var opens = regexp.MustCompile(`<[!?/a-zA-Z]`)

func (f *feeder) markupIsOurs(a *testserver.Answer, typed string) {
	if !strings.HasPrefix(a.Header.Get("Content-Type"), "text/html") {
		return
	}
	if opens.MatchString(typed) && strings.Contains(a.Body, typed) {
		f.t.Errorf("%s %s with %q holds it as it is", a.Request.Method, a.Request.URL.Path, typed)
	}
	for _, piece := range pieces(a.Body) {
		if !f.markup[piece] || piece == "a script of somebody else" || piece == "a comment" {
			f.t.Errorf("%s %s with %q holds <%s>", a.Request.Method, a.Request.URL.Path, typed, piece)
		}
	}
}

// staysInItsField looks at what the form has in it when it is shown again:
// what was typed, and never a secret.
func (f *feeder) staysInItsField(a *testserver.Answer, field, typed string) {
	z := html.NewTokenizer(strings.NewReader(a.Body))
	for z.Next() != html.ErrorToken {
		tag := z.Token()
		if tag.Data != "input" || attribute(tag, "name") != field || attribute(tag, "type") == "hidden" || attribute(tag, "type") == "checkbox" {
			continue
		}
		shown, want := attribute(tag, "value"), typed
		if attribute(tag, "type") == "password" || field == "code" {
			want = ""
		}
		// A form in HTML has no line breaks in such a field, and a tokenizer makes
		// "\n" of "\r" (HTML, 13.2.3.5).
		if strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(want) != shown {
			f.t.Errorf("%s: %s was %q and is %q", a.Request.URL.Path, field, typed, shown)
		}
	}
}

func attribute(tag html.Token, name string) string {
	for _, a := range tag.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

// shownForm is what of a text is not its edge: spaces around it go, and the
// letters are composed. Nothing else of what is accepted is ever changed.
func shownForm(typed string) string { return strings.TrimSpace(norm.NFC.String(typed)) }

func (f *feeder) isShown(path, field, typed string) {
	page := f.b.Get(path).Is(200)
	f.markupIsOurs(page, typed)
	f.markupIsOurs(f.b.Get("/account").Is(200), typed)
	f.staysInItsField(page, field, shownForm(typed))
	if got := f.p.Call("GET", "/api/v1/me", nil).Is(200).JSON()[field]; got != shownForm(typed) && (got != nil || shownForm(typed) != "") {
		f.t.Errorf("%s was %q and is %q by JSON", field, typed, got)
	}
}

func (f *feeder) isListed(typed string) {
	list, _ := f.p.Call("GET", "/api/v1/me/tokens", nil).Is(200).JSON()["tokens"].([]any)
	for _, one := range list {
		if token, _ := one.(map[string]any); token["name"] == shownForm(typed) {
			return
		}
	}
	f.t.Errorf("a token %q is not listed under its name: %v", typed, list)
}

// calls feeds every text member of every body that the document describes.
func (f *feeder) calls() {
	var doc struct {
		Paths map[string]map[string]struct {
			RequestBody struct {
				Content map[string]struct{ Schema schema }
			}
		}
		Components struct{ Schemas map[string]schema }
	}
	if err := json.Unmarshal(openapi.Document(), &doc); err != nil {
		f.t.Fatal(err)
	}
	members := 0
	for _, path := range slices.Sorted(maps.Keys(doc.Paths)) {
		for method, call := range doc.Paths[path] {
			body, found := call.RequestBody.Content["application/json"]
			if !found {
				continue
			}
			s := body.Schema
			if name, ref := strings.CutPrefix(s.Ref, "#/components/schemas/"); ref {
				s = doc.Components.Schemas[name]
			}
			for _, member := range slices.Sorted(maps.Keys(s.Properties)) {
				if !s.Properties[member].text() {
					continue
				}
				members++
				for i, typed := range f.fed(slices.Contains(storing, member) && strings.HasSuffix(path, "/me")) {
					f.call(strings.ToUpper(method), path, s, member, i, typed)
				}
			}
		}
	}
	if members < 40 {
		f.t.Errorf("only %d members are texts", members)
	}
}

type schema struct {
	Ref        string `json:"$ref"`
	Type       any
	Required   []string
	Properties map[string]schema
}

func (s schema) text() bool { return strings.Contains(fmt.Sprint(s.Type), "string") }

func (f *feeder) call(method, path string, s schema, member string, i int, typed string) {
	body := map[string]any{member: typed}
	for _, other := range s.Required {
		if other == member || !s.Properties[other].text() {
			continue
		}
		body[other] = f.plain(path, other, i)
	}
	if path == "/api/v1/me/tokens" {
		body["scopes"] = []string{"profile:read"}
	}
	where := strings.ReplaceAll(path, "{id}", "01890a5d-ac96-774b-bcce-b302099a8057")
	a := f.patiently(func() *testserver.Answer { return f.p.Call(method, where, body) })
	f.judge(a, method+" "+path+" "+member, i, typed)
	if a.Status >= 400 && !strings.HasPrefix(a.Header.Get("Content-Type"), "application/json") {
		f.t.Errorf("%s %s: an error as %s", method, path, a.Header.Get("Content-Type"))
	}
	if path == "/api/v1/me" && a.Status == 200 {
		f.isShown("/account/profile", member, typed)
	}
	if path == "/api/v1/me/tokens" && a.Status < 300 && member == "name" {
		f.isListed(typed)
	}
}

// passkeyNames are stored too, beside a real passkey.
func (f *feeder) passkeyNames() {
	d := device(f.s)
	f.signIn()
	options, _ := asked(f.b.Post(keysPage + "/begin"))
	f.b.Post(keysPage, "credential", string(d.Create(options)), "name", "desk").Leads(keysPage)
	page := f.b.Get(keysPage).Is(200).Body
	f.learn(page)
	id := regexp.MustCompile(`name="id" value="([0-9a-f-]{36})"`).FindStringSubmatch(page)
	if id == nil {
		f.t.Fatal("the page names no passkey")
	}
	for i, typed := range f.fed(true) {
		a := f.b.Post(keysPage+"/change", "id", id[1], "name", typed)
		f.judge(a, keysPage+"/change name of a real one", i, typed)
		f.markupIsOurs(a, typed)
		if a.Status == 303 {
			shown := f.b.Get(keysPage).Is(200)
			f.markupIsOurs(shown, typed)
			if shownForm(typed) != "" {
				f.staysInItsField(shown, "name", shownForm(typed))
			}
		}
	}
}
