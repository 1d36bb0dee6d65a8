package accounts

import (
	"strings"
	"testing"
	"time"

	"gorm.io/gorm"

	"gatehouse/internal/secrets"
	"gatehouse/mail"
	"gatehouse/models"
	"gatehouse/tokens"
)

// signIn notes the device of a sign-in, as signin does, and answers how many
// notices the owner has by then.
func (h *house) signIn(login, device string, by tokens.Client) (notices int) {
	h.t.Helper()
	u, err := h.ByLogin(h.ctx(), login)
	if err != nil || u == nil {
		h.t.Fatal(u, err)
	}
	err = h.db.Write(h.ctx(), func(tx *gorm.DB) error {
		if ok, err := h.RecordSignIn(tx, u, h.clock.Now(), false); err != nil || !ok {
			h.t.Error(ok, err)
		}
		if device != "" {
			by.Browser = secrets.NewRaw([]byte(device))
		}
		return h.NoteDevice(tx, u, ShownPassword, by)
	})
	if err != nil {
		h.t.Fatal(err)
	}
	for _, m := range h.mailsTo(u.Email) {
		if m.Purpose == mail.NewDevice {
			notices++
		}
	}
	return notices
}

func TestASignInFromADeviceThatWasNotSeenIsToldToItsOwner(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		h.person("ada@example.com", "ada")
		h.person("bob@example.com", "bob")
		laptop, phone := NewDevice().Reveal(), NewDevice().Reveal()
		curl := tokens.Client{IP: "192.0.2.7", UserAgent: "curl/8.5.0", Device: "A program (curl)"}
		firefox := tokens.Client{IP: "198.51.100.24", UserAgent: "Mozilla/5.0 x", Device: "Firefox on Linux"}
		steps := []struct {
			what, login, device string
			by                  tokens.Client
			want                int
		}{
			{"the first sign-in", "ada", laptop, firefox, 0},
			{"the same browser", "ada@example.com", laptop, curl, 0},
			{"another browser", "ada", phone, firefox, 1},
			{"both again", "ada", laptop, firefox, 1},
			{"a program", "ada", "", curl, 2},
			{"the same program after an update", "ada", "", tokens.Client{IP: "192.0.2.7", UserAgent: "curl/9.0.0"}, 2},
			{"the same program from another network", "ada", "", tokens.Client{IP: "203.0.113.9", UserAgent: "curl/9.0.0"}, 3},
			{"somebody else's first", "bob", laptop, firefox, 0},
		}
		for _, s := range steps {
			if got := h.signIn(s.login, s.device, s.by); got != s.want {
				t.Errorf("%s: %d notices, want %d", s.what, got, s.want)
			}
			h.clock.Advance(25 * time.Hour)
		}
		h.clock.Advance(time.Hour)
		h.signIn("ada", NewDevice().Reveal(), firefox)
		m := h.lastMail("ada@example.com")
		if !strings.Contains(m.Text, "Firefox on Linux") || !strings.Contains(m.Text, "198.51.100.24") {
			t.Errorf("the notice reads %q", m.Text)
		}
	})
}

func TestNoMailIsTheReasonThatASignInFails(t *testing.T) {
	h := newHouse(t, sqlite(t))
	h.person("ada@example.com", "ada")
	for range 8 { // beyond the cap of mails
		h.signIn("ada", NewDevice().Reveal(), visitor)
	}
	if got := h.signIn("ada", NewDevice().Reveal(), visitor); got != 5 {
		t.Errorf("%d notices within an hour", got)
	}
	if err := h.db.Write(h.ctx(), func(tx *gorm.DB) error {
		return tx.Exec(`UPDATE users SET email = 'not an address', email_key = ?`, []byte("not an address")).Error
	}); err != nil {
		t.Fatal(err)
	}
	h.clock.Advance(2 * time.Hour)
	h.signIn("ada", NewDevice().Reveal(), visitor)
}

func TestMarksOfDevicesAreBoundedAndOfOnePersonAlone(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	ada, bob, here := models.NewID(), models.NewID(), tokens.Client{Browser: NewDevice()}
	if string(deviceMark(ada, here)) == string(deviceMark(bob, here)) {
		t.Error("two people at one browser have the same mark")
	}
	var marks []byte
	first := deviceMark(ada, here)
	marks, known, changed := withDevice(marks, first, now)
	if known || !changed || len(marks) != entrySize {
		t.Error(known, changed, len(marks))
	}
	if _, known, changed := withDevice(marks, first, now.Add(time.Hour)); !known || changed {
		t.Error("a device of today is written again")
	}
	if _, known, changed := withDevice(marks, first, now.Add(24*time.Hour)); !known || !changed {
		t.Error("the day it was seen is not renewed")
	}
	for range mostDevices {
		marks, _, _ = withDevice(marks, deviceMark(ada, tokens.Client{Browser: NewDevice()}), now)
	}
	if _, known, _ := withDevice(marks, first, now); known || len(marks) != mostDevices*entrySize {
		t.Error("the list grows without end:", len(marks))
	}
}

func TestEndingAllSessionsLeavesNone(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		u := h.person("ada@example.com", "ada")
		one, two := h.session(u), h.session(u)
		if err := h.EndAllSessions(h.ctx(), u.ID, visitor); err != nil {
			t.Fatal(err)
		}
		if h.alive(one) || h.alive(two) {
			t.Error("somebody is still signed in")
		}
		got, _ := h.Get(h.ctx(), u.ID)
		if got.TokenEpoch != u.TokenEpoch+1 || got.SessionEpoch != u.SessionEpoch+1 {
			t.Error("the epochs stay")
		}
		h.session(u)
		wantReason(t, h.EndAllSessions(h.ctx(), models.NewID(), visitor), "not_found")
	})
}
