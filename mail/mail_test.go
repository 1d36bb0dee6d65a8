package mail

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"gorm.io/gorm"

	"gatehouse/internal/apperr"
	"gatehouse/internal/database"
	"gatehouse/internal/testkit"
)

func TestTheDevelopmentInboxShowsMailsNewestFirst(t *testing.T) {
	testkit.EachDB(t, func(t *testing.T, db *database.DB) {
		f := newFixture(t, db, nil)
		f.enqueue(confirm("first@harbour.example"))
		f.clock.Advance(time.Second)
		f.enqueue(Message{To: "second@harbour.example", Locale: "de", Purpose: AlreadyRegistered})
		list := f.inbox()
		if len(list) != 2 || list[0].To != "second@harbour.example" || list[1].To != "first@harbour.example" {
			t.Fatalf("%+v", list)
		}
		first := list[1]
		if first.Purpose != "verify_email" || first.Code != "418207" || first.Subject != "418 207 is your Gatehouse code" ||
			len(first.Links) != 1 || first.Links[0] != "https://id.harbour.example/verify?token=abc&x=1" {
			t.Errorf("%+v", first)
		}
		if !first.CreatedAt.Equal(testkit.NewClock().Now()) || list[0].Links[0] != "https://id.harbour.example" {
			t.Errorf("%+v", list)
		}
	})
}

func TestTheInboxHasTheFieldsOfTheContract(t *testing.T) {
	f := newFixture(t, testkit.DB(t), nil)
	f.enqueue(confirm("mara@harbour.example"))
	raw, err := json.Marshal(f.inbox()[0])
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(raw, &got); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"to", "subject", "purpose", "text", "html", "code", "links", "created_at"} {
		if got[name] == nil {
			t.Errorf("%s is missing in %s", name, raw)
		}
	}
}

func TestMailsInOneMomentKeepTheirOrder(t *testing.T) {
	f := newFixture(t, testkit.DB(t), nil)
	for i := range 5 {
		f.enqueue(confirm(fmt.Sprintf("m%d@harbour.example", i)))
	}
	for i, m := range f.inbox() {
		if want := fmt.Sprintf("m%d@harbour.example", 4-i); m.To != want {
			t.Errorf("%d: %s, want %s", i, m.To, want)
		}
	}
}

func TestAMailIsGoneWithItsCause(t *testing.T) {
	testkit.EachDB(t, func(t *testing.T, db *database.DB) {
		f, undo := newFixture(t, db, nil), errors.New("the cause failed")
		err := db.Write(t.Context(), func(tx *gorm.DB) error {
			if err := f.Enqueue(tx, confirm("mara@harbour.example")); err != nil {
				return err
			}
			return undo
		})
		if !errors.Is(err, undo) || len(f.inbox()) != 0 {
			t.Errorf("%v, %d mails", err, len(f.inbox()))
		}
	})
}

func TestCodesAndLinksAreNotReadableInTheTable(t *testing.T) {
	f := newFixture(t, testkit.DB(t), nil)
	f.enqueue(confirm("mara@harbour.example"))
	row := f.rows()[0]
	for _, secret := range []string{"418207", "418 207", "token=abc"} {
		if bytes.Contains(row.Body, []byte(secret)) {
			t.Errorf("%s is readable", secret)
		}
	}
	other := row
	other.ID[0] ^= 1
	if _, err := f.open(&other); err == nil {
		t.Error("a body opened in another row")
	}
}

func TestAnotherSecretKeyHidesOldMailsAndBreaksNothing(t *testing.T) {
	db := testkit.DB(t)
	f := newFixture(t, db, nil)
	f.enqueue(confirm("old@harbour.example"))
	if err := db.Write(t.Context(), func(tx *gorm.DB) error {
		return tx.Exec("UPDATE mail_outbox SET body = ?", []byte("\x01 sealed with another key")).Error
	}); err != nil {
		t.Fatal(err)
	}
	f.enqueue(confirm("new@harbour.example"))
	if list := f.inbox(); len(list) != 1 || list[0].To != "new@harbour.example" {
		t.Errorf("%+v", list)
	}
}

func TestWithoutServerAndInboxMailIsRefused(t *testing.T) {
	f := newFixture(t, testkit.DB(t), func(d *Deps) { d.Dev = false })
	err := apperr.From(f.tryEnqueue(confirm("mara@harbour.example")))
	if f.Configured() || err == nil || err.Kind != apperr.Unavailable || err.Reason != "mail_not_configured" {
		t.Errorf("%v", err)
	}
	if _, err := f.Inbox(t.Context()); apperr.Reason(err) != "not_found" {
		t.Errorf("%v", err)
	}
}

func TestThereIsNoInboxBesideAServer(t *testing.T) {
	f := newFixture(t, testkit.DB(t), func(d *Deps) { d.SMTPURL, d.From = "smtp://mail.example", "login@harbour.example" })
	f.enqueue(confirm("mara@harbour.example"))
	if _, err := f.Inbox(t.Context()); apperr.Reason(err) != "not_found" {
		t.Errorf("%v", err)
	}
	if row := f.rows()[0]; row.State != queued {
		t.Error(row.State)
	}
}

func TestBadAddressesAndPurposesAreRefused(t *testing.T) {
	f := newFixture(t, testkit.DB(t), nil)
	m := confirm("mara@harbour.example\r\nBcc: all@harbour.example")
	if err := f.tryEnqueue(m); apperr.Reason(err) != "bad_address" {
		t.Errorf("%v", err)
	}
	for _, m := range []Message{
		{To: "mara@harbour.example", Purpose: "nonsense"},
		{To: "mara@harbour.example", Purpose: VerifyEmail},
	} {
		if err := f.tryEnqueue(m); err == nil {
			t.Errorf("%+v was written", m)
		}
	}
	if len(f.rows()) != 0 {
		t.Error("a refused mail left a row")
	}
}

func TestTheInboxKeepsItsNewestMails(t *testing.T) {
	testkit.EachDB(t, func(t *testing.T, db *database.DB) {
		f := newFixture(t, db, nil)
		for i := range inboxSize + 30 {
			f.enqueue(confirm(fmt.Sprintf("m%03d@harbour.example", i)))
			if i%2 == 0 {
				f.clock.Advance(time.Millisecond)
			}
		}
		if err := f.Trim(t.Context()); err != nil {
			t.Fatal(err)
		}
		rows := f.rows()
		if len(rows) != inboxSize || rows[0].Recipient != "m030@harbour.example" {
			t.Errorf("%d rows, the oldest is %s", len(rows), rows[0].Recipient)
		}
		if n, err := f.Deliver(t.Context()); n != 0 || err != nil {
			t.Errorf("something left: %d, %v", n, err)
		}
	})
}

func TestOldRowsAndTextsAreForgotten(t *testing.T) {
	testkit.EachDB(t, func(t *testing.T, db *database.DB) {
		f := newFixture(t, db, func(d *Deps) { d.SMTPURL, d.From = "smtp://mail.example", "login@harbour.example" })
		for range 3 {
			f.enqueue(confirm("mara@harbour.example"))
		}
		rows := f.rows()
		for i, state := range []string{sent, failed} {
			if _, err := db.Exec(t.Context(), "UPDATE mail_outbox SET state = ? WHERE id = ?", state, rows[i].ID); err != nil {
				t.Fatal(err)
			}
		}
		// The one that waits is tried for longer than any row is kept.
		if _, err := db.Exec(t.Context(), "UPDATE mail_outbox SET give_up_at = give_up_at + ?", (2 * keepFailed).Microseconds()); err != nil {
			t.Fatal(err)
		}
		after := func(d time.Duration, want ...string) {
			t.Helper()
			f.clock.Advance(d)
			err := f.Trim(t.Context())
			got := []string{}
			for _, row := range f.rows() {
				text := " with its text"
				if row.Body == nil {
					text = ""
				}
				got = append(got, row.State+text)
			}
			if slices.Sort(got); err != nil || !slices.Equal(got, want) {
				t.Errorf("%v: %q, want %q", err, got, want)
			}
		}
		after(keepBody, "failed with its text", "queued with its text", "sent with its text")
		after(time.Second, "failed", "queued with its text", "sent with its text")
		after(keepSent-keepBody, "failed", "queued with its text")
		after(keepFailed-keepSent, "queued with its text")
	})
}
