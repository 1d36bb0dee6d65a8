package accounts

import (
	"testing"
	"time"

	"gatehouse/audit"
	"gatehouse/mail"
	"gatehouse/tokens"
)

func TestACodeIsAskedForAlikeWhoeverThatIs(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		u := h.person("ada@example.com", "ada")
		unproved, err := h.CreateUser(h.ctx(), NewUser{Email: "bob@example.com", Password: goodPassword}, visitor)
		if err != nil {
			t.Fatal(err)
		}
		off := h.person("off@example.com", "off")
		if err := h.SetDisabled(h.ctx(), off.ID, true, visitor); err != nil {
			t.Fatal(err)
		}
		var rows [4]int64
		for i, login := range []string{"ada", "nobody", unproved.Email, "off@example.com", "stranger@example.com"} {
			h.clock.Advance(time.Second)
			before := h.footprint()
			attempt, err := h.SendCode(h.ctx(), login, visitor)
			if err != nil || attempt.IsZero() {
				t.Fatal(login, err)
			}
			after := h.footprint()
			for j := range after {
				after[j] -= before[j]
			}
			if i > 0 && after != rows {
				t.Errorf("%s: rows written %v, want %v", login, after, rows)
			}
			rows = after
		}
		if m := h.lastMail("ada@example.com"); m.Purpose != mail.EmailCode || len(m.Code) != 6 || len(m.Links) != 0 {
			t.Errorf("mail %+v", m)
		}
		for _, other := range []string{"bob@example.com", "stranger@example.com"} {
			if len(h.mailsTo(other)) != 0 {
				t.Errorf("%s got a mail", other)
			}
		}
		if h.recorded(audit.CodeRequested) != 5 || u.ID.IsZero() {
			t.Error("the record misses a step")
		}
	})
}

func TestMailedCodesShareTheCapsOfAllOthers(t *testing.T) {
	h := newHouse(t, sqlite(t))
	h.person("ada@example.com", "ada")
	h.clock.Advance(25 * time.Hour)
	withCode := 0
	for range 24 {
		for range 6 {
			h.clock.Advance(time.Second)
			attempt, err := h.SendCode(h.ctx(), "ada", visitor)
			if err != nil {
				t.Fatal(err)
			}
			if m := h.lastMail("ada@example.com"); m.CreatedAt.Equal(h.clock.Now()) {
				withCode++
				if _, err := h.Tokens.Links.CheckCode(h.ctx(), tokens.EmailCode, attempt.Reveal(), m.Code); err != nil {
					t.Error(err)
				}
				continue
			}
			// At a cap there is no code to be guessed.
			_, err = h.Tokens.Links.CheckCode(h.ctx(), tokens.EmailCode, attempt.Reveal(), "123456")
			wantReason(t, err, "link_ended")
		}
		h.clock.Advance(59 * time.Minute)
	}
	if withCode != codesADay {
		t.Errorf("%d codes in a day, want %d", withCode, codesADay)
	}
}
