package templates

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"

	"gatehouse/locales"
	"gatehouse/static"
)

//go:embed layouts/*.html partials/*.html pages/*.html
var files embed.FS

// Renderer draws the pages in every language.
type Renderer struct {
	words     *locales.Bundle
	languages map[string]func() *template.Template
	buffers   sync.Pool
	kept      kept
}

// New makes a renderer. The pages of a language are read when the first of
// them is asked for: that takes as long as the rest of a start, and a server
// whose people all read one language needs no memory for the others.
func New() *Renderer {
	r := &Renderer{words: locales.Default(), languages: map[string]func() *template.Template{}, kept: kept{pages: map[keptKey][]byte{}}}
	r.buffers.New = func() any { return new(bytes.Buffer) }
	for _, lang := range locales.Languages {
		r.languages[lang] = sync.OnceValue(func() *template.Template { return readPages(lang, r.words) })
	}
	return r
}

// readPages panics on a page that cannot be read and on a key or a file that
// does not exist: programmer errors, which tests find.
func readPages(lang string, words *locales.Bundle) *template.Template {
	trees, err := readTrees(files)
	if err != nil {
		panic(err)
	}
	set, err := build(trees, lang, words, static.Default())
	if err != nil {
		panic(err)
	}
	return set
}

// Render draws a page: nothing is written when that fails. On an HTTP answer
// it sets Content-Length, and Content-Type unless that is set already.
func (r *Renderer) Render(w io.Writer, page, lang string, view any) error {
	if v, ok := view.(keepable); ok {
		if key, ok := v.key(); ok {
			key.page, key.lang = page, lang
			return r.renderKept(w, key, view)
		}
	}
	b := r.buffers.Get().(*bytes.Buffer)
	defer r.release(b)
	if err := r.draw(b, page, lang, view); err != nil {
		return err
	}
	return send(w, b.Bytes())
}

// renderKept draws a page that is the same for everybody, the first time.
func (r *Renderer) renderKept(w io.Writer, key keptKey, view any) error {
	body := r.kept.get(key)
	if body == nil {
		var err error
		if body, err = r.Page(key.page, key.lang, view); err != nil {
			return err
		}
		r.kept.put(key, body)
	}
	return send(w, body)
}

// Page is Render into bytes of the caller's own.
func (r *Renderer) Page(page, lang string, view any) ([]byte, error) {
	var b bytes.Buffer
	err := r.draw(&b, page, lang, view)
	return b.Bytes(), err
}

func (r *Renderer) draw(b *bytes.Buffer, page, lang string, view any) error {
	set := r.languages[lang]
	if set == nil {
		set = r.languages[locales.Languages[0]]
	}
	t := set().Lookup(page)
	if t == nil {
		return errors.New("templates: there is no page " + page)
	}
	if err := t.Execute(b, view); err != nil {
		return fmt.Errorf("templates: %w", err)
	}
	return nil
}

// maxBuffer is the largest buffer that is used for another page.
const maxBuffer = 64 << 10

func (r *Renderer) release(b *bytes.Buffer) {
	if b.Cap() <= maxBuffer {
		b.Reset()
		r.buffers.Put(b)
	}
}

var htmlType = []string{"text/html; charset=utf-8"}

// send writes a page. Without a Content-Length one of more than 2 KB would go
// out in chunks.
func send(w io.Writer, body []byte) error {
	if rw, ok := w.(http.ResponseWriter); ok {
		h := rw.Header()
		if _, set := h["Content-Type"]; !set {
			h["Content-Type"] = htmlType
		}
		h["Content-Length"] = []string{strconv.Itoa(len(body))}
	}
	_, err := w.Write(body)
	return err
}

// Words is the sentence of a key of the locales; "" when there is none.
func (r *Renderer) Words(lang, key string, params map[string]any) string {
	return r.words.Text(lang, key, params)
}

// Date says a day as the pages do, for a message.
func (r *Renderer) Date(lang string, now, at time.Time) string {
	return clock{r.words, lang}.date(now, at)
}

// Flash is the message "flash.<key>" of the locales, with "flash.<key>.text"
// as its second sentence and "flash.<key>.detail" as its small print when there
// are such. Parameters come as text, because
// they were kept in a session; a number among them chooses the plural form.
func (r *Renderer) Flash(lang string, kind Kind, key string, params map[string]string) Flash {
	values := make(map[string]any, len(params))
	for name, text := range params {
		values[name] = text
		if n, err := strconv.Atoi(text); err == nil {
			values[name] = n
		}
	}
	return Flash{
		Kind: kind, Title: r.words.Text(lang, "flash."+key, values),
		Text: r.words.Text(lang, "flash."+key+".text", values), Detail: r.words.Text(lang, "flash."+key+".detail", values),
	}
}
