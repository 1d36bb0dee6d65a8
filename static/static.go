package static

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"
)

//go:embed css/*.css js/*.js images/*.svg
var files embed.FS

// Prefix is the path below which the files are served.
const Prefix = "/static/"

// File is one file as it is served.
type File struct {
	Name string // "css/gate.css"
	Path string // "/static/gate.0f1e2d3c4b5a.css"
	Type string // its Content-Type
	ETag string // strong: the hash of Body
	Body []byte
	Gzip []byte // nil where compressing gains nothing
}

// Assets is every file, read once.
type Assets struct {
	byName map[string]*File
	byPath map[string]*File
}

var load = sync.OnceValue(func() *Assets {
	a, err := Read(files)
	if err != nil {
		panic(err) // the files are part of the program
	}
	return a
})

// Default is the assets of the program.
func Default() *Assets { return load() }

// Asset is the path under which a file is served. It panics on a name that
// does not exist: templates are read at start, so that is when it shows.
func Asset(name string) string { return load().Asset(name) }

// types are the kinds of files that we have. A browser obeys the type and
// nothing else, because we forbid it to guess.
var types = map[string]string{
	".css": "text/css; charset=utf-8",
	".js":  "text/javascript; charset=utf-8",
	".svg": "image/svg+xml",
}

// Read makes assets of a tree of files. Stylesheets and scripts are minified.
func Read(tree fs.FS) (*Assets, error) {
	a := &Assets{byName: map[string]*File{}, byPath: map[string]*File{}}
	err := fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || types[path.Ext(name)] == "" {
			return err
		}
		body, err := fs.ReadFile(tree, name)
		if err != nil {
			return err
		}
		f := newFile(name, body)
		a.byName[f.Name], a.byPath[f.Path] = f, f
		return nil
	})
	return a, err
}

func newFile(name string, body []byte) *File {
	ext := path.Ext(name)
	switch ext {
	case ".css":
		body = Minify(body)
	case ".js":
		body = MinifyScript(body)
	}
	sum := sha256.Sum256(body)
	hash := hex.EncodeToString(sum[:6])
	return &File{
		Name: name, Type: types[ext], Body: body, Gzip: compress(body),
		Path: Prefix + strings.TrimSuffix(path.Base(name), ext) + "." + hash + ext,
		ETag: `"` + hash + `"`,
	}
}

// compress packs once what is sent often.
func compress(body []byte) []byte {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		panic(err) // the level is a constant of the library
	}
	_, _ = w.Write(body) // a bytes.Buffer takes everything
	_ = w.Close()
	if b.Len() >= len(body) {
		return nil
	}
	return b.Bytes()
}

// Asset is the path of a file; see the function of that name.
func (a *Assets) Asset(name string) string {
	f := a.byName[name]
	if f == nil {
		panic("static: there is no file " + name)
	}
	return f.Path
}

// File finds a file by its path below Prefix.
func (a *Assets) File(path string) (*File, bool) {
	f, ok := a.byPath[path]
	return f, ok
}

// Files is every file by its path.
func (a *Assets) Files() map[string]*File { return a.byPath }

// Named finds a file by its name in the tree.
func (a *Assets) Named(name string) (*File, bool) {
	f, ok := a.byName[name]
	return f, ok
}

// ServeHTTP answers GET and HEAD with the file of the path, or 404.
func (a *Assets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f, ok := a.File(r.URL.Path)
	if !ok {
		http.NotFound(w, r)
		return
	}
	f.ServeHTTP(w, r)
}

// ServeHTTP writes the file, packed for who can unpack it. The name changes
// with the content, so that the answer is good for a year (RFC 8246).
func (f *File) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("ETag", f.ETag)
	h.Set("Vary", "Accept-Encoding")
	h.Set("X-Content-Type-Options", "nosniff")
	if matches(r.Header.Get("If-None-Match"), f.ETag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	body := f.Body
	if f.Gzip != nil && acceptsGzip(r.Header.Get("Accept-Encoding")) {
		h.Set("Content-Encoding", "gzip")
		body = f.Gzip
	}
	h.Set("Content-Type", f.Type)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // a visitor who went away needs no answer
	}
}

// matches compares as RFC 9110, section 13.1.2 says: weakly, in a list.
func matches(header, etag string) bool {
	for tag := range strings.SplitSeq(header, ",") {
		tag = strings.TrimPrefix(strings.TrimSpace(tag), "W/")
		if tag == etag || tag == "*" {
			return true
		}
	}
	return false
}

// acceptsGzip reads Accept-Encoding (RFC 9110, section 12.5.3). A weight of
// zero is a refusal.
func acceptsGzip(header string) bool {
	for one := range strings.SplitSeq(header, ",") {
		coding, weight, _ := strings.Cut(one, ";")
		if strings.EqualFold(strings.TrimSpace(coding), "gzip") {
			q, err := strconv.ParseFloat(strings.TrimPrefix(strings.TrimSpace(weight), "q="), 64)
			return err != nil || q > 0
		}
	}
	return false
}
