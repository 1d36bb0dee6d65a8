package accounts

import (
	"errors"
	"testing"
	"time"

	"gorm.io/gorm"

	"gatehouse/internal/database"
	"gatehouse/internal/testkit"
	"gatehouse/mail"
	"gatehouse/tokens"
)

// guesses is how many wrong codes for an address are compared when a stranger
// opens an attempt and types into it until it is closed.
func (h *house) guesses(email string) (n int) {
	h.t.Helper()
	attempt, _ := h.signUp(email, "")
	for {
		_, err := h.Verify(h.ctx(), VerifyInput{Attempt: attempt, Code: "000000", Client: visitor})
		if err == nil {
			h.t.Skip("the code happens to be 000000")
		}
		if errors.Is(err, tokens.ErrLink) {
			return n
		}
		if n++; n > 100 {
			h.t.Fatal("one attempt takes any number of guesses")
		}
	}
}

func TestTheCapOfMailsHoldsOnAllNodesTogetherAndAfterARestart(t *testing.T) {
	testkit.EachDB(t, func(t *testing.T, db *database.DB) {
		for range 4 { // each node has its own memory and the same database
			h := newHouse(t, db)
			for range 3 {
				h.signUp("ada@example.com", "")
			}
			if n := len(h.mailsTo("ada@example.com")); n > 5 {
				t.Fatalf("%d mails left, the cap is 5", n)
			}
		}
	})
}

// Four nodes at the very same moment, on MariaDB with a pool of connections
// each: the cap is one of the database and not of a process.
func TestTheCapOfMailsHoldsOnAllNodesAtTheSameMoment(t *testing.T) {
	testkit.EachURL(t, func(t *testing.T, url string) {
		first := newHouse(t, testkit.Open(t, url, testkit.NewClock().Now))
		nodes := []*house{first}
		for range 3 {
			db := first.db
			if db.Dialect() == database.MySQL { // SQLite has one server for each file
				db = testkit.Open(t, url, testkit.NewClock().Now)
			}
			nodes = append(nodes, newHouse(t, db))
		}
		race(func(i int) error {
			h := nodes[i%len(nodes)]
			_, err := h.Register(h.ctx(), Register{Email: "ada@example.com", Password: goodPassword, Client: visitor})
			return err
		})
		if n := len(first.mailsTo("ada@example.com")); n != 5 {
			t.Errorf("%d mails left, the cap is 5", n)
		}
	})
}

func TestTheCapOfAllMailsTogetherHoldsForRequestsAtOnce(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		for range 18 {
			if err := h.db.Write(h.ctx(), func(tx *gorm.DB) error {
				return h.Mail.Enqueue(tx, mail.Message{To: "ada@example.com", Purpose: mail.Notice})
			}); err != nil {
				t.Fatal(err)
			}
		}
		race(func(int) error {
			_, err := h.Register(h.ctx(), Register{Email: "ada@example.com", Password: goodPassword, Client: visitor})
			return err
		})
		if n := len(h.mailsTo("ada@example.com")); n != 20 {
			t.Errorf("%d mails left, the cap is 20", n)
		}
	})
}

// At the cap a link that was sent stays good, also when the cap is reached
// between the count of the mails and the renewal of the link.
func TestALinkOutlivesRenewalsAtOnceThatReachTheCap(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		attempt, _ := h.signUp("ada@example.com", "")
		race(func(int) error { return h.Resend(h.ctx(), attempt, visitor) })
		list := h.mailsTo("ada@example.com")
		if len(list) != 5 {
			t.Fatalf("%d mails left, the cap is 5", len(list))
		}
		worked := 0
		for _, m := range list {
			if _, err := h.Verify(h.ctx(), VerifyInput{Token: h.linkToken(m), Password: goodPassword}); err == nil {
				worked++
			}
		}
		if worked != 1 {
			t.Errorf("%d of the links work, want the newest", worked)
		}
	})
}

func TestTheCapOfMailsHoldsForSignUpsAtOnce(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		race(func(int) error {
			_, err := h.Register(h.ctx(), Register{Email: "ada@example.com", Password: goodPassword, Client: visitor})
			return err
		})
		if n := len(h.mailsTo("ada@example.com")); n != 5 {
			t.Errorf("%d mails left, the cap is 5", n)
		}
	})
}

// A code that no mail carries is only there to be guessed: five guesses at each
// of as many codes as requests fit into one moment would be thousands.
func TestRequestsAtOnceHaveNoMoreCodesThanMails(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		for what, ask := range map[string]func() error{
			"reset": func() error { _, err := h.Forgot(h.ctx(), "ada@example.com", visitor); return err },
			"sign-up": func() error {
				_, err := h.Register(h.ctx(), Register{Email: "bob@example.com", Password: goodPassword, Client: visitor})
				return err
			},
		} {
			before := h.codes()
			race(func(int) error { return ask() })
			if n := h.codes() - before; n != 5 {
				t.Errorf("%s: %d codes may be guessed, and 5 were mailed", what, n)
			}
		}
	})
}

// The last code of a day is one code, however many ask for it at once.
func TestTheCodesOfADayHoldForRequestsAtOnce(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		for range codesADay - 1 {
			h.signUp("ada@example.com", "")
			h.clock.Advance(13 * time.Minute)
		}
		h.clock.Advance(time.Hour)
		before := h.codes()
		race(func(int) error {
			_, err := h.Register(h.ctx(), Register{Email: "ada@example.com", Password: goodPassword, Client: visitor})
			return err
		})
		if n := h.codes() - before; n != 1 {
			t.Errorf("%d codes more, want 1", n)
		}
	})
}

// codes counts the rows whose code can be guessed.
func (h *house) codes() int64 {
	return h.count("SELECT COUNT(*) FROM one_time_tokens WHERE code_mac IS NOT NULL")
}

// Were the cap of each purpose on its own, an attempt without a code would tell
// that the address had no account an hour ago and has one now.
func TestTheCapTellsNothingAboutAnAddressThatBecameAnAccount(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		attempt, m := h.signUp("ada@example.com", "")
		for range 4 {
			h.signUp("ada@example.com", "")
		}
		atTheCap := h.guesses("ada@example.com")
		if _, err := h.Verify(h.ctx(), VerifyInput{Attempt: attempt, Code: m.Code}); err != nil {
			t.Fatal(err)
		}
		if now := h.guesses("ada@example.com"); now != atTheCap {
			t.Errorf("%d guesses before there was an account, %d after", atTheCap, now)
		}
	})
}

// NIST SP 800-63B-4, section 3.2.2: at most 100 guesses. Attempts of many
// networks and days are one address all the same; the link stays good.
func TestNoDayHasMoreThanAHundredGuessesOfTheCodesForOneAddress(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		total := 0
		for range 24 * 5 {
			total += h.guesses("ada@example.com")
			h.clock.Advance(12 * time.Minute)
		}
		if total != 100 {
			t.Errorf("%d guesses within a day, want 100", total)
		}
		h.clock.Advance(time.Hour)
		_, m := h.signUp("ada@example.com", "")
		if m.Code != "" {
			t.Error("a code beyond the day's number left")
		}
		token := h.linkToken(m)
		if _, err := h.Verify(h.ctx(), VerifyInput{Token: token, Password: goodPassword}); err != nil {
			t.Error("the owner is locked out:", err)
		}
	})
}

func TestTheCodesOfADayHoldForRequestsAtOnceWithoutACapOfMails(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		for range codesADay - 1 {
			h.forgot("ada@example.com")
		}
		race(func(int) error {
			_, err := h.Forgot(h.ctx(), "ada@example.com", visitor)
			return err
		})
		if n := h.count("SELECT COUNT(*) FROM one_time_tokens WHERE code_mac IS NOT NULL"); n != codesADay {
			t.Errorf("%d codes can be guessed, want %d", n, codesADay)
		}
	}, noMailCap)
}

func TestAllMailsToOneAddressHaveACapTogether(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		for range 20 {
			if err := h.db.Write(h.ctx(), func(tx *gorm.DB) error {
				return h.Mail.Enqueue(tx, mail.Message{To: "ada@example.com", Purpose: mail.Notice})
			}); err != nil {
				t.Fatal(err)
			}
		}
		h.signUp("ada@example.com", "")
		if n := len(h.mailsTo("ada@example.com")); n != 20 {
			t.Errorf("%d mails left within an hour", n)
		}
		h.clock.Advance(time.Hour + time.Second)
		if _, m := h.signUp("ada@example.com", ""); m.Code == "" {
			t.Error("an hour later there is still no mail")
		}
	})
}
