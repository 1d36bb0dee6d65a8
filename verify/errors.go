package verify

import (
	"errors"
	"fmt"
	"net/http"
	"time"
)

// The values of Error.Code: the "error" of the answer (RFC 6750, section 3.1,
// and the one error shape of Gatehouse).
const (
	CodeInvalidToken      = "invalid_token"                    // 401
	CodeInsufficientScope = "insufficient_scope"               // 403
	CodeForbidden         = "forbidden"                        // 403
	CodeStepUp            = "insufficient_user_authentication" // 401 (RFC 9470, section 3)
	CodeUnavailable       = "unavailable"                      // 503
)

// Error says why a request was not let in. Description is a sentence for the
// developer of the client; it never repeats bytes of the token. Reason is a
// stable word for logs, metrics and tests.
type Error struct {
	Code        string
	Description string
	Reason      string
	scope       string // what insufficient_scope asks for
	acr         string // what insufficient_user_authentication asks for, each
	maxAge      time.Duration
	cause       error
}

// Error implements error.
func (e *Error) Error() string {
	if e.cause != nil {
		return fmt.Sprintf("verify: %s: %v", e.Reason, e.cause)
	}
	return "verify: " + e.Reason
}

// Unwrap returns the cause, which is for logs only.
func (e *Error) Unwrap() error { return e.cause }

// Is makes errors.Is(err, verify.ErrExpired) hold for every error of the same
// code and reason, whatever its cause.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code && t.Reason == e.Reason
}

// Status is the HTTP status that belongs to the error.
func (e *Error) Status() int {
	switch e.Code {
	case CodeInsufficientScope, CodeForbidden:
		return http.StatusForbidden
	case CodeUnavailable:
		return http.StatusServiceUnavailable
	}
	return http.StatusUnauthorized
}

// The refusals. Compare with errors.Is.
var (
	ErrNoToken    = refuse("no_token", "No access token was sent. Send it in the header: Authorization: Bearer TOKEN.")
	ErrInQuery    = refuse("token_in_query", "Access tokens in the query string are refused. Use the header: Authorization: Bearer TOKEN.")
	ErrManyTokens = refuse("many_tokens", "Send exactly one access token, in one Authorization header.")
	ErrMalformed  = refuse("malformed", "The access token is not a well-formed JWT.")
	ErrTooLong    = refuse("too_long", "The access token is longer than 8 KB.")
	ErrHeader     = refuse("bad_header", "The header of the access token holds something that is not accepted.")
	ErrType       = refuse("wrong_type", "This JWT is not an access token of the expected type.")
	ErrAlgorithm  = refuse("wrong_algorithm", "The access token is signed with an algorithm that its key is not for.")
	ErrUnknownKey = refuse("unknown_key", "The access token is signed with a key that is not in the key set.")
	ErrSignature  = refuse("bad_signature", "The signature of the access token is not valid.")
	ErrClaims     = refuse("bad_claims", "A required claim of the access token is missing or not of its type.")
	ErrIssuer     = refuse("wrong_issuer", "The access token was issued by somebody else.")
	ErrAudience   = refuse("wrong_audience", "The access token is meant for another audience.")
	ErrExpired    = refuse("expired", "The access token has expired.")
	ErrNotYet     = refuse("not_yet_valid", "The access token is not valid yet.")
	ErrLifetime   = refuse("too_long_lived", "The access token is valid for longer than tokens may be.")
	ErrRevoked    = refuse("revoked", "The access token has been revoked.")
	ErrInactive   = refuse("inactive", "The personal token is unknown, has ended or has expired.")
	// ErrPersonalForm is a personal token that was cut or mistyped.
	ErrPersonalForm = refuse("personal_malformed", "The personal token was cut or mistyped: its checksum does not fit.")
	// ErrPersonalOff is for Verifiers without Options.Service.
	ErrPersonalOff = refuse("personal_not_accepted", "Personal tokens are not accepted here: this service has no credential to ask the issuer about them.")
	// ErrNotForServices is a personal token without any scope for services.
	ErrNotForServices = &Error{Code: CodeInsufficientScope, Reason: "not_for_services",
		Description: "The personal token has no scope for services: their names begin with app:."}
	// ErrPersonalUnavailable never lets a token in, however good it was.
	ErrPersonalUnavailable = &Error{Code: CodeUnavailable, Reason: "introspection_unavailable",
		Description: "Whether the personal token is good cannot be told at the moment. Try again."}
	ErrUnavailable = &Error{Code: CodeUnavailable, Reason: "keys_unavailable",
		Description: "The keys to check access tokens cannot be read at the moment. Try again."}
	ErrStale = &Error{Code: CodeUnavailable, Reason: "view_stale",
		Description: "Whether the access token has been revoked cannot be told at the moment. Try again."}
)

func refuse(reason, description string) *Error {
	return &Error{Code: CodeInvalidToken, Reason: reason, Description: description}
}

// because returns a copy of e with a cause for the log.
func (e *Error) because(cause error) *Error {
	c := *e
	c.cause = cause
	return &c
}

// asError finds the *Error in err; anything else is a fault of ours and reads
// as unavailable, so that a failing key source never lets anybody in.
func asError(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return ErrUnavailable.because(err)
}
