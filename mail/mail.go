package mail

import (
	"context"
	"encoding/json"
	"log/slog"
	"time"

	"gorm.io/gorm"

	"gatehouse/internal/apperr"
	"gatehouse/internal/database"
	"gatehouse/internal/metrics"
	"gatehouse/internal/secrets"
	"gatehouse/models"
)

// Deps is what a Mailer needs.
type Deps struct {
	DB    *database.DB
	Box   *secrets.Box
	Clock func() time.Time
	Log   *slog.Logger
	// From is MAIL_FROM, SMTPURL is SMTP_URL. Dev permits the development
	// inbox; it is only used when there is no SMTP_URL.
	From, SMTPURL string
	Dev           bool
	AppName       string
	BaseURL       string
	// DKIMKey is a private key in PEM, DKIMSelector where its public half is.
	DKIMKey, DKIMSelector string
	Metrics               *metrics.Metrics
	// Mine asks whether this process is the one of the cluster that sends; nil
	// is always. NotMine lets another one take over at once.
	Mine    func(context.Context) (bool, error)
	NotMine func(context.Context)
}

// Mailer writes mails into the outbox and sends them from there.
type Mailer struct {
	Deps
	renderer  *renderer
	transport *transport // nil without SMTP_URL
}

// New makes a Mailer. It connects to nothing.
func New(d Deps) (*Mailer, error) {
	r, err := newRenderer(d.AppName, d.BaseURL)
	if err != nil {
		return nil, err
	}
	m := &Mailer{Deps: d, renderer: r}
	if m.Log == nil {
		m.Log = slog.New(slog.DiscardHandler)
	}
	if d.SMTPURL == "" {
		return m, nil
	}
	if m.transport, err = newTransport(d.SMTPURL, d.From); err != nil {
		return nil, err
	}
	if d.DKIMKey != "" {
		m.transport.sign, err = newSigner(m.transport.domain(), d.DKIMSelector, d.DKIMKey)
	}
	return m, err
}

// Configured reports whether a mail can reach anybody: an SMTP server, or the
// development inbox.
func (m *Mailer) Configured() bool { return m.transport != nil || m.Dev }

// dev reports whether mails land in the development inbox.
func (m *Mailer) dev() bool { return m.transport == nil && m.Dev }

// errNotConfigured is the answer of the contract when mails can't leave.
var errNotConfigured = apperr.New(apperr.Unavailable, "mail_not_configured")

// Enqueue writes a mail into the outbox, in the transaction of its cause and
// with one INSERT. Nothing is sent here.
func (m *Mailer) Enqueue(tx *gorm.DB, msg Message) error {
	if !m.Configured() {
		return errNotConfigured
	}
	row, err := m.row(msg)
	if err != nil {
		return err
	}
	return insert(tx, &row, msg.Allowance)
}

func (m *Mailer) row(msg Message) (models.OutboxMail, error) {
	if _, err := envelope(msg.To); err != nil {
		return models.OutboxMail{}, apperr.Wrap(apperr.Invalid, "bad_address", err)
	}
	now := m.Clock()
	c, err := m.renderer.render(msg, now)
	if err != nil {
		return models.OutboxMail{}, err
	}
	id := models.NewID()
	sealed, err := m.seal(id, c)
	if err != nil {
		return models.OutboxMail{}, err
	}
	row := models.OutboxMail{
		ID:           id,
		Purpose:      msg.Purpose,
		Recipient:    msg.To,
		RecipientKey: m.recipientKey(msg.To),
		Locale:       m.renderer.language(msg.Locale),
		Body:         sealed,
		State:        queued,
		NextAt:       models.At(now),
		CreatedAt:    models.At(now),
		GiveUpAt:     models.At(now.Add(giveUpAfter)),
	}
	if msg.ByOwner {
		row.ByOwner = 1
	}
	if m.dev() {
		row.State = inbox
	}
	return row, nil
}

func (m *Mailer) seal(id models.ID, c content) ([]byte, error) {
	plain, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	return m.Box.Seal(table, column, id.Bytes(), plain), nil
}

func (m *Mailer) open(row *models.OutboxMail) (content, error) {
	var c content
	plain, err := m.Box.Open(table, column, row.ID.Bytes(), row.Body)
	if err != nil {
		return c, err
	}
	return c, json.Unmarshal(plain, &c)
}

// inboxSize is how many mails the development inbox keeps.
const inboxSize = 200

// Inbox lists the development inbox, newest first. It reads causally, so that a
// mail is there as soon as the request that caused it was answered, whichever
// node answered. Outside development there is no inbox.
func (m *Mailer) Inbox(ctx context.Context) ([]InboxMessage, error) {
	if !m.dev() {
		return nil, apperr.New(apperr.NotFound, "not_found")
	}
	var rows []models.OutboxMail
	err := m.DB.CausalRead(ctx, func(tx *gorm.DB) error {
		return tx.Where("state = ?", inbox).Order("next_at DESC, id DESC").Limit(inboxSize).Find(&rows).Error
	})
	if err != nil {
		return nil, database.Unavailable(err)
	}
	out := make([]InboxMessage, 0, len(rows))
	for i := range rows {
		c, err := m.open(&rows[i])
		if err != nil {
			continue // sealed with a SECRET_KEY of before: it can't be read any more
		}
		out = append(out, inboxMessage(&rows[i], c))
	}
	return out, nil
}
