package middleware

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"gatehouse/accounts"
	"gatehouse/internal/apperr"
	"gatehouse/tokens"
)

// kindTable gives each kind its status and the code that a program reads when
// the reason is not a code of its own.
var kindTable = map[apperr.Kind]struct {
	status int
	code   string
}{
	apperr.Internal:        {http.StatusInternalServerError, "server_error"},
	apperr.Malformed:       {http.StatusBadRequest, "invalid_request"},
	apperr.Invalid:         {http.StatusUnprocessableEntity, "validation_failed"},
	apperr.Unauthenticated: {http.StatusUnauthorized, "invalid_token"},
	apperr.Forbidden:       {http.StatusForbidden, "forbidden"},
	apperr.NotFound:        {http.StatusNotFound, "not_found"},
	apperr.Method:          {http.StatusMethodNotAllowed, "method_not_allowed"},
	apperr.Conflict:        {http.StatusConflict, "conflict"},
	apperr.Expired:         {http.StatusGone, "expired"},
	apperr.TooLarge:        {http.StatusRequestEntityTooLarge, "too_large"},
	apperr.MediaType:       {http.StatusUnsupportedMediaType, "unsupported_media_type"},
	apperr.Misdirected:     {http.StatusMisdirectedRequest, "misdirected_request"},
	apperr.Throttled:       {http.StatusTooManyRequests, "too_many_attempts"},
	apperr.Unavailable:     {http.StatusServiceUnavailable, "unavailable"},
}

func statusOf(k apperr.Kind) int { return kindTable[k].status }

// ownCode are the reasons that the contract lists as codes.
var ownCode = map[string]bool{
	"invalid_credentials": true, "step_up_required": true,
	"email_not_verified": true, "password_change_required": true, "mail_not_configured": true,
	"proof_of_work_required": true, "insufficient_scope": true, "cursor_unknown": true, "cursor_above_head": true,
}

// coded is an error whose code is decided by the call and not by the kind.
type coded struct {
	error
	code string
}

func (c coded) Unwrap() error { return c.error }

// WithCode gives an error the code that the protocol of the call asks for:
// whatever is wrong with a refresh token is "invalid_grant" (RFC 6749, section
// 5.2). Only what says "not you" is renamed; a full disk stays what it is.
func WithCode(code string, err error) error {
	if e := apperr.From(err); e == nil || e.Kind != apperr.Unauthenticated {
		return err
	}
	return coded{err, code}
}

func codeOf(err error, e *apperr.Error) string {
	if c, ok := errors.AsType[coded](err); ok {
		return c.code
	}
	if ownCode[e.Reason] {
		return e.Reason
	}
	return kindTable[e.Kind].code
}

// waitOf is never nothing where the contract promises a Retry-After.
func waitOf(e *apperr.Error) time.Duration {
	switch {
	case e.RetryAfter > 0:
		return max(e.RetryAfter, time.Second)
	case e.Kind == apperr.Unavailable:
		return 5 * time.Second
	case e.Kind == apperr.Throttled:
		return time.Second
	}
	return 0
}

// challengeOf is the WWW-Authenticate of an answer: with every 401 (RFC 9110,
// section 15.5.2), without an error code when no token was sent (RFC 6750,
// section 3.1), and with the scope that is missing (section 3).
func challengeOf(e *apperr.Error, p Problem) string {
	switch {
	case e.Reason == "step_up_required":
		return stepUpChallenge(e)
	case p.Code == "insufficient_scope":
		return fmt.Sprintf(`Bearer realm="gatehouse", error="insufficient_scope", scope="%v"`, e.Params["Scope"])
	case p.Status != http.StatusUnauthorized:
		return ""
	case p.Code == "invalid_client":
		return `Basic realm="gatehouse", charset="UTF-8"`
	case p.Code == "invalid_token" && e.Reason != "no_token":
		return `Bearer realm="gatehouse", error="invalid_token"`
	}
	return `Bearer realm="gatehouse"`
}

// stepUpChallenge says what a proof has to be (RFC 9470, section 3): how young,
// and of which level where that is known.
func stepUpChallenge(e *apperr.Error) string {
	challenge := `Bearer error="insufficient_user_authentication", error_description="A fresh proof is needed"`
	if level, ok := e.Params[accounts.ParamACR].(string); ok {
		challenge += `, acr_values="` + level + `"`
	}
	return challenge + fmt.Sprintf(`, max_age="%d"`, int(tokens.ProofAge/time.Second))
}
