package handlers

import (
	"cmp"
	"context"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"gatehouse/internal/apperr"
	"gatehouse/internal/websession"
	"gatehouse/middleware"
	"gatehouse/tokens"
)

// receipt is what a call that ends something asked for beside it.
type receipt struct {
	want    *tokens.Want // nil: an empty answer is enough
	timeout time.Duration
}

// receipt reads ?wait=acks&timeout=5s and returns the context under which the
// ending asks for acks. A wish that cannot be read is refused before anything
// is ended: who wants a receipt must not end up without one.
func (a *app) receipt(c *gin.Context) (context.Context, receipt, error) {
	ctx := c.Request.Context()
	timeout, ok, err := waitOf(c.Request)
	if err != nil || !ok {
		return ctx, receipt{}, err
	}
	ctx, want := tokens.WithReceipt(ctx)
	return ctx, receipt{want, timeout}, nil
}

// waitOf is for how long the caller wants to wait, and whether at all.
func waitOf(r *http.Request) (timeout time.Duration, ok bool, err error) {
	if r.URL.RawQuery == "" {
		return 0, false, nil
	}
	q := r.URL.Query()
	wait, given := q["wait"], q["timeout"]
	switch {
	case len(wait) == 0 && len(given) == 0:
		return 0, false, nil
	case len(wait) != 1 || wait[0] != "acks":
		return 0, false, apperr.New(apperr.Malformed, "bad_wait")
	case len(given) == 0:
		return tokens.DefaultWait, true, nil
	case len(given) > 1:
		return 0, false, apperr.New(apperr.Malformed, "bad_timeout")
	}
	timeout, err = time.ParseDuration(strings.TrimSpace(given[0]))
	if err != nil || timeout <= 0 || timeout > tokens.MostWait {
		return 0, false, apperr.New(apperr.Malformed, "bad_timeout")
	}
	return timeout, true, nil
}

// ended answers a call that has ended something: with the receipt if one was
// asked for, and with nothing otherwise.
func (a *app) ended(c *gin.Context, r receipt) error {
	if r.want == nil {
		return noContent(c)
	}
	return ok(c, a.await(c, r.want, r.timeout))
}

// await waits for a receipt, longer than a request may take otherwise: the
// limits of the connection are made for short ones, and the one on reading ends
// the watch for a caller who goes away as well.
func (a *app) await(c *gin.Context, want *tokens.Want, timeout time.Duration) tokens.Receipt {
	control := http.NewResponseController(c.Writer)
	_ = control.SetReadDeadline(time.Time{}) // not every writer has one
	_ = control.SetWriteDeadline(a.Wall().Add(timeout + writeTime))
	return a.Tokens.Feed.Wait(middleware.Patient(c), want, timeout).ForPeople()
}

// endedEverywhere adds to the message of an ending where it is in force: how
// fast it was everywhere, or who is missing and until when at the latest. It
// waits a moment only, because a person looks at a page meanwhile.
func (a *app) endedEverywhere(c *gin.Context, want *tokens.Want, told websession.Flash) websession.Flash {
	r := a.await(c, want, tokens.DefaultWait)
	all := r.Nodes + r.Subscribers
	if r.Revoked == 0 || all == 0 {
		return told
	}
	if told.Params == nil {
		told.Params = map[string]string{}
	}
	maps.Copy(told.Params, map[string]string{
		"Seconds": decimal(a.web.Lang(c), r.Elapsed()), "Receipt": strconv.FormatInt(r.Seq, 10),
		"Servers": strconv.Itoa(r.Nodes), "Services": strconv.Itoa(r.Subscribers),
		"Confirmed": strconv.Itoa(r.Acknowledged), "Fenced": strconv.Itoa(r.Fenced),
	})
	if r.Complete {
		told.Key += "_everywhere"
		return told
	}
	until, known := r.Until()
	if !known {
		return told
	}
	told.Key, told.Kind = told.Key+"_waiting", "warn"
	told.Params["Open"], told.Params["All"] = strconv.Itoa(len(r.Pending)), strconv.Itoa(all)
	told.Params["Until"], told.Params["Names"] = until.UTC().Format("15:04:05"), names(r.Pending)
	return told
}

// mostNames is how many of the missing a message names.
const mostNames = 5

// names are those who are missing, each name once.
func names(missing []tokens.Missing) string {
	var list []string
	for _, m := range missing {
		if name := cmp.Or(m.Name, m.Instance); !slices.Contains(list, name) {
			list = append(list, name)
		}
	}
	if len(list) > mostNames {
		list = append(list[:mostNames], "…")
	}
	return strings.Join(list, ", ")
}

// decimal is a time in seconds with one digit behind the mark, which German
// writes as a comma, and never 0.0: nothing takes no time at all.
func decimal(lang string, d time.Duration) string {
	text := strconv.FormatFloat(max(d.Seconds(), 0.1), 'f', 1, 64)
	if lang == "de" {
		text = strings.Replace(text, ".", ",", 1)
	}
	return text
}
