package accounts

import (
	"testing"
	"time"

	"gorm.io/gorm"

	"gatehouse/internal/secrets"
	"gatehouse/mail"
	"gatehouse/tokens"
)

// siegeOfMails asks for every mail that strangers may have sent to an address
// within an hour, and then some.
func (h *house) siegeOfMails(email string) {
	h.t.Helper()
	for range 12 {
		h.forgot(email)
		h.signUp(email, "")
		if _, err := h.SendCode(h.ctx(), email, visitor); err != nil {
			h.t.Fatal(err)
		}
	}
}

// fromHome asks in a browser that is known for the account.
func (h *house) fromHome(ask func(tokens.Client) (secrets.Raw, error), home string) (attempt string) {
	h.t.Helper()
	by := visitor
	by.Browser = secrets.NewRaw([]byte(home))
	out, err := ask(by)
	if err != nil {
		h.t.Fatal(err)
	}
	return out.Reveal()
}

func TestWhoSpendsAllMailsOfAnAddressKeepsItsOwnerFromNone(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		home := NewDevice().Reveal()
		h.person("ada@example.com", "ada")
		h.signIn("ada", home, visitor)
		h.siegeOfMails("ada@example.com")
		spent := len(h.mailsTo("ada@example.com"))
		forgot := func(by tokens.Client) (secrets.Raw, error) { return h.Forgot(h.ctx(), "ada", by) }
		attempt := h.fromHome(forgot, home)
		m := h.lastMail("ada@example.com")
		if len(h.mailsTo("ada@example.com")) != spent+1 || m.Purpose != mail.ResetPassword {
			t.Fatal("the owner got no mail in a browser that is known")
		}
		if err := h.byCode(attempt, m.Code, newPassphrase); err != nil {
			t.Error("the code of that mail:", err)
		}
		// Strangers, and a cookie that is known to nobody, get no more by it.
		h.forgot("ada")
		h.fromHome(forgot, NewDevice().Reveal())
		if n := len(h.mailsTo("ada@example.com")); n > spent+2 { // and the notice of the reset
			t.Errorf("%d mails after %d", n, spent)
		}
	})
}

// The other way into an account by mail: a stranger who has all codes of a day
// sent leaves the owner those of known browsers, and gets no guesses at them.
func TestWhoSpendsAllCodesOfADayKeepsItsOwnerFromNone(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		home := NewDevice().Reveal()
		h.person("ada@example.com", "ada")
		h.signIn("ada", home, visitor)
		strangers := h.codes()
		for range 10 {
			h.siegeOfMails("ada@example.com")
			h.clock.Advance(time.Hour)
		}
		if n := h.codes() - strangers; n > codesADay {
			t.Errorf("%d codes of strangers, want %d at most", n, codesADay)
		}
		h.fromHome(func(by tokens.Client) (secrets.Raw, error) { return h.SendCode(h.ctx(), "ada", by) }, home)
		if m := h.lastMail("ada@example.com"); m.Purpose != mail.EmailCode || m.Code == "" {
			t.Errorf("the owner got a mail %q with the code %q", m.Purpose, m.Code)
		}
	})
}

func TestMailsThatKnownBrowsersAskForHaveACapToo(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		home := NewDevice().Reveal()
		h.person("ada@example.com", "ada")
		h.clock.Advance(25 * time.Hour)
		h.signIn("ada", home, visitor)
		h.siegeOfMails("ada@example.com")
		spent, codes := len(h.mailsTo("ada@example.com")), h.codes()
		by := visitor
		by.Browser = secrets.NewRaw([]byte(home))
		race(func(i int) error {
			_, err := h.Forgot(h.ctx(), "ada", by)
			return err
		})
		if n := len(h.mailsTo("ada@example.com")) - spent; n != 5 {
			t.Errorf("%d mails more, want 5", n)
		}
		if n := h.codes() - codes; n != 5 {
			t.Errorf("%d codes more, want 5", n)
		}
		// A whole day of it has as many codes as strangers have.
		for range 10 {
			for range 6 {
				h.fromHome(func(by tokens.Client) (secrets.Raw, error) { return h.Forgot(h.ctx(), "ada", by) }, home)
			}
			h.clock.Advance(time.Hour)
		}
		if n := h.codes() - codes; n != codesADay {
			t.Errorf("%d codes of a known browser in a day, want %d", n, codesADay)
		}
	})
}

// Whoever showed the password of an account whose address is not proved gets the
// mail, though strangers signed up with the address all the while.
func TestTheMailAfterTheRightPasswordIsTheOwners(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		u, err := h.CreateUser(h.ctx(), NewUser{Email: "bob@example.com", Password: goodPassword}, visitor)
		if err != nil {
			t.Fatal(err)
		}
		h.siegeOfMails("bob@example.com")
		if _, err := h.SendVerification(h.ctx(), u, visitor); err != nil {
			t.Fatal(err)
		}
		if m := h.lastMail("bob@example.com"); m.Purpose != mail.VerifyEmail || m.Code == "" {
			t.Errorf("the newest mail is %q", m.Purpose)
		}
		for range 12 {
			if _, err := h.SendVerification(h.ctx(), u, visitor); err != nil {
				t.Fatal(err)
			}
		}
		var owners int64
		err = h.db.Write(h.ctx(), func(tx *gorm.DB) error {
			return tx.Raw(`SELECT COUNT(*) FROM mail_outbox WHERE by_owner = 1`).Scan(&owners).Error
		})
		if err != nil || owners != 5 {
			t.Errorf("%d mails after the password, want 5 (%v)", owners, err)
		}
	})
}
