package audit

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"gorm.io/gorm"

	"gatehouse/internal/database"
	"gatehouse/internal/secrets"
	"gatehouse/models"
)

// Event is one line of the record. Nothing in it may be a secret.
type Event struct {
	Action  Action
	Outcome Outcome
	// Reason is the stable word of a refusal, as in apperr.
	Reason string
	// Actor did it, Subject is the person it was done to; often the same.
	Actor, Subject, Session models.ID
	ClientID                string
	RequestID               string
	// Detail must hold nothing about a person that Erase would have to blank.
	Detail map[string]string
	// IP, UserAgent and Personal are blanked by Erase.
	IP, UserAgent string
	Personal      map[string]string
}

// Log writes and checks the record.
type Log struct {
	db    *database.DB
	clock func() time.Time
}

// New makes a Log.
func New(db *database.DB, clock func() time.Time) *Log { return &Log{db: db, clock: clock} }

// Append writes e in the transaction of its cause, with one INSERT.
func (l *Log) Append(tx *gorm.DB, e Event) error {
	line, err := l.Prepare(e)
	if err != nil {
		return err
	}
	return line.Append(tx)
}

// Line is an event that is ready to be written.
type Line struct{ row models.AuditEvent }

// Prepare does the work of Append that needs no transaction, for a caller whose
// transaction holds up others.
func (l *Log) Prepare(e Event) (Line, error) {
	row, err := l.row(e)
	return Line{row}, err
}

// The batch is missing: a row is written unlinked.
const (
	appendSQL = `INSERT INTO audit_events (id, at, action, outcome, reason, actor_id, subject_id, session_id,
 client_id, request_id, detail, personal, salt, commitment) VALUES `
	appendRow = "( ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
	append1   = appendSQL + appendRow
)

// Append is Log.Append. The columns are named, because nearly every write of
// the product has such a row and GORM's reflection would cost as much again.
func (l Line) Append(tx *gorm.DB) error {
	_, err := database.Exec(tx, append1, l.values(nil)...)
	return err
}

// AppendAll is Append for the lines of one transaction with many causes, with
// one INSERT.
func AppendAll(tx *gorm.DB, lines []Line) error {
	if len(lines) == 0 {
		return nil
	}
	var values []any
	for _, l := range lines {
		values = l.values(values)
	}
	_, err := database.Exec(tx, append1+strings.Repeat(", "+appendRow, len(lines)-1), values...)
	return err
}

func (l *Line) values(to []any) []any {
	r := &l.row
	return append(to, r.ID, r.At, r.Action, r.Outcome, r.Reason, r.ActorID, r.SubjectID, r.SessionID,
		r.ClientID, r.RequestID, r.Detail, r.Personal, r.Salt, r.Commitment)
}

// Record writes e in a transaction of its own, for what changed nothing else.
func (l *Log) Record(ctx context.Context, e Event) error {
	return l.db.Write(ctx, func(tx *gorm.DB) error { return l.Append(tx, e) })
}

// saltLen bytes make the commitment hide an address, of which there are few
// enough to try them all.
const saltLen = 16

func (l *Log) row(e Event) (models.AuditEvent, error) {
	detail, err := object(e.Detail)
	if err != nil {
		return models.AuditEvent{}, err
	}
	personal, err := object(e.personal())
	if err != nil {
		return models.AuditEvent{}, err
	}
	salt := secrets.Random(saltLen)
	return models.AuditEvent{
		ID:         models.NewID(),
		At:         models.At(l.clock()),
		Action:     string(e.Action),
		Outcome:    string(e.Outcome),
		Reason:     clip(e.Reason, maxWord),
		ActorID:    e.Actor,
		SubjectID:  e.Subject,
		SessionID:  e.Session,
		ClientID:   clip(e.ClientID, maxWord),
		RequestID:  clip(e.RequestID, maxWord),
		Detail:     detail,
		Personal:   personal,
		Salt:       salt,
		Commitment: commitment(salt, personal),
	}, nil
}

// The columns' sizes, and how much of one value a stranger may write into the
// record. A value is cut rather than refused: the deed has happened.
const (
	maxWord  = 64
	maxValue = 512
)

func (e Event) personal() map[string]string {
	all := make(map[string]string, len(e.Personal)+2)
	maps.Copy(all, e.Personal)
	if e.IP != "" {
		all["ip"] = e.IP
	}
	if e.UserAgent != "" {
		all["user_agent"] = e.UserAgent
	}
	return all
}

// object writes a JSON object; its keys come out sorted, so that equal maps
// are equal bytes. There are two in every row, and encoding/json would take twice
// as long for a map.
func object(m map[string]string) ([]byte, error) {
	names := slices.AppendSeq(make([]string, 0, len(m)), maps.Keys(m))
	slices.Sort(names)
	to, err := append(make([]byte, 0, 128), '{'), error(nil)
	for i, name := range names {
		if i > 0 {
			to = append(to, ',')
		}
		if to, err = appendText(to, name); err != nil {
			return nil, err
		}
		if to, err = appendText(append(to, ':'), clip(m[name], maxValue)); err != nil {
			return nil, err
		}
	}
	return append(to, '}'), nil
}

// appendText writes a JSON string. What is plain ASCII needs no escape; anything
// else is left to encoding/json.
func appendText(to []byte, s string) ([]byte, error) {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			escaped, err := json.Marshal(s)
			return append(to, escaped...), err
		}
	}
	to = append(append(to, '"'), s...)
	return append(to, '"'), nil
}

// clip shortens s to at most n bytes without cutting a character in two.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
