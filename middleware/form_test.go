package middleware

import (
	"net/http/httptest"
	"strings"
	"testing"

	"gatehouse/internal/apperr"
)

func TestAFormGivesTheKnownFieldsAndNoOthers(t *testing.T) {
	r := httptest.NewRequest("POST", "/login?password=fromquery", strings.NewReader("username=m%C3%A4ra&password=a+b&extra=1&extra=2"))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	form, err := ParseForm(r, "username", "password", "return_to")
	if err != nil {
		t.Fatal(err)
	}
	if form.Get("username") != "mära" || form.Get("password") != "a b" || form.Has("return_to") || form.Has("extra") {
		t.Errorf("got %v", form)
	}
}

func TestAFormThatTwoParsersMayReadDifferentlyIsRefused(t *testing.T) {
	for body, reason := range map[string]string{
		"username=a&username=b": "form_duplicate",
		"username=%zz":          "form_syntax",
		"username=a;password=b": "form_syntax",
		"username=%00":          "not_utf8",
		"username=%ff":          "not_utf8",
	} {
		if _, err := parseForm(body, []string{"username", "password"}); apperr.Reason(err) != reason || apperr.From(err).Kind != apperr.Malformed {
			t.Errorf("%q: got %v, want %s", body, err, reason)
		}
	}
}

// RFC 6749, section 3.1: no parameter may be sent more than once.
func TestAProgramSendsNoParameterTwice(t *testing.T) {
	for _, body := range []string{"token=a&token=b", "token=a&x=1&x=2", "token=a&token_type_hint=&token_type_hint=", "token=%zz", "token=%00", "token=a;b"} {
		if form, err := parseStrictForm(body, []string{"token", "token_type_hint"}); apperr.From(err) == nil || apperr.From(err).Kind != apperr.Malformed {
			t.Errorf("%q: got %v and %v", body, form, err)
		}
	}
	form, err := parseStrictForm("token=a&other=b", []string{"token", "token_type_hint"})
	if err != nil || form.Get("token") != "a" || form.Has("other") || form.Has("token_type_hint") {
		t.Errorf("got %v and %v", form, err)
	}
}

func TestOnlyAnUrlencodedFormIsAForm(t *testing.T) {
	for _, kind := range []string{"", "text/plain", "application/json", "multipart/form-data; boundary=x"} {
		r := httptest.NewRequest("POST", "/", strings.NewReader("username=a"))
		r.Header.Set("Content-Type", kind)
		if _, err := ParseForm(r, "username"); apperr.From(err) == nil || apperr.From(err).Kind != apperr.MediaType {
			t.Errorf("%q: got %v", kind, err)
		}
	}
}

func FuzzAFormNeverHoldsBytesThatAreNoText(f *testing.F) {
	f.Add("username=a&password=b")
	f.Add("username=%00;x")
	f.Fuzz(func(t *testing.T, body string) {
		form, err := parseForm(body, []string{"username", "password"})
		if err != nil {
			return
		}
		for name, typed := range form {
			if strings.ContainsRune(typed, 0) || strings.ToValidUTF8(typed, "") != typed {
				t.Fatalf("%q: field %s holds %q", body, name, typed)
			}
		}
	})
}

func FuzzAStrictFormHasOneReading(f *testing.F) {
	for _, seed := range []string{"token=a", "token=a&token=b", "token=a&token_type_hint=access_token", "token=%00", "&&=", "token=a&%74oken=b"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		form, err := parseStrictForm(body, []string{"token"})
		loose, looseErr := parseForm(body, []string{"token"})
		if err == nil && (looseErr != nil || loose.Get("token") != form.Get("token")) {
			t.Fatalf("%q: read as %q and as %q, %v", body, form, loose, looseErr)
		}
	})
}
