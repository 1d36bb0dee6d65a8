package audit

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"gorm.io/gorm"

	"gatehouse/internal/database"
	"gatehouse/models"
)

// MostListed is how many events List returns at most.
const MostListed = 200

// Filter chooses events. Its zero value chooses all.
type Filter struct {
	// Since and Until bound when it happened; Until itself is not in.
	Since, Until time.Time
	// About keeps what was done to a person, which is what an index finds, By what
	// somebody did.
	About, By models.ID
	// Action is a word of the list of actions; one that ends in ".*" is all that
	// begin so.
	Action  string
	Outcome Outcome
}

// idMargin is how far the clock that wrote an id may be behind the one that wrote
// the time of the row. Nodes whose clocks differ by more than seconds do not serve.
const idMargin = 24 * time.Hour

func (f Filter) where(tx *gorm.DB) *gorm.DB {
	if !f.Since.IsZero() {
		// Ids are in the order of time (RFC 9562, section 5.7), so the primary key
		// bounds the search, which no index of the times does.
		tx = tx.Where("at >= ? AND id >= ?", models.At(f.Since), models.FirstID(f.Since.Add(-idMargin)).Bytes())
	}
	if !f.Until.IsZero() {
		tx = tx.Where("at < ?", models.At(f.Until))
	}
	if !f.About.IsZero() {
		tx = tx.Where("subject_id = ?", f.About)
	}
	if !f.By.IsZero() {
		tx = tx.Where("actor_id = ?", f.By)
	}
	if begin, all := strings.CutSuffix(f.Action, ".*"); all {
		// A range needs no LIKE, whose wildcards would have to be escaped: "/" comes
		// right after ".".
		tx = tx.Where("action >= ? AND action < ?", begin+".", begin+"/")
	} else if f.Action != "" {
		tx = tx.Where("action = ?", f.Action)
	}
	if f.Outcome != "" {
		tx = tx.Where("outcome = ?", string(f.Outcome))
	}
	return tx
}

// List returns events that f chooses, the newest first: those before the event
// that before names, or the newest of all. more is whether there are others.
func (l *Log) List(ctx context.Context, f Filter, before models.ID, limit int) (list []Record, more bool, err error) {
	limit = min(max(limit, 1), MostListed)
	tx := f.where(l.db.Read(ctx))
	if !before.IsZero() {
		tx = tx.Where("id < ?", before)
	}
	var rows []models.AuditEvent
	if err := tx.Order("id DESC").Limit(limit + 1).Find(&rows).Error; err != nil {
		return nil, false, database.Unavailable(err)
	}
	if more = len(rows) > limit; more {
		rows = rows[:limit]
	}
	list = make([]Record, len(rows))
	for i := range rows {
		list[i] = RecordOf(&rows[i])
	}
	return list, more, nil
}

// Export hands over all events that f chooses, the oldest first and a page at a
// time, so that a long log needs no more memory than a short one.
func (l *Log) Export(ctx context.Context, f Filter, yield func(Record) error) error {
	return database.Each(ctx, l.db, f.where, func(r *models.AuditEvent) models.ID { return r.ID },
		func(r *models.AuditEvent) error { return yield(RecordOf(r)) })
}

// Record is an event as operators and administrators read it. Hashes, salts and
// commitments are not part of it: they would help who guesses what was erased.
type Record struct {
	ID        models.ID         `json:"id"`
	At        time.Time         `json:"at"`
	Action    Action            `json:"action"`
	Outcome   Outcome           `json:"outcome"`
	Reason    string            `json:"reason,omitempty"`
	Actor     models.ID         `json:"actor,omitzero"`
	Subject   models.ID         `json:"subject,omitzero"`
	Session   models.ID         `json:"session,omitzero"`
	ClientID  string            `json:"client_id,omitempty"`
	RequestID string            `json:"request_id,omitempty"`
	Detail    map[string]string `json:"detail,omitempty"`
	// Personal is what erasing a person blanks: ip, user_agent and the like.
	Personal map[string]string `json:"personal,omitempty"`
	Erased   bool              `json:"erased,omitempty"`
	// Batch is the link of the chain that holds it; 0 for not yet.
	Batch int64 `json:"batch,omitempty"`
}

// RecordOf reads a row. What is no JSON object, because somebody wrote into the
// table, is left out: Verify tells of it.
func RecordOf(r *models.AuditEvent) Record {
	rec := Record{
		ID: r.ID, At: r.At.UTC(), Action: Action(r.Action), Outcome: Outcome(r.Outcome), Reason: r.Reason,
		Actor: r.ActorID, Subject: r.SubjectID, Session: r.SessionID, ClientID: r.ClientID, RequestID: r.RequestID,
		Detail: members(r.Detail), Personal: members(r.Personal), Erased: r.Personal == nil && len(r.Salt) == 0,
	}
	if r.Batch != nil {
		rec.Batch = *r.Batch
	}
	return rec
}

func members(object []byte) (m map[string]string) {
	_ = json.Unmarshal(object, &m)
	return m
}

// Words are the members of a map as "name=value", in order.
func Words(m map[string]string) []string {
	var list []string
	for k, v := range m {
		list = append(list, k+"="+v)
	}
	slices.Sort(list)
	return list
}
