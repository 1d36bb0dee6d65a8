package middleware

import (
	"net/http"
	"slices"

	"github.com/gin-gonic/gin"
	"golang.org/x/text/language"
)

const (
	langCookie = "lang"
	langYear   = 365 * 24 * 60 * 60
	// maxAccept is the longest Accept-Language that is read.
	maxAccept = 256
)

type languageMatcher struct {
	names   []string
	matcher language.Matcher
}

func newLanguageMatcher(names []string) languageMatcher {
	if len(names) == 0 {
		names = []string{"en"}
	}
	tags := make([]language.Tag, len(names))
	for i, name := range names {
		tags[i] = language.MustParse(name)
	}
	return languageMatcher{names: names, matcher: language.NewMatcher(tags)}
}

func (m languageMatcher) match(accept string) string {
	if accept == "" || len(accept) > maxAccept {
		return m.names[0]
	}
	_, i := language.MatchStrings(m.matcher, accept)
	return m.names[i]
}

// Lang is the language of the answer: what the visitor chose with the switch,
// else what the browser asks for.
func (s *Set) Lang(c *gin.Context) string {
	st := of(c)
	if st.lang == "" {
		st.lang = s.chosenLang(c)
	}
	return st.lang
}

func (s *Set) chosenLang(c *gin.Context) string {
	if !WantsJSON(c) {
		if lang := c.Query("lang"); slices.Contains(s.languages.names, lang) {
			s.keepLang(c, lang)
			return lang
		}
		if lang, err := c.Cookie(langCookie); err == nil && slices.Contains(s.languages.names, lang) {
			return lang
		}
	}
	return s.languages.match(c.Request.Header.Get("Accept-Language"))
}

// keepLang remembers the switch. The cookie holds a language and nothing
// about the visitor.
func (s *Set) keepLang(c *gin.Context, lang string) {
	http.SetCookie(c.Writer, &http.Cookie{
		Name: langCookie, Value: lang, Path: "/", MaxAge: langYear,
		Secure: s.https(), HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}
