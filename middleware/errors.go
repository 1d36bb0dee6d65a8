package middleware

import (
	"encoding/json"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"gatehouse/internal/apperr"
	"gatehouse/internal/ratelimit"
	"gatehouse/internal/work"
	"gatehouse/verify"
)

// Handler is a handler of the product: it answers, or returns why it did not.
type Handler func(c *gin.Context) error

// Handle makes a gin.HandlerFunc of a Handler.
func Handle(h Handler) gin.HandlerFunc {
	return func(c *gin.Context) {
		if err := h(c); err != nil {
			Fail(c, err)
		}
	}
}

// Fail ends the request with an error. The answer is written by the one
// middleware that writes error answers, on the way out.
func Fail(c *gin.Context, err error) {
	_ = c.Error(err)
	c.Abort()
}

// Problem is a failure as it is told to the outside: no cause, no Go error.
type Problem struct {
	Status    int
	Code      string // "error" of the contract
	Reason    string
	Title     string // for pages
	Text      string // one sentence in the language of the visitor
	Fields    map[string]string
	RequestID string
	Wait      time.Duration
	Work      *Work // the proof of work that is asked for; nil without one
}

// Work is what a refusal under pressure asks for. The name is here for handlers,
// which show it.
type Work = work.Wanted

// problemJSON is the one shape of errors, OAuth's (RFC 6749, section 5.2) with
// what a form needs beside it.
type problemJSON struct {
	Error       string            `json:"error"`
	Description string            `json:"error_description"`
	Reason      string            `json:"reason,omitempty"`
	Fields      map[string]string `json:"fields,omitempty"`
	Work        *workJSON         `json:"proof_of_work,omitempty"`
	RequestID   string            `json:"request_id"`
}

// workJSON is a challenge for a program: a counter has to be found for which the
// hash of challenge, "." and counter begins with so many zero bits.
type workJSON struct {
	Algorithm string `json:"algorithm"`
	Challenge string `json:"challenge"`
	Bits      int    `json:"bits"`
	ExpiresIn int64  `json:"expires_in"`
}

func workOf(w *Work) *workJSON {
	if w == nil {
		return nil
	}
	c := w.Challenge
	return &workJSON{Algorithm: "SHA-256", Challenge: c.Text, Bits: c.Bits, ExpiresIn: int64(c.Life / time.Second)}
}

// answer writes what a handler or a middleware after it failed with. When the
// answer has already begun, there is nothing left to say but in the log.
func (s *Set) answer(c *gin.Context) {
	c.Next()
	last := c.Errors.Last()
	if last == nil {
		return
	}
	e := s.told(last.Err)
	s.logFailure(c, e)
	if c.Writer.Written() {
		return
	}
	p := s.Describe(c, last.Err)
	s.failureHeaders(c, e, p)
	if WantsJSON(c) {
		writeProblem(c, p)
		return
	}
	s.writePage(c, p)
}

// told is the application error in err. A request that ran out of its time is
// not our fault to hide as 500: it may be tried again.
func (s *Set) told(err error) *apperr.Error {
	e := apperr.From(err)
	if e.Kind == apperr.Internal && isTimeout(err) {
		return apperr.NotNow(5*time.Second, err)
	}
	return e
}

// Describe turns an error into what may be told, in the visitor's language.
// Pages that show a mistake beside its field use it too.
func (s *Set) Describe(c *gin.Context, err error) Problem {
	e, lang := s.told(err), s.Lang(c)
	p := Problem{
		Status: statusOf(e.Kind), Code: codeOf(err, e), Reason: e.Reason,
		RequestID: s.RequestID(c), Wait: waitOf(e),
	}
	if wanted, ok := work.Of(err); ok {
		p.Work = &wanted
	}
	params := s.params(e, p.Wait)
	p.Text = s.sentence(err, lang, params, sentenceKey(e, p.Wait), "error."+p.Code)
	p.Title = s.words(lang, params, "error."+e.Reason+".title", "error.status."+strconv.Itoa(p.Status)+".title")
	if len(e.Fields) > 0 {
		p.Fields = make(map[string]string, len(e.Fields))
		for name, f := range e.Fields {
			p.Fields[name] = s.words(lang, f.Params, "field."+f.Reason, "field.unusable")
		}
	}
	return p
}

// sentenceKey is the key of the words. A wait of up to a minute is told in
// seconds: "in 1 minute" would be sixty times the first one.
func sentenceKey(e *apperr.Error, wait time.Duration) string {
	if e.Reason == "too_many_attempts" && wait <= time.Minute {
		return "error.too_many_attempts.soon"
	}
	return "error." + e.Reason
}

// params adds the clock time and the wait to what the sentence may name.
func (s *Set) params(e *apperr.Error, wait time.Duration) map[string]any {
	params := map[string]any{}
	for k, v := range e.Params {
		params[k] = v
	}
	if wait > 0 {
		params["Seconds"] = int(math.Ceil(wait.Seconds()))
		params["Minutes"] = int(math.Ceil(wait.Minutes()))
		params["At"] = s.Clock().Add(wait).UTC().Format("15:04")
	}
	return params
}

// sentence is what verify says about an access token, for the developer of the
// client, and words of the locale for everything else.
func (s *Set) sentence(err error, lang string, params map[string]any, keys ...string) string {
	if e, ok := errors.AsType[*verify.Error](err); ok {
		return e.Description
	}
	return s.words(lang, params, keys...)
}

// words takes the first key that has a sentence.
func (s *Set) words(lang string, params map[string]any, keys ...string) string {
	for _, key := range keys {
		if text := s.Words(lang, key, params); text != "" {
			return text
		}
	}
	return s.Words(lang, "error.internal", params)
}

// failureHeaders sets what goes with a status.
func (s *Set) failureHeaders(c *gin.Context, e *apperr.Error, p Problem) {
	h := c.Writer.Header()
	h.Set("Cache-Control", "no-store")
	h.Del("ETag")
	h.Set(requestIDHeader, p.RequestID)
	if p.Wait > 0 {
		// RFC 9110, section 10.2.3: whole seconds; rounded up, so that who
		// obeys is not refused again.
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(p.Wait.Seconds()))))
	}
	if e.Reason == "busy" {
		// Thousands may be sent away in a rush, and each connection that waits
		// for them to come back takes memory; a new one costs less.
		h.Set("Connection", "close")
	}
	if e.Kind == apperr.Throttled && !of(c).limited {
		// The counters of wrong secrets have no one rule: they grow.
		h.Add(ratelimit.StateHeader, ratelimit.Item(p.Reason, 0, p.Wait))
	}
	if challenge := challengeOf(e, p); challenge != "" && WantsJSON(c) {
		h.Set("WWW-Authenticate", challenge)
	}
}

func writeProblem(c *gin.Context, p Problem) {
	reason := p.Reason
	if reason == p.Code {
		reason = ""
	}
	body, err := json.Marshal(problemJSON{p.Code, p.Text, reason, p.Fields, workOf(p.Work), p.RequestID})
	if err != nil {
		body = []byte(`{"error":"server_error","error_description":"","request_id":""}`)
	}
	c.Data(p.Status, "application/json; charset=utf-8", body)
}

// writePage draws the error page. When even that fails, a line of text is
// better than an empty answer.
func (s *Set) writePage(c *gin.Context, p Problem) {
	body, err := s.ErrorPage(c, p)
	if err != nil {
		s.Log.ErrorContext(c.Request.Context(), "error page failed", "request_id", p.RequestID, "error", err)
		c.Data(p.Status, "text/plain; charset=utf-8", []byte(p.Text+"\n\n"+p.RequestID+"\n"))
		return
	}
	c.Data(p.Status, "text/html; charset=utf-8", body)
}

// logFailure keeps causes in the log: ours at error, the visitor's at debug. A
// node with an old view refuses everybody, so the revocation log says it once,
// where a line for each request would fill the disk of whoever is in trouble.
func (s *Set) logFailure(c *gin.Context, e *apperr.Error) {
	level := slog.LevelDebug
	if e.Kind == apperr.Internal || e.Kind == apperr.Unavailable && e.Unwrap() != nil && !errors.Is(e, verify.ErrStale) {
		level = slog.LevelError
	}
	ctx := c.Request.Context()
	if !s.Log.Enabled(ctx, level) {
		return
	}
	s.Log.Log(ctx, level, "request failed", "request_id", s.RequestID(c), "method", c.Request.Method,
		"route", routeOf(c), "status", statusOf(e.Kind), "reason", e.Reason, "error", e.Error())
}

// isTimeout includes a visitor who went away: nobody reads that answer.
func isTimeout(err error) bool {
	var timeout interface{ Timeout() bool }
	return errors.As(err, &timeout) && timeout.Timeout() || errors.Is(err, http.ErrHandlerTimeout)
}

// Mistake is for pages that are shown again with what is wrong: it describes
// an error that is about what was typed, and sets the headers that go with it.
// A taken name is one of those: for a form it is 422 like every other field.
func (s *Set) Mistake(c *gin.Context, err error) (Problem, bool) {
	e := s.told(err)
	switch e.Kind {
	case apperr.Invalid, apperr.Unauthenticated, apperr.Throttled:
	case apperr.Conflict:
		if len(e.Fields) == 0 {
			return Problem{}, false
		}
	default:
		return Problem{}, false
	}
	p := s.Describe(c, err)
	if e.Kind == apperr.Conflict {
		p.Status = http.StatusUnprocessableEntity
	}
	s.failureHeaders(c, e, p)
	return p, true
}
