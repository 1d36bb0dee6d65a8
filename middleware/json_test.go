package middleware

import (
	"errors"
	"net/http/httptest"
	"strings"
	"testing"

	"gatehouse/internal/apperr"
)

type sample struct {
	Email string  `json:"email"`
	Name  *string `json:"name"`
}

func decode(contentType, body string) (sample, error) {
	r := httptest.NewRequest("POST", "/", strings.NewReader(body))
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	var dst sample
	err := DecodeJSON(r, &dst)
	return dst, err
}

func TestAPlainObjectIsRead(t *testing.T) {
	for _, body := range []string{`{"email":"a@b.example","name":"Mära"}`, " {\"name\":\"M\\u00e4ra\",\n\"email\":\"a@b.example\"} "} {
		got, err := decode("application/json; charset=UTF-8", body)
		if err != nil || got.Email != "a@b.example" || got.Name == nil || *got.Name != "Mära" {
			t.Errorf("%s: got %+v, %v", body, got, err)
		}
	}
	if got, err := decode("application/json", `{"email":"x","name":null}`); err != nil || got.Name != nil {
		t.Errorf("null for an optional field: got %+v, %v", got, err)
	}
}

func TestWhatTwoProgramsMayReadDifferentlyIsRefused(t *testing.T) {
	for body, reason := range map[string]string{
		``:                               "json_syntax",
		`{`:                              "json_syntax",
		`{"email":"a"`:                   "json_syntax",
		`[]`:                             "json_object",
		`"x"`:                            "json_object",
		`null`:                           "json_object",
		`{"email":"a","email":"b"}`:      "json_duplicate",
		`{"email":"a","\u0065mail":"b"}`: "json_duplicate",
		`{"EMAIL":"a"}`:                  "json_unknown",
		`{"Email":"a"}`:                  "json_unknown",
		`{"email":"a","role":"owner"}`:   "json_unknown",
		`{"email":"a"}{"email":"b"}`:     "json_trailing",
		`{"email":"a"} x`:                "json_trailing",
		`{"email":1}`:                    "json_type",
		`{"email":null}`:                 "json_type",
		`{"email":{"a":"b"}}`:            "json_type",
		`{"email":["a"]}`:                "json_type",
		`{"email":true}`:                 "json_type",
		`{"email":"a\u0000b"}`:           "not_utf8",
		`{"email":"\ud800"}`:             "not_utf8",
		"{\"email\":\"\xff\"}":           "not_utf8",
		`{"email":` + strings.Repeat("[", 20) + strings.Repeat("]", 20) + `}`:          "json_depth",
		`{"name":` + strings.Repeat(`{"a":`, 20) + `1` + strings.Repeat("}", 20) + `}`: "json_depth",
	} {
		_, err := decode("application/json", body)
		e := apperr.From(err)
		if e == nil || e.Kind != apperr.Malformed || e.Reason != reason {
			t.Errorf("%q: got %v, want %s", body, err, reason)
		}
	}
}

func TestOnlyApplicationJSONIsJSON(t *testing.T) {
	for _, kind := range []string{"", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x",
		"application/json; charset=latin1", "application/jsonp", "application/json,text/plain", "text/json", "application/json; x"} {
		_, err := decode(kind, `{"email":"a"}`)
		if !errors.Is(err, apperr.New(apperr.MediaType, "json_only")) {
			t.Errorf("%q: got %v, want json_only", kind, err)
		}
	}
}

func TestACompressedBodyIsRefused(t *testing.T) {
	r := httptest.NewRequest("POST", "/", strings.NewReader("{}"))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Content-Encoding", "gzip")
	if err := DecodeJSON(r, &sample{}); apperr.Reason(err) != "encoding_refused" {
		t.Errorf("got %v", err)
	}
}

func FuzzTheJSONReaderIsNeverLooserThanItsRules(f *testing.F) {
	for _, s := range []string{`{"email":"a"}`, `{"email":"a","email":"b"}`, `{"email":"\ud800"}`, `{"name":null}`, `{"email":[[[1]]]}`, "{}", "\x00"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var dst sample
		if err := unmarshalStrict(body, &dst); err != nil {
			if e := apperr.From(err); e.Kind != apperr.Malformed {
				t.Fatalf("%q: %v is not a malformed request", body, err)
			}
			return
		}
		if strings.ContainsRune(dst.Email, 0) {
			t.Fatalf("%q: a NUL came through", body)
		}
	})
}
