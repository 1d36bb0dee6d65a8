package handlers

import (
	"context"
	"net/url"
	"regexp"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"gatehouse/audit"
	"gatehouse/internal/apperr"
	"gatehouse/middleware"
	"gatehouse/models"
)

// auditPage is how many events a page shows.
const auditPage = 50

// auditAsked is a question to the record, as it was typed.
type auditAsked struct {
	User, By, Action, Outcome, Since, Until string
	Before, Limit                           string
}

func askedOf(q url.Values) auditAsked {
	return auditAsked{
		User: q.Get("user"), By: q.Get("by"), Action: q.Get("action"), Outcome: q.Get("outcome"),
		Since: q.Get("since"), Until: q.Get("until"), Before: q.Get("before"), Limit: q.Get("limit"),
	}
}

// auditRead is the question as the room wants it.
type auditRead struct {
	filter audit.Filter
	before models.ID
	limit  int
}

var actionWord = regexp.MustCompile(`^[a-z_]+(\.[a-z_]+)*(\.\*)?$`)

// readAudit says beside each field what cannot be understood.
func (a *app) readAudit(ctx context.Context, q auditAsked) (r auditRead, err error) {
	wrong := apperr.New(apperr.Invalid, "validation_failed")
	fail := func(field, reason string) { wrong = wrong.WithField(field, apperr.Field{Reason: reason}) }
	if r.filter.About, err = a.person(ctx, q.User, "user", fail); err != nil {
		return r, err
	}
	if r.filter.By, err = a.person(ctx, q.By, "by", fail); err != nil {
		return r, err
	}
	if q.Action != "" && (len(q.Action) > 64 || !actionWord.MatchString(q.Action)) {
		fail("action", "unknown_action")
	}
	r.filter.Action = q.Action
	switch r.filter.Outcome = audit.Outcome(q.Outcome); r.filter.Outcome {
	case "", audit.Success, audit.Failure:
	default:
		fail("outcome", "unknown_outcome")
	}
	r.filter.Since, r.filter.Until = dayOrMoment(q.Since, "since", fail), dayOrMoment(q.Until, "until", fail)
	if q.Before != "" {
		if r.before, err = models.ParseID(q.Before); err != nil {
			fail("before", "unknown_event")
		}
	}
	r.limit = auditPage
	if q.Limit != "" {
		if r.limit, err = strconv.Atoi(q.Limit); err != nil || r.limit < 1 || r.limit > audit.MostListed {
			fail("limit", "not_a_limit")
		}
	}
	if len(wrong.Fields) > 0 {
		return r, wrong
	}
	return r, nil
}

// person is the account of an id, a username or an address. An id need not be one
// of somebody who is still there.
func (a *app) person(ctx context.Context, typed, field string, fail func(field, reason string)) (models.ID, error) {
	if typed == "" {
		return models.ID{}, nil
	}
	if id, err := models.ParseID(typed); err == nil {
		return id, nil
	}
	u, err := a.Accounts.ByLogin(ctx, typed)
	if err != nil {
		return models.ID{}, err
	}
	if u == nil {
		fail(field, "nobody")
		return models.ID{}, nil
	}
	return u.ID, nil
}

// dayOrMoment reads 2026-12-24, which begins at midnight UTC, or a moment.
func dayOrMoment(typed, field string, fail func(field, reason string)) time.Time {
	if typed == "" {
		return time.Time{}
	}
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if at, err := time.Parse(layout, typed); err == nil && at.Year() >= 1970 {
			return at
		}
	}
	fail(field, "not_a_date")
	return time.Time{}
}

// audit answers GET /admin/audit.
func (a *app) audit(c *gin.Context) error {
	q := askedOf(c.Request.URL.Query())
	r, err := a.readAudit(c.Request.Context(), q)
	if err != nil {
		return a.mistake(c, err, func(status int, p middleware.Problem) error { return a.drawAudit(c, status, q, nil, p) })
	}
	list, more, err := a.Audit.List(c.Request.Context(), r.filter, r.before, auditPage)
	if err != nil {
		return err
	}
	return a.drawAudit(c, ok200, q, &auditShown{list, more}, none)
}

// auditShown is a page of events.
type auditShown struct {
	list []audit.Record
	more bool
}
