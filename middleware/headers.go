package middleware

import (
	"github.com/gin-gonic/gin"
)

// The policies. No page needs inline script or style, and nothing is loaded
// from another host (rule 20; ASVS 5.0, V3.4.3 and V3.4.6; CSP Level 3).
const (
	pagePolicy = "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; " +
		"connect-src 'self'; form-action 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'"
	// apiPolicy is for answers that no browser should ever draw.
	apiPolicy = "default-src 'none'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
	// A year for all subdomains, as ASVS 5.0, V3.4.1 asks from level 2 on.
	transportPolicy = "max-age=31536000; includeSubDomains"
)

// headerValue is a header ready to be put into the map of an answer: the same
// slice every time, so that a request allocates nothing for it. Its capacity
// is its length, so that an Add copies it.
type headerValue struct {
	name  string
	value []string
}

func ready(pairs ...string) []headerValue {
	var list []headerValue
	for i := 0; i < len(pairs); i += 2 {
		list = append(list, headerValue{pairs[i], []string{pairs[i+1]}})
	}
	return list
}

func (s *Set) withTransport(list []headerValue) gin.HandlerFunc {
	if s.https() {
		list = append(list, ready("Strict-Transport-Security", transportPolicy)...)
	}
	return func(c *gin.Context) {
		h := c.Writer.Header()
		for _, v := range list {
			h[v.name] = v.value
		}
	}
}

// pageHeaders are on every page. Referrer-Policy is same-origin and not
// no-referrer, because with the latter a browser sends "Origin: null" with our
// own forms and the cross-origin check could not tell them from a stranger's.
func (s *Set) pageHeaders() gin.HandlerFunc {
	return s.withTransport(ready(
		"Content-Security-Policy", pagePolicy,
		"X-Content-Type-Options", "nosniff",
		"Referrer-Policy", "same-origin",
		"Cross-Origin-Opener-Policy", "same-origin",
		"Cross-Origin-Resource-Policy", "same-origin",
		"Permissions-Policy", "camera=(), geolocation=(), microphone=()",
		// Every page shows either a person's data or a form on the way to it,
		// and a shared computer has a Back button (ASVS 5.0, V14.3.2).
		"Cache-Control", "no-store",
		"Vary", "Cookie, Accept-Language",
	))
}

// apiHeaders are on everything else.
func (s *Set) apiHeaders() gin.HandlerFunc {
	return s.withTransport(ready(
		"Content-Security-Policy", apiPolicy,
		"X-Content-Type-Options", "nosniff",
		"Referrer-Policy", "no-referrer",
		"Cache-Control", "no-store",
	))
}
