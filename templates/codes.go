package templates

import (
	"html/template"
	"net/url"
	"strings"
)

// CodesFile is the text file of recovery codes, as an address that holds it: the
// codes are on no server any more when it is saved.
func CodesFile(appURL, login string, codes []string) template.URL {
	text := appURL + "\n" + login + "\n\n" + strings.Join(codes, "\n") + "\n"
	return template.URL("data:text/plain;charset=utf-8," + url.PathEscape(text))
}
