package static

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
)

func get(t *testing.T, path string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, path, nil)
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	Default().ServeHTTP(w, r)
	return w
}

func TestEveryFileIsServedUnderTheNameOfItsContent(t *testing.T) {
	for path, f := range Default().Files() {
		w := get(t, path)
		if w.Code != http.StatusOK || !bytes.Equal(w.Body.Bytes(), f.Body) || w.Header().Get("Content-Type") != f.Type {
			t.Errorf("%s: %d, %s, %d bytes", path, w.Code, w.Header().Get("Content-Type"), w.Body.Len())
		}
		if got := w.Header().Get("Cache-Control"); got != "public, max-age=31536000, immutable" {
			t.Errorf("%s: Cache-Control %s", path, got)
		}
		if Asset(f.Name) != path {
			t.Errorf("%s is said to be at %s", f.Name, Asset(f.Name))
		}
	}
}

func TestAnotherContentHasAnotherName(t *testing.T) {
	var paths []string
	for _, body := range []string{"a{b:c}", "a{b:d}"} {
		a, err := Read(fstest.MapFS{"css/x.css": {Data: []byte(body)}, "notes.txt": {Data: []byte(body)}})
		if err != nil || len(a.Files()) != 1 {
			t.Fatalf("%d files, %v", len(a.Files()), err)
		}
		paths = append(paths, a.Asset("css/x.css"))
	}
	if paths[0] == paths[1] || !strings.HasPrefix(paths[0], "/static/x.") || !strings.HasSuffix(paths[0], ".css") {
		t.Errorf("the paths are %v", paths)
	}
}

func TestPackedIsSentToWhoCanUnpackIt(t *testing.T) {
	path := Asset("css/gate.css")
	for header, packed := range map[string]bool{
		"gzip": true, "br, GZIP;q=0.5": true, "gzip;q=0": false, "": false, "identity": false, "gzipped": false, "gzip; q=0.0": false,
	} {
		w := get(t, path, "Accept-Encoding", header)
		if got := w.Header().Get("Content-Encoding") == "gzip"; got != packed {
			t.Errorf("%q gets it packed: %v", header, got)
		}
		if w.Header().Get("Vary") != "Accept-Encoding" {
			t.Errorf("%q: a cache would mix them up", header)
		}
	}
	z, err := gzip.NewReader(get(t, path, "Accept-Encoding", "gzip").Body)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(z)
	f, _ := Default().File(path)
	if err != nil || !bytes.Equal(body, f.Body) {
		t.Errorf("unpacked it is another: %v", err)
	}
}

func TestWhoHasItIsNotSentItAgain(t *testing.T) {
	f, _ := Default().Named("css/gate.css")
	for header, status := range map[string]int{f.ETag: 304, "W/" + f.ETag: 304, `"x", ` + f.ETag: 304, "*": 304, `"x"`: 200, "": 200} {
		if w := get(t, f.Path, "If-None-Match", header); w.Code != status {
			t.Errorf("%q gets %d, want %d", header, w.Code, status)
		}
	}
}

func TestHeadHasNoBody(t *testing.T) {
	w := httptest.NewRecorder()
	Default().ServeHTTP(w, httptest.NewRequest(http.MethodHead, Asset("js/gate.js"), nil))
	if w.Body.Len() != 0 || w.Header().Get("Content-Length") == "0" {
		t.Errorf("%d bytes, Content-Length %s", w.Body.Len(), w.Header().Get("Content-Length"))
	}
}

func TestOtherPathsAreNotThere(t *testing.T) {
	for _, path := range []string{"/static/", "/static/gate.css", "/static/css/gate.css", "/static/../static.go", "/static/gate.000000000000.css"} {
		if w := get(t, path); w.Code != http.StatusNotFound {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
}

func TestANameThatDoesNotExistStopsTheStart(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("nobody said so")
		}
	}()
	Asset("css/none.css")
}

func TestMinifyKeepsTheMeaning(t *testing.T) {
	for in, want := range map[string]string{
		"a { b : c ; }":                 "a{b :c}",
		"a,\n  b > c { d: e; f: g; }\n": "a,b>c{d:e;f:g}",
		"/* x */a{b:c}/* y":             "a{b:c}",
		"a/**/b{c:d}":                   "a b{c:d}",
		"a :hover{b:c}":                 "a :hover{b:c}",
		"a{b:calc(1px + 2px)}":          "a{b:calc(1px + 2px)}",
		"a{b:\"x  /* y */ ;}\"}":        "a{b:\"x  /* y */ ;}\"}",
		"a{b:'it\\'s  ;'}":              "a{b:'it\\'s  ;'}",
		"a\\:b  {c:d}":                  "a\\:b{c:d}",
		"@media (min-width: 2rem) and (x) { a {b:c} }": "@media (min-width:2rem) and (x){a{b:c}}",
		"a{font:1rem/1.5 x, \"y z\"}":                  "a{font:1rem/1.5 x,\"y z\"}",
		"a{b:c;;d:e}":                                  "a{b:c;;d:e}",
		"":                                             "",
		"\"never closed":                               "\"never closed",
		"a{b:c\\":                                      "a{b:c\\",
	} {
		if got := string(Minify([]byte(in))); got != want {
			t.Errorf("%q becomes %q, want %q", in, got, want)
		}
	}
}

func TestAScriptKeepsItsLines(t *testing.T) {
	got := string(MinifyScript([]byte("// a\n  b(\n    \"c // d\",\n\n  ); // e\n")))
	if want := "b(\n\"c // d\",\n); // e\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func FuzzMinify(f *testing.F) {
	f.Add([]byte("a { b : c ; } /* d */"))
	f.Add([]byte("\"\\"))
	f.Fuzz(func(t *testing.T, css []byte) {
		once := Minify(css)
		if len(once) > len(css)+1 {
			t.Errorf("%q grew to %q", css, once)
		}
	})
}
