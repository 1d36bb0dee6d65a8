package testserver

import (
	"encoding/json"
	"html"
	"net/http"
	"strings"
	"testing"
)

// Answer is a whole answer, kept as text.
type Answer struct {
	T        testing.TB
	Request  *http.Request
	Response *http.Response
	Status   int
	Header   http.Header
	Body     string
}

// Is checks the status.
func (a *Answer) Is(status int) *Answer {
	a.T.Helper()
	if a.Status != status {
		a.T.Fatalf("%s %s: got %d, want %d\n%v\n%s", a.Request.Method, a.Request.URL, a.Status, status, a.Header, head(a.Body))
	}
	return a
}

// Has checks that every text is on the page, as a reader sees it.
func (a *Answer) Has(texts ...string) *Answer {
	a.T.Helper()
	for _, text := range texts {
		if !strings.Contains(html.UnescapeString(a.Body), text) {
			a.T.Fatalf("%s %s: %q is missing in\n%s", a.Request.Method, a.Request.URL, text, head(a.Body))
		}
	}
	return a
}

// Lacks checks that no text is on the page.
func (a *Answer) Lacks(texts ...string) *Answer {
	a.T.Helper()
	for _, text := range texts {
		if strings.Contains(html.UnescapeString(a.Body), text) {
			a.T.Fatalf("%s %s: %q should not be there", a.Request.Method, a.Request.URL, text)
		}
	}
	return a
}

// Leads checks where a redirect goes.
func (a *Answer) Leads(to string) *Answer {
	a.T.Helper()
	a.Is(http.StatusSeeOther)
	if got := a.Header.Get("Location"); got != to {
		a.T.Fatalf("%s %s leads to %q, want %q", a.Request.Method, a.Request.URL, got, to)
	}
	return a
}

// Fails checks the status and the code of an error in JSON.
func (a *Answer) Fails(status int, code string) *Answer {
	a.T.Helper()
	a.Is(status)
	if got := a.JSON()["error"]; got != code {
		a.T.Fatalf("%s %s: the error is %v, want %s\n%s", a.Request.Method, a.Request.URL, got, code, a.Body)
	}
	return a
}

// JSON is the answer as a JSON object.
func (a *Answer) JSON() map[string]any {
	a.T.Helper()
	var v map[string]any
	if err := json.Unmarshal([]byte(a.Body), &v); err != nil {
		a.T.Fatalf("%s %s is no JSON object: %v\n%s", a.Request.Method, a.Request.URL, err, head(a.Body))
	}
	return v
}

// Text is one text of the JSON object.
func (a *Answer) Text(name string) string {
	a.T.Helper()
	s, ok := a.JSON()[name].(string)
	if !ok {
		a.T.Fatalf("%s %s: %s is no text in\n%s", a.Request.Method, a.Request.URL, name, head(a.Body))
	}
	return s
}

func head(s string) string {
	const most = 3000
	if len(s) > most {
		return s[:most] + "..."
	}
	return s
}
