package signin

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"gorm.io/gorm"

	"gatehouse/accounts"
	"gatehouse/internal/database"
	"gatehouse/internal/testkit"
	"gatehouse/models"
)

var someTOTP = &accounts.TOTP{Secret: []byte("12345678901234567890"), Algorithm: "SHA1", Digits: 6, Period: 30}

func somePasskey(id string) accounts.Passkey {
	at := testkit.NewClock().Now()
	return accounts.Passkey{
		CredentialID: []byte(id), PublicKey: []byte("cose"), SignCount: 7, Transports: []string{"internal", "hybrid"},
		AAGUID: "01890a5d-ac96-774b-bcce-b302099a8057", BackupEligible: true, RPID: "localhost", UserHandle: []byte("handle"),
		Name: "Telephone", CreatedAt: &at, LastUsedAt: &at,
	}
}

func (h *house) enroll(list ...accounts.Factors) {
	h.t.Helper()
	for i := range list {
		list[i].CreatedAt = models.At(h.clock.Now())
	}
	if err := h.db.Write(h.ctx(), func(tx *gorm.DB) error { return h.Factors.Import(tx, list) }); err != nil {
		h.t.Fatal(err)
	}
}

func TestAPasswordAloneOpensNoAccountWithASecondFactor(t *testing.T) {
	for name, factor := range map[string]accounts.Factors{
		"totp":    {TOTP: someTOTP},
		"passkey": {Passkeys: []accounts.Passkey{somePasskey("c1")}},
	} {
		t.Run(name, func(t *testing.T) {
			eachHouse(t, func(t *testing.T, h *house) {
				u := h.person("mara@harbour.example", "mara")
				factor.User = u.ID
				h.enroll(factor)
				for range 40 { // far beyond the tries that are free: a right secret gives its slot back
					if why := h.try("mara", right); why != ErrFactor.Reason {
						t.Fatalf("got %q", why)
					}
				}
				if why := h.try("mara", wrong); why != ErrCredentials.Reason {
					t.Errorf("a wrong password learns %q", why)
				}
				if n := h.count("SELECT COUNT(*) FROM sessions"); n != 0 {
					t.Errorf("%d sessions", n)
				}
			}, func(d *Deps) { d.Methods = nil }) // nothing can ask for it
		})
	}
}

func TestRecoveryCodesAloneAreNoSecondFactor(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		u := h.person("mara@harbour.example", "mara")
		h.enroll(accounts.Factors{User: u.ID, RecoveryCodes: []string{"a", "b"}})
		if why := h.try("mara", right); why != "" {
			t.Errorf("got %q", why)
		}
	})
}

func TestAWeakHashAsksForAChangeAndOpensNothing(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		u := h.person("mara@harbour.example", "mara")
		const weak = "$1$38652870$DUjsu4TTlTsOe/xxZ05uf/"
		if _, err := h.db.Exec(h.ctx(), `UPDATE users SET password_hash = ? WHERE id = ?`, weak, u.ID); err != nil {
			t.Fatal(err)
		}
		if why := h.try("mara", "hashcat"); why != ErrMustChange.Reason {
			t.Fatalf("got %q", why)
		}
		if why := h.try("mara", wrong); why != ErrCredentials.Reason {
			t.Errorf("a wrong password learns %q", why)
		}
		if again, _ := h.Accounts.Get(h.ctx(), u.ID); again.PasswordHash != weak {
			t.Error("the hash was replaced, and the demand is gone")
		}
		if n := h.count("SELECT COUNT(*) FROM sessions"); n != 0 {
			t.Errorf("%d sessions", n)
		}
	})
}

func TestAForeignHashIsReplacedAtTheFirstSignIn(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		u := h.person("mara@harbour.example", "mara")
		foreign := "pbkdf2_sha256$10000$1135411628$bFYX62rfJobJ07VwrUMXfuffLfj2RDM2G6/BrTrUWkE="
		if _, err := h.db.Exec(h.ctx(), `UPDATE users SET password_hash = ? WHERE id = ?`, foreign, u.ID); err != nil {
			t.Fatal(err)
		}
		if why := h.try("mara", wrong); why != ErrCredentials.Reason {
			t.Errorf("got %q", why)
		}
		if again, _ := h.Accounts.Get(h.ctx(), u.ID); again.PasswordHash != foreign {
			t.Error("a wrong password replaced the hash")
		}
		for range 2 {
			if why := h.try("mara", "hashcat"); why != "" {
				t.Errorf("got %q", why)
			}
		}
		if again, _ := h.Accounts.Get(h.ctx(), u.ID); again.PasswordHash[:9] != "$argon2id" {
			t.Errorf("the hash is still %s", again.PasswordHash)
		}
	})
}

func TestFactorsComeOutAsTheyWentInAndAreErased(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		a, b := h.person("a@harbour.example", ""), h.person("b@harbour.example", "")
		in := accounts.Factors{User: b.ID, TOTP: someTOTP, Passkeys: []accounts.Passkey{somePasskey("c1"), somePasskey("c2")}, RecoveryCodes: []string{"x", "y"}}
		h.enroll(in)
		out, err := h.Factors.Export(h.db.Read(h.ctx()), models.ID{}, b.ID)
		if err != nil || len(out) != 1 {
			t.Fatalf("%v %v", out, err)
		}
		in.CreatedAt = models.Time{}
		if diff := cmp.Diff(in, *out[b.ID]); diff != "" {
			t.Error(diff)
		}
		if none, err := h.Factors.Export(h.db.Read(h.ctx()), b.ID, b.ID); err != nil || len(none) != 0 {
			t.Errorf("%v %v", none, err)
		}
		known, err := h.Factors.Known(h.db.Read(h.ctx()), [][]byte{[]byte("c2"), []byte("c3")})
		if err != nil || len(known) != 1 || known["c2"] != b.ID {
			t.Errorf("%v %v", known, err)
		}
		again := h.db.Write(h.ctx(), func(tx *gorm.DB) error {
			return h.Factors.Import(tx, []accounts.Factors{{User: a.ID, Passkeys: []accounts.Passkey{somePasskey("c1")}}})
		})
		if !database.IsDuplicate(again) {
			t.Errorf("a credential of two accounts: %v", again)
		}
		var sealed models.TOTPFactor
		if err := h.db.Read(h.ctx()).Where("user_id = ?", b.ID).Take(&sealed).Error; err != nil || string(sealed.Seed) == string(someTOTP.Secret) {
			t.Errorf("the seed stands in clear: %v", err)
		}
		if err := h.db.Write(h.ctx(), func(tx *gorm.DB) error { return h.Factors.Erase(tx, b.ID) }); err != nil {
			t.Fatal(err)
		}
		if has, err := h.Factors.Held(h.ctx(), b.ID); has != (Held{}) || err != nil || h.count("SELECT COUNT(*) FROM recovery_codes") != 0 {
			t.Errorf("%v %v", has, err)
		}
	})
}
