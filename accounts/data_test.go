package accounts

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"gorm.io/gorm"

	"gatehouse/audit"
	"gatehouse/internal/apperr"
	"gatehouse/internal/ratelimit"
	"gatehouse/internal/testkit"
	"gatehouse/mail"
	"gatehouse/models"
	"gatehouse/tokens"
)

func (h *house) myData(u *models.User) (file []byte, doc map[string]any) {
	h.t.Helper()
	var b bytes.Buffer
	if err := h.MyData(h.ctx(), h.proof(u), &b, visitor); err != nil {
		h.t.Fatal(err)
	}
	if err := json.Unmarshal(b.Bytes(), &doc); err != nil {
		h.t.Fatalf("%v in\n%s", err, b.Bytes())
	}
	return b.Bytes(), doc
}

// statement checks the signature of a file as a stranger would, with nothing
// but the published key set, and answers what it says.
func (h *house) statement(file []byte) map[string]any {
	h.t.Helper()
	lines := bytes.SplitAfter(file, []byte("\n"))
	signed := bytes.Join(lines[:len(lines)-3], nil) // without the signature, the brace and the empty rest
	var last struct{ Signature string }
	if err := json.Unmarshal(append([]byte("{"), bytes.Join(lines[len(lines)-3:], nil)...), &last); err != nil {
		h.t.Fatal(err)
	}
	part := strings.Split(last.Signature, ".")
	decode := func(s string) []byte {
		b, err := base64.RawURLEncoding.DecodeString(s)
		if err != nil {
			h.t.Fatal(err)
		}
		return b
	}
	var header struct{ Alg, KID, Typ string }
	var claims map[string]any
	if err := errors.Join(json.Unmarshal(decode(part[0]), &header), json.Unmarshal(decode(part[1]), &claims)); err != nil {
		h.t.Fatal(err)
	}
	var set struct{ Keys []struct{ KID, X string } }
	body, _ := h.Tokens.DataKeys()
	if err := json.Unmarshal(body, &set); err != nil {
		h.t.Fatal(err)
	}
	good := false
	for _, k := range set.Keys {
		good = good || k.KID == header.KID && ed25519.Verify(decode(k.X), []byte(part[0]+"."+part[1]), decode(part[2]))
	}
	sum := sha256.Sum256(signed)
	if !good || header.Typ != "gh-my-data+jwt" || claims["sha256"] != hex.EncodeToString(sum[:]) || claims["bytes"] != float64(len(signed)) {
		h.t.Errorf("signature good: %v, header %+v, claims %v, sum %x", good, header, claims, sum)
	}
	return claims
}

func TestMyDataIsEverythingAboutMeAndSigned(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		u := h.person("ada@example.com", "ada")
		h.session(u)
		h.personalOf(u)
		h.forgot("ada")
		h.moved(u, "ada2@example.com")
		ada := "lovelace"
		if _, err := h.UpdateProfile(h.ctx(), u.ID, Profile{Username: &ada}, visitor); err != nil {
			t.Fatal(err)
		}
		file, doc := h.myData(u)
		if claims := h.statement(file); claims["sub"] != u.ID.String() || claims["iss"] != "http://localhost:5000" {
			t.Errorf("claims %v", claims)
		}
		account := doc["account"].(map[string]any)
		if doc["format"] != DataFormat || account["email"] != "ada2@example.com" || account["username"] != "lovelace" || account["has_password"] != true {
			t.Errorf("account %v", account)
		}
		for name, least := range map[string]int{
			"sessions": 1, "personal_tokens": 1, "links": 2, "events": 6, "address_changes": 1, "kept_names": 2, "mails": 0, "known_devices": 0, "refresh_families": 0,
		} {
			if list, ok := doc[name].([]any); !ok || len(list) < least {
				t.Errorf("%s: %v", name, doc[name])
			}
		}
		events := doc["events"].([]any)
		if last := events[len(events)-1].(map[string]any); last["action"] != string(audit.DataGiven) || last["by"] != "you" {
			t.Errorf("the last event is %v", last)
		}
	})
}

func TestMyDataHasNoSecretAndNothingOfOthers(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		boss := h.chief("boss@harbour.example", RoleOwner)
		token := h.invited(boss, "ada@example.com", "staff")
		u, err := h.accept(token, "ada")
		if err != nil {
			t.Fatal(err)
		}
		other := h.person("eve@other.example", "eve")
		in, personal := h.session(u), h.personalOf(u)
		if err := h.SetRoles(h.ctx(), u.ID, []string{"staff", "crew"}, tokens.Client{IP: "203.0.113.99", UserAgent: "bosses browser"}); err != nil {
			t.Fatal(err)
		}
		// Done to me by somebody else.
		err = h.db.Write(h.ctx(), func(tx *gorm.DB) error {
			e := event(audit.UserDisabled, u.ID, tokens.Client{IP: "198.51.100.7", UserAgent: "bosses browser"})
			e.Actor = boss.ID
			return h.Audit.Append(tx, e)
		})
		if err != nil {
			t.Fatal(err)
		}
		file, _ := h.myData(u)
		got, _ := h.Get(h.ctx(), u.ID)
		for _, secret := range []string{
			got.PasswordHash, in.Cookie.Reveal(), personal, token, "argon2", "hash", "seed", "mac\"",
			"boss@", boss.ID.String(), other.ID.String(), "eve@", "198.51.100.7",
		} {
			if bytes.Contains(file, []byte(secret)) {
				t.Errorf("the file holds %q", secret)
			}
		}
		if !bytes.Contains(file, []byte(`"by":"another"`)) {
			t.Error("what others did to me is missing")
		}
	})
}

// A former owner of an address must not be seen by the next one.
func TestMyDataHasOnlyMailsSinceTheAddressIsMine(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		first := h.person("shared@example.com", "")
		h.forgot("shared@example.com")
		h.moved(first, "first@example.com")
		h.clock.Advance(emailKept + time.Hour)
		// Its own sign-up counts: the mailbox was proved at the same moment.
		second := h.person("shared@example.com", "")
		h.clock.Advance(time.Second)
		h.forgot("shared@example.com")
		_, doc := h.myData(second)
		if mails := doc["mails"].([]any); len(mails) != 2 || mails[0].(map[string]any)["purpose"] != mail.VerifyEmail {
			t.Errorf("mails %v", mails)
		}
	})
}

func TestMyDataWantsAFreshProofAndHasALimit(t *testing.T) {
	h := newHouse(t, sqlite(t))
	u := h.person("ada@example.com", "ada")
	var b bytes.Buffer
	wantReason(t, h.MyData(h.ctx(), tokens.Proof{User: u.ID, At: h.clock.Now().Add(-time.Hour)}, &b, visitor), "step_up_required")
	for range rules[ratelimit.Data].N {
		h.myData(u)
	}
	wantReason(t, h.MyData(h.ctx(), h.proof(u), &b, visitor), "too_many_attempts")
	if b.Len() != 0 {
		t.Error("a refusal wrote something")
	}
	wantReason(t, h.DataOf(h.ctx(), models.NewID(), &b, visitor), "not_found")
}

// failing takes some bytes and then breaks, as a connection does.
type failing struct{ left int }

func (f *failing) Write(b []byte) (int, error) {
	if f.left -= len(b); f.left < 0 {
		return 0, errors.New("gone")
	}
	return len(b), nil
}

func TestALongRecordIsWrittenInPagesAndABrokenFileHasNoSignature(t *testing.T) {
	h := newHouse(t, sqlite(t))
	u := h.person("ada@example.com", "ada")
	err := h.db.Write(h.ctx(), func(tx *gorm.DB) error {
		var lines []audit.Line
		for range 1700 {
			line, err := h.Audit.Prepare(ownEvent(audit.SignIn, u.ID, visitor))
			if err != nil {
				return err
			}
			if lines = append(lines, line); len(lines) == 100 {
				if err := audit.AppendAll(tx, lines); err != nil {
					return err
				}
				lines = nil
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	file, doc := h.myData(u)
	h.statement(file)
	if n := len(doc["events"].([]any)); n < 1700 {
		t.Errorf("%d events", n)
	}
	if err := h.MyData(h.ctx(), h.proof(u), &failing{left: 100_000}, visitor); err == nil || apperr.Reason(err) == "" {
		t.Error("a file that broke off was taken for a whole one", err)
	}
}

func TestEachStopsWhereItIsTold(t *testing.T) {
	db := testkit.DB(t)
	h := newHouse(t, db)
	u := h.person("ada@example.com", "ada")
	stop := errors.New("enough")
	err := h.Audit.Each(h.ctx(), u.ID, func(*models.AuditEvent) error { return stop })
	if !errors.Is(err, stop) {
		t.Error(err)
	}
}
