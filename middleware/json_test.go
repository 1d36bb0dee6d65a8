package middleware

import (
	"errors"
	"fmt"
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
		``:                               "json_empty",
		" \n":                            "json_empty",
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

// What is wrong is not enough for who has to mend a client: the answer says
// where, and what would be right.
func TestAJSONErrorSaysWhereAndWhatWouldBeRight(t *testing.T) {
	type nested struct{ A string }
	var dst struct {
		Text   *string  `json:"text"`
		Flag   bool     `json:"flag"`
		Count  int64    `json:"count"`
		Words  []string `json:"words"`
		Nested nested   `json:"nested"`
	}
	long := strings.Repeat("ä", 100)
	for body, want := range map[string]string{
		`{"text":1}`:                 "json_type text=json_text",
		`{"flag":"true"}`:            "json_type flag=json_bool",
		`{"flag":null}`:              "json_type flag=json_bool",
		`{"count":"1"}`:              "json_type count=json_number",
		`{"count":1.5}`:              "json_type count=json_number",
		`{"words":"a b"}`:            "json_type words=json_list",
		`{"words":["a",1]}`:          "json_type words=json_list",
		`{"nested":[]}`:              "json_type nested=json_nested",
		`{"nested":{"A":1}}`:         "json_type nested=json_nested",
		`{"text":"a","text":"b"}`:    "json_duplicate text=json_twice",
		`{"nested":{"A":"","A":""}}`: "json_duplicate A=json_twice",
		`{"txet":"a"}`:               "json_unknown txet=json_unknown Known:text, flag, count, words, nested",
		`{"` + long + `":1}`:         "json_unknown " + long[:2*maxName] + "=json_unknown Known:text, flag, count, words, nested",
		`{"text":"a" "flag":true}`:   "json_syntax Byte:12",
		`{"text":"a"`:                "json_syntax Byte:11",
	} {
		e := apperr.From(unmarshalStrict([]byte(body), &dst))
		got := []string{e.Reason}
		for name, f := range e.Fields {
			got = append(got, name+"="+f.Reason)
			if known := f.Params["Known"]; known != nil {
				got = append(got, fmt.Sprintf("Known:%v", known))
			}
		}
		if at := e.Params["Byte"]; at != nil {
			got = append(got, fmt.Sprintf("Byte:%v", at))
		}
		if got := strings.Join(got, " "); got != want {
			t.Errorf("%s:\n got %s\nwant %s", body, got, want)
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
