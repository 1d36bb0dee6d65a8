package verify

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// maxIntrospection bounds the answer about a token.
const maxIntrospection = 64 << 10

// appPrefix begins the scopes that are meant for services and not for the
// issuer's own API.
const appPrefix = "app:"

var errIntrospection = errors.New("the introspection endpoint answers something else")

// introspector asks the issuer what a personal token is good for (RFC 7662),
// with the credential of this service.
type introspector struct {
	url, issuer, secret string
	client              *http.Client
}

func newIntrospector(o Options) *introspector {
	return &introspector{url: o.IntrospectionURL, issuer: o.Issuer, secret: o.Service, client: feedClient(o.HTTPClient)}
}

// Introspect implements PersonalSource. Whatever is not an answer of the
// issuer about an active or inactive token is a fault, and a fault lets nobody
// in.
func (i *introspector) Introspect(ctx context.Context, token string) (*Principal, error) {
	text, err := i.post(ctx, url.Values{"token": {token}, "token_type_hint": {"access_token"}})
	if err != nil {
		return nil, err
	}
	c, active, err := parseIntrospection(text)
	switch {
	case err != nil:
		return nil, err
	case !active:
		return nil, ErrInactive
	case c.issuer != i.issuer:
		return nil, errIntrospection
	}
	p := c.principal("")
	p.Personal = true
	// A token that was made for the issuer's own API alone must not open a
	// service that forgot to ask for a scope.
	for _, scope := range p.Scope {
		if strings.HasPrefix(scope, appPrefix) {
			return p, nil
		}
	}
	return nil, ErrNotForServices
}

func (i *introspector) post(ctx context.Context, form url.Values) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, i.url, strings.NewReader(form.Encode()))
	if err != nil {
		return "", err
	}
	req.Header.Set("Authorization", "Bearer "+i.secret)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Accept-Encoding", "identity")
	res, err := i.client.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxIntrospection+1))
	if err != nil {
		return "", err
	}
	if res.StatusCode != http.StatusOK {
		return "", statusError(res.StatusCode)
	}
	if len(body) > maxIntrospection {
		return "", errIntrospection
	}
	return string(body), nil
}

// parseIntrospection reads an answer (RFC 7662, section 2.2) as strictly as a
// token, and wants of an active one all that a check goes by.
func parseIntrospection(text string) (c *claims, active bool, err error) {
	c, s, kind, told := &claims{}, &scanner{text: text}, "", false
	err = s.document(func(name string) (err error) {
		switch name {
		case "active":
			active, err = s.bool()
			told = true
		case "token_type":
			kind, err = s.string()
		default:
			err = c.read(s, name)
		}
		return err
	})
	if err != nil {
		return nil, false, errors.Join(errIntrospection, err)
	}
	complete := c.id != "" && c.subject != "" && c.client != "" && c.hasExpires && c.hasGen && strings.EqualFold(kind, "Bearer")
	if !told || active && !complete || active && uuidBytes(c.id) == [16]byte{} {
		return nil, false, errIntrospection
	}
	return c, active, nil
}
