package testserver

import (
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
)

// FirefoxAgent is what the browser says it is.
const FirefoxAgent = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"

// Browser keeps cookies and sends what a browser sends with its own forms.
type Browser struct {
	s   *Server
	jar *cookiejar.Jar
	app *url.URL
	// Header is sent with every request.
	Header http.Header
}

// Browser opens a browser without any cookie.
func (s *Server) Browser() *Browser {
	s.T.Helper()
	jar, err := cookiejar.New(nil)
	s.must(err)
	app, err := url.Parse(s.Options.AppURL)
	s.must(err)
	return &Browser{s: s, jar: jar, app: app, Header: http.Header{
		"User-Agent": {FirefoxAgent}, "Accept": {"text/html,application/xhtml+xml,*/*;q=0.8"}, "Accept-Language": {"en"},
	}}
}

// Get opens a page and does not follow redirects.
func (b *Browser) Get(path string) *Answer {
	b.s.T.Helper()
	return b.send(b.s.Request(http.MethodGet, path, "", "Sec-Fetch-Site", "none"))
}

// Post sends a form; fields are name and value in turn.
func (b *Browser) Post(path string, fields ...string) *Answer {
	b.s.T.Helper()
	form := url.Values{}
	for i := 0; i+1 < len(fields); i += 2 {
		form.Add(fields[i], fields[i+1])
	}
	return b.send(b.s.Request(http.MethodPost, path, form.Encode(), "Sec-Fetch-Site", "same-origin",
		"Content-Type", "application/x-www-form-urlencoded", "Origin", b.s.Options.AppURL))
}

// Follow opens the page that a redirect leads to.
func (b *Browser) Follow(a *Answer) *Answer {
	b.s.T.Helper()
	to := a.Header.Get("Location")
	if a.Status != http.StatusSeeOther || !strings.HasPrefix(to, "/") {
		b.s.T.Fatalf("%s %s: got %d to %q, want a way on\n%s", a.Request.Method, a.Request.URL, a.Status, to, head(a.Body))
	}
	return b.Get(to)
}

func (b *Browser) send(r *http.Request) *Answer {
	b.s.T.Helper()
	for name, values := range b.Header {
		r.Header[name] = values
	}
	for _, c := range b.jar.Cookies(b.app) {
		r.AddCookie(c)
	}
	a := b.s.Send(r)
	b.jar.SetCookies(b.app, a.Response.Cookies())
	return a
}

// Cookie is the value of a cookie, "" when there is none.
func (b *Browser) Cookie(name string) string {
	for _, c := range b.jar.Cookies(b.app) {
		if c.Name == name {
			return c.Value
		}
	}
	return ""
}

// SetCookie puts a cookie into the browser by hand.
func (b *Browser) SetCookie(name, value string) {
	b.jar.SetCookies(b.app, []*http.Cookie{{Name: name, Value: value, Path: "/"}})
}

// Login signs in and checks that it worked.
func (b *Browser) Login(username, password string) *Browser {
	b.s.T.Helper()
	b.Post("/login", "username", username, "password", password).Leads("/account")
	return b
}
