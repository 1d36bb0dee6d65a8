package mail

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"gatehouse/internal/apperr"
	"gatehouse/internal/database"
	"gatehouse/internal/testkit"
	"gatehouse/models"
)

func TestTheOperatorSeesWhatBecameOfAMailAndNeverItsText(t *testing.T) {
	testkit.EachDB(t, func(t *testing.T, db *database.DB) {
		p := openPostOffice(t, "starttls")
		f := sender(t, db, p, "smtp", "")
		p.refuse = func(to string) error {
			if strings.HasPrefix(to, "gone") {
				return &smtp.SMTPError{Code: 550, Message: "no such person"}
			}
			if strings.HasPrefix(to, "later") {
				return &smtp.SMTPError{Code: 451, Message: "not now"}
			}
			return nil
		}
		for _, to := range []string{"gone@harbour.example", "later@harbour.example", "mara@harbour.example"} {
			f.enqueue(confirm(to))
			f.clock.Advance(time.Millisecond)
		}
		deliver(t, f)
		for state, want := range map[string]string{sent: "mara@harbour.example", queued: "later@harbour.example", failed: "gone@harbour.example"} {
			list, err := f.List(t.Context(), state, 10)
			if err != nil || len(list) != 1 || list[0].To != want || list[0].Answer == "" {
				t.Fatalf("%s: %v, %+v", state, err, list)
			}
			one, err := f.Show(t.Context(), mustID(t, list[0].ID))
			if err != nil || one.To != want || (one.SentAt != nil) != (state == sent) || (one.NextAt != nil) != (state == queued) || one.CanRetry != (state == failed) {
				t.Errorf("%v, %+v", err, one)
			}
			raw, _ := json.Marshal(one)
			if strings.Contains(string(raw), "418") || strings.Contains(string(raw), "token") {
				t.Errorf("the text shows in %s", raw)
			}
		}
		if list, err := f.List(t.Context(), "", 2); err != nil || len(list) != 2 || list[0].To != "mara@harbour.example" {
			t.Errorf("%v, %+v", err, list)
		}
		if _, err := f.Show(t.Context(), models.NewID()); apperr.Reason(err) != "not_found" {
			t.Error(err)
		}
	})
}

func mustID(t *testing.T, s string) models.ID {
	t.Helper()
	id, err := models.ParseID(s)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestAFailedMailCanBeSentAfterAllAndIsTriedForTwoDaysAgain(t *testing.T) {
	testkit.EachDB(t, func(t *testing.T, db *database.DB) {
		p := openPostOffice(t, "starttls")
		f := sender(t, db, p, "smtp", "")
		p.refuse = func(string) error { return &smtp.SMTPError{Code: 550, Message: "your network is blocked"} }
		f.enqueue(confirm("mara@harbour.example"))
		f.enqueue(confirm("jonas@harbour.example"))
		deliver(t, f)
		f.clock.Advance(giveUpAfter + time.Hour)
		row := f.rows()[0]
		if done, err := f.Retry(t.Context(), row.ID); !done || err != nil {
			t.Fatal(done, err)
		}
		if done, err := f.Retry(t.Context(), row.ID); done || err != nil {
			t.Error("a mail that waits was queued again:", err)
		}
		p.refuse = func(string) error { return &smtp.SMTPError{Code: 451, Message: "greylisted"} }
		deliver(t, f)
		if state := f.rows()[0].State; state != queued {
			t.Fatalf("after the first try it is %s", state)
		}
		p.refuse = nil
		f.clock.Advance(longestWait)
		if n, err := f.RetryFailed(t.Context()); n != 1 || err != nil {
			t.Errorf("%d queued again, %v", n, err)
		}
		deliver(t, f)
		for _, row := range f.rows() {
			if row.State != sent || row.Body != nil {
				t.Errorf("%s: %s", row.State, row.LastError)
			}
		}
		if done, err := f.Retry(t.Context(), row.ID); done || err != nil || len(p.got()) != 2 {
			t.Errorf("a sent mail was sent again: %v, %v, %d", done, err, len(p.got()))
		}
	})
}

func TestWithoutAServerNothingIsQueuedAgain(t *testing.T) {
	f := newFixture(t, testkit.DB(t), nil)
	if _, err := f.Retry(t.Context(), models.NewID()); !errors.Is(err, errNotConfigured) {
		t.Error(err)
	}
}

func TestTheQueueIsMeasured(t *testing.T) {
	testkit.EachDB(t, func(t *testing.T, db *database.DB) {
		f := newFixture(t, db, func(d *Deps) { d.SMTPURL, d.From = "smtp://mail.example", "login@harbour.example" })
		if n, age, err := f.Queue(t.Context()); n != 0 || age != 0 || err != nil {
			t.Error(n, age, err)
		}
		f.enqueue(confirm("mara@harbour.example"))
		f.clock.Advance(time.Minute)
		f.enqueue(confirm("jonas@harbour.example"))
		if n, age, err := f.Queue(t.Context()); n != 2 || age != time.Minute || err != nil {
			t.Error(n, age, err)
		}
	})
}
