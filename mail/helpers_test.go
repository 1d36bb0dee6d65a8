package mail

import (
	"testing"

	"gorm.io/gorm"

	"gatehouse/internal/database"
	"gatehouse/internal/testkit"
	"gatehouse/models"
)

// fixture is a mailer with a clock that tests move.
type fixture struct {
	*Mailer
	clock *testkit.Clock
	t     *testing.T
}

func newFixture(t *testing.T, db *database.DB, change func(*Deps)) fixture {
	t.Helper()
	clock := testkit.NewClock()
	d := Deps{
		DB: db, Box: testkit.Box(t), Clock: clock.Now, Log: testkit.Log(t),
		Dev: true, AppName: "Gatehouse", BaseURL: "https://id.harbour.example",
	}
	if change != nil {
		change(&d)
	}
	m, err := New(d)
	if err != nil {
		t.Fatal(err)
	}
	return fixture{m, clock, t}
}

func (f fixture) enqueue(m Message) {
	f.t.Helper()
	if err := f.tryEnqueue(m); err != nil {
		f.t.Fatal(err)
	}
}

func (f fixture) tryEnqueue(m Message) error {
	return f.DB.Write(f.t.Context(), func(tx *gorm.DB) error { return f.Enqueue(tx, m) })
}

func (f fixture) inbox() []InboxMessage {
	f.t.Helper()
	list, err := f.Inbox(f.t.Context())
	if err != nil {
		f.t.Fatal(err)
	}
	return list
}

// rows are all rows of the outbox, oldest first.
func (f fixture) rows() []models.OutboxMail {
	f.t.Helper()
	var rows []models.OutboxMail
	if err := f.DB.Read(f.t.Context()).Order("created_at, id").Find(&rows).Error; err != nil {
		f.t.Fatal(err)
	}
	return rows
}

// confirm is the mail that a sign-up causes.
func confirm(to string) Message {
	return Message{
		To: to, Locale: "en", Purpose: VerifyEmail, Code: "418207",
		Link: "https://id.harbour.example/verify?token=abc&x=1",
		Data: map[string]string{"code_ttl": "10m0s", "link_ttl": "24h0m0s"},
	}
}
