package handlers_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"gatehouse/handlers"
	"gatehouse/internal/testserver"
	"gatehouse/tokens"
)

func TestEveryCallWithABodyRefusesWhatItCannotRead(t *testing.T) {
	s := testserver.New(t)
	// An owner, so that nothing is refused for want of a right.
	if err := s.Accounts.SetRoles(t.Context(), s.User(mara, "mara", password).ID, []string{"owner"}, tokens.Client{}); err != nil {
		t.Fatal(err)
	}
	person, program := s.Program().Login("mara", password), service(t, s)
	for _, r := range handlers.Table() {
		p := person
		if slices.Contains(r.Guards, handlers.Service) {
			p = program
		}
		if r.Group != handlers.API || r.Method != http.MethodPost && r.Method != http.MethodPatch {
			continue
		}
		for body, status := range map[string]int{
			"{": 400, "[]": 400, "null": 400, `"x"`: 400, "{}{}": 400, `{"nothing":"known"}`: 400, "\xff": 400, `{"a":"b","a":"c"}`: 400,
			`{"PASSWORD":"x"}`: 400, strings.Repeat("[", 100000): 413, `{"x":"` + strings.Repeat("y", 70<<10) + `"}`: 413,
		} {
			if a := p.Raw(r.Method, r.Path, body); a.Status != status {
				t.Errorf("%s %s with %.20q: got %d, want %d\n%s", r.Method, r.Path, body, a.Status, status, a.Body)
			}
		}
		for _, kind := range []string{"text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/json; charset=utf-16"} {
			if a := p.Raw(r.Method, r.Path, `{}`, "Content-Type", kind); a.Status != 415 {
				t.Errorf("%s %s as %s: got %d", r.Method, r.Path, kind, a.Status)
			}
		}
	}
}

func TestEveryFormRefusesWhatItCannotRead(t *testing.T) {
	s := testserver.New(t)
	s.User(mara, "mara", password)
	b := s.Browser().Login("mara", password)
	cookie := "gatehouse=" + b.Cookie("gatehouse")
	send := func(path, body string, header ...string) int {
		return s.Send(s.Request("POST", path, body, append(header, "Cookie", cookie, "Accept", "text/html")...)).Status
	}
	const form = "application/x-www-form-urlencoded"
	for _, path := range []string{"/login", "/register", "/verify", "/forgot", "/reset", "/setup", "/account/profile", "/account/email", "/account/email/verify", "/undo", "/account/security", "/account/sessions", "/account/tokens", "/account/reauth"} {
		if got := send(path, "{}", "Content-Type", "application/json"); got != 415 {
			t.Errorf("%s with JSON: got %d", path, got)
		}
		if got := send(path, "a=b", "Content-Type", form+"; charset=utf-16"); got != 415 {
			t.Errorf("%s in another charset: got %d", path, got)
		}
		if got := send(path, "a=%zz", "Content-Type", form+"; charset=UTF-8"); got != 400 {
			t.Errorf("%s with a broken escape: got %d", path, got)
		}
		if got := send(path, "a="+strings.Repeat("y", 70<<10), "Content-Type", form); got != 413 {
			t.Errorf("%s with a long body: got %d", path, got)
		}
		if got := send(path, "a=b", "Content-Type", form, "Sec-Fetch-Site", "cross-site"); got != 403 {
			t.Errorf("%s from another site: got %d", path, got)
		}
	}
	for _, path := range []string{"/login", "/register", "/forgot", "/setup", "/account/profile"} {
		for _, value := range []string{"%00", "%ff", "a&username=b"} {
			if got := send(path, "username="+value, "Content-Type", form); got != 400 {
				t.Errorf("%s with username=%s: got %d", path, value, got)
			}
		}
	}
	if got := send("/logout", "", "Sec-Fetch-Site", "cross-site"); got != 403 {
		t.Errorf("/logout from another site: got %d", got)
	}
	b.Get("/account").Is(200)
}

func TestBadFieldsAreNamedOnPageAndInJSONAlike(t *testing.T) {
	s := testserver.New(t)
	long := strings.Repeat("a", 1025)
	for _, c := range []struct{ field, value string }{
		{"email", ""}, {"email", "mara"}, {"email", "mara@"}, {"email", "a@b"}, {"email", "Mara <a@b.example>"}, {"email", "a@b.example, c@d.example"},
		{"email", "a@[127.0.0.1]"}, {"email", "a\u200bb@c.example"}, {"email", long + "@c.example"}, {"email", "a\r\nb@c.example"},
		{"password", ""}, {"password", "short"}, {"password", "password1"}, {"password", long}, {"password", mara},
		{"username", "a@b.example"}, {"username", "ma\u200bra"}, {"username", "ma\u202era"}, {"username", "ma\tra"}, {"username", strings.Repeat("a", 300)},
		{"name", "a\u0007b"}, {"name", strings.Repeat("a", 300)},
	} {
		fields := map[string]string{"email": mara, "password": password, "username": "mara", "name": "Mara", c.field: c.value}
		a := s.Program().Call("POST", "/api/v1/register", fields).Fails(422, "validation_failed")
		wrong, _ := a.JSON()["fields"].(map[string]any)
		sentence, _ := wrong[c.field].(string)
		if len(wrong) != 1 || sentence == "" || strings.Contains(sentence, "<no value>") {
			t.Errorf("%s=%.20q: got %v", c.field, c.value, wrong)
		}
		page := s.Browser().Post("/register", "email", fields["email"], "password", fields["password"], "username", fields["username"], "name", fields["name"]).
			Is(422).Lacks(password, "<no value>")
		if c.field != "username" { // the page does not ask for one
			page.Has(sentence, `id="`+c.field+`-wrong"`)
		}
	}
}

func TestATokenInTheQueryIsRefusedWithAWayOn(t *testing.T) {
	s := testserver.New(t)
	s.User(mara, "mara", password)
	p := s.Program().Login("mara", password)
	a := s.Send(s.Request("GET", "/auth?access_token="+p.Access, "")).Fails(401, "invalid_token")
	if !strings.Contains(a.Text("error_description"), "header") || !strings.HasPrefix(a.Header.Get("WWW-Authenticate"), "Bearer") {
		t.Errorf("%v %s", a.Header, a.Body)
	}
	for _, header := range []string{"", "Basic bWFyYTp4", "Bearer", "Bearer ", "Bearer x.y.z", "Bearer " + p.Access[:len(p.Access)-2], "Bearer " + p.Access + "x",
		"Bearer " + p.Refresh, "Bearer " + strings.Repeat("a", 9000)} {
		s.Send(s.Request("GET", "/auth", "", "Authorization", header)).Fails(401, "invalid_token")
	}
	s.Send(s.Request("GET", "/auth", "", "Authorization", "Bearer "+p.Access, "Authorization", "Bearer "+p.Access)).Fails(401, "invalid_token")
	s.Send(s.Request("GET", "/auth", "", "Cookie", "gatehouse="+p.Access)).Fails(401, "invalid_token")
}

func TestUsedCutAndForeignSecretsOpenNothing(t *testing.T) {
	s := testserver.New(t)
	s.User(mara, "mara", password)
	p := s.Program().Login("mara", password)
	for _, bad := range []string{"", "x", p.Access, p.Refresh[:len(p.Refresh)-1], p.Refresh + "x", strings.ToUpper(p.Refresh), "gh_rt_" + strings.Repeat("A", 90)} {
		want, code := 401, "invalid_grant"
		if bad == "" {
			want, code = 422, "validation_failed"
		}
		p.Post("/api/v1/token/refresh", "refresh_token", bad).Fails(want, code)
	}
	p.Raw("POST", "/api/v1/token/refresh", `{"refresh_token":0}`).Fails(400, "invalid_request")
	p.Post("/api/v1/verify", "attempt", "x", "code", "123456").Fails(422, "validation_failed")
	p.Post("/api/v1/verify", "token", p.Refresh, "password", password).Fails(422, "validation_failed")
	p.Post("/api/v1/verify", "token", "a", "code", "123456", "attempt", "b").Fails(400, "invalid_request")
	b := s.Browser()
	for _, path := range []string{"/verify?token=", "/reset?token=", "/undo?token=", "/setup?token="} {
		b.Get(path + url.QueryEscape(p.Refresh)).Is(410)
	}
}

func TestAReusedRefreshTokenEndsTheSession(t *testing.T) {
	s := testserver.New(t)
	s.User(mara, "mara", password)
	p := s.Program().Login("mara", password)
	stolen := p.Refresh
	a := p.Post("/api/v1/token/refresh", "refresh_token", stolen).Is(200)
	p.Access, p.Refresh = a.Text("access_token"), a.Text("refresh_token")
	s.Clock.Advance(31e9)
	thief := s.Program().Post("/api/v1/token/refresh", "refresh_token", stolen).Fails(401, "invalid_grant")
	if thief.Text("reason") != "refresh_reused" {
		t.Error(thief.Body)
	}
	p.Post("/api/v1/token/refresh", "refresh_token", p.Refresh).Fails(401, "invalid_grant")
	p.Call("GET", "/auth", nil).Fails(401, "invalid_token")
}

func TestNoSecretReachesTheLog(t *testing.T) {
	s := testserver.New(t)
	b := s.Browser()
	b.Post("/register", "email", mara, "password", password, "username", "mara").Leads("/verify")
	six := code(s)
	b.Get(linkOf(t, s)).Is(200)
	b.Post("/verify", "code", six).Leads("/login")
	b.Login("mara", password)
	p := s.Program().Login("mara", password)
	p.Call("GET", "/auth?access_token="+p.Access, nil)
	p.Post("/api/v1/token/refresh", "refresh_token", p.Refresh+"x")
	log := s.Log.String()
	if !strings.Contains(log, "request_id=") {
		t.Fatal("nothing was logged at debug")
	}
	for _, secret := range []string{password, p.Access, p.Refresh, b.Cookie("gatehouse"), "gh_ot_", "gh_at_", mara, "code=" + six} {
		if strings.Contains(log, secret) {
			t.Errorf("the log holds %.12q", secret)
		}
	}
}

// The words reach the program that has to be mended: which name, and what would
// be right behind it.
func TestAProgramIsToldWhereItsJSONIsWrong(t *testing.T) {
	s := testserver.New(t)
	for body, want := range map[string]string{
		`{"username":5,"password":"x"}`:      `"fields":{"username":"Send text, in quotes."}`,
		`{"user":"mara","password":"x"}`:     `"fields":{"user":"This call doesn’t know that name. It knows: username, password.`,
		`{"username":"mara","username":"x"}`: `"fields":{"username":"This stands in the JSON twice. Send it once."}`,
		`{"username":"mara" "password":"x"}`: "near byte",
		" ":                                  "The body is empty.",
		`{}`:                                 `"fields":{"password":"This is needed.","username":"This is needed."}`,
		`{"username":"` + strings.Repeat("a", 70000) + `"}`: "at most 64 KB",
		`{"username":` + strings.Repeat("[", 20) + `}`:      "at most 8 levels",
	} {
		s.Program().Raw("POST", "/api/v1/login", body).Has(want)
	}
}
