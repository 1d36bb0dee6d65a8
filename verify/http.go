package verify

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Bearer finds the one access token of a request: in one Authorization header
// with the scheme Bearer, in any case (RFC 6750, section 2.1; RFC 9110,
// section 11.1). A token in the query string is refused even beside a good
// header, because it ends up in logs and histories (RFC 9700, section 4.3.2).
func Bearer(r *http.Request) (string, error) {
	if r.URL != nil && r.URL.RawQuery != "" && queryToken(r) {
		return "", ErrInQuery
	}
	values := r.Header["Authorization"]
	if len(values) == 0 {
		return "", ErrNoToken
	}
	if len(values) > 1 {
		return "", ErrManyTokens
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return "", ErrNoToken
	}
	token = strings.Trim(token, " ")
	if token == "" {
		return "", ErrNoToken
	}
	// Three searches by whole words of the processor take a tenth of the time of
	// one strings.ContainsAny, which goes byte by byte.
	if strings.IndexByte(token, ' ') >= 0 || strings.IndexByte(token, ',') >= 0 || strings.IndexByte(token, '\t') >= 0 {
		return "", ErrManyTokens
	}
	return token, nil
}

// queryToken reports whether the query string carries an access token: by the
// name of RFC 6750, section 2.3, or by another usual name when the value looks
// like a JWT or is a personal token.
func queryToken(r *http.Request) bool {
	query := r.URL.Query()
	if query.Has("access_token") {
		return true
	}
	for _, name := range [...]string{"token", "jwt", "bearer", "auth", "authorization"} {
		if value := query.Get(name); strings.HasPrefix(value, "eyJ") || IsPersonal(value) {
			return true
		}
	}
	return false
}

// Handler lets a request through to next with its Principal in the context,
// and answers every other one itself.
func (v *Verifier) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, err := v.Admit(w, r)
		if err != nil {
			WriteError(w, err)
			return
		}
		next.ServeHTTP(w, r.WithContext(NewContext(r.Context(), p)))
	})
}

// Request verifies the access token of a request.
func (v *Verifier) Request(r *http.Request) (*Principal, error) {
	token, err := Bearer(r)
	if err != nil {
		return nil, err
	}
	return v.Verify(r.Context(), token)
}

// Admit is Request for whoever writes an answer: where a token is accepted
// with a view beyond the bound, the answer is marked with X-Token-View-Age, the
// age in whole seconds.
func (v *Verifier) Admit(w http.ResponseWriter, r *http.Request) (*Principal, error) {
	token, err := Bearer(r)
	if err != nil {
		return nil, err
	}
	p, age, err := v.verify(r.Context(), token)
	if age > 0 {
		w.Header().Set("X-Token-View-Age", strconv.FormatInt(int64((age+time.Second-1)/time.Second), 10))
	}
	return p, err
}

// RequireScope lets through who has every one of the scopes. It stands behind
// Handler.
func RequireScope(scopes ...string) func(http.Handler) http.Handler {
	return guard(func(p *Principal) error { return CheckScope(p, scopes...) })
}

// RequireRole lets through who has at least one of the roles, as the token
// says. It stands behind Handler.
func RequireRole(roles ...string) func(http.Handler) http.Handler {
	return guard(func(p *Principal) error { return CheckRole(p, roles...) })
}

// CheckScope answers insufficient_scope unless p has every one of the scopes.
func CheckScope(p *Principal, scopes ...string) error {
	if p.HasScope(scopes...) {
		return nil
	}
	return &Error{Code: CodeInsufficientScope, Reason: "insufficient_scope", scope: strings.Join(scopes, " "),
		Description: "The access token does not have the scope that this needs."}
}

// ErrRole is the answer to a token without the role that is asked for.
var ErrRole = &Error{Code: CodeForbidden, Reason: "role_required", Description: "This needs a role that you do not have."}

// CheckRole answers forbidden unless p has at least one of the roles.
func CheckRole(p *Principal, roles ...string) error {
	if p.HasRole(roles...) {
		return nil
	}
	return ErrRole
}

func guard(check func(*Principal) error) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			err := error(ErrNoToken)
			if p, ok := FromContext(r.Context()); ok {
				err = check(p)
			}
			if err != nil {
				WriteError(w, err)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

// Challenge is the WWW-Authenticate header of an error (RFC 6750, section 3),
// "" for those that have none. A request without any token learns only that
// one is wanted, and no error (section 3.1).
func Challenge(err error) string {
	e := asError(err)
	switch {
	case e.Code == CodeUnavailable, e.Code == CodeForbidden:
		return ""
	case e.Reason == ErrNoToken.Reason:
		return `Bearer realm="access"`
	}
	challenge := `Bearer error="` + e.Code + `", error_description="` + e.Description + `"`
	if e.scope != "" {
		challenge += `, scope="` + quotable(e.scope) + `"`
	}
	if e.acr != "" {
		challenge += `, acr_values="` + quotable(e.acr) + `"`
	}
	if e.maxAge > 0 {
		challenge += `, max_age="` + strconv.FormatInt(int64(e.maxAge/time.Second), 10) + `"`
	}
	return challenge
}

// quotable drops what a scope may not hold anyway (RFC 6749, section 3.3) and
// a quoted string could not carry.
func quotable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || r == '"' || r == '\\' {
			return -1
		}
		return r
	}, s)
}

// WriteError answers with the status, the challenge and the body of err.
func WriteError(w http.ResponseWriter, err error) {
	e := asError(err)
	h := w.Header()
	if challenge := Challenge(e); challenge != "" {
		h.Set("WWW-Authenticate", challenge)
	}
	if e.Code == CodeUnavailable {
		h.Set("Retry-After", "5")
	}
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(e.Status())
	_ = json.NewEncoder(w).Encode(body{e.Code, e.Description, e.Reason, h.Get("X-Request-Id")})
}

// body is the one error shape of Gatehouse.
type body struct {
	Error       string `json:"error"`
	Description string `json:"error_description"`
	Reason      string `json:"reason,omitempty"`
	RequestID   string `json:"request_id,omitempty"`
}
