package signin

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"gatehouse/accounts"
	"gatehouse/internal/testkit"
	"gatehouse/models"
	"gatehouse/tokens"
)

// twice is a session of two factors of a person with an app.
func (h *house) twice() (*models.User, Result) {
	h.t.Helper()
	u, half := h.withTOTP()
	res, err := h.step(half.Attempt, "totp", h.codeAt(0))
	if err != nil {
		h.t.Fatal(err)
	}
	return u, res
}

func (h *house) reproofBy(u *models.User, session models.ID, method, secret string) (tokens.Proof, error) {
	proof, _, err := h.Reauth(h.ctx(), Reproof{User: u.ID, Session: session, Method: method, Secret: secret, Client: visitor})
	return proof, err
}

// says compares what the session, its next access token and the chokepoint of
// changes say of it.
func (h *house) says(session models.ID, acr, amr string, age time.Duration, may bool) {
	h.t.Helper()
	s, err := h.Tokens.Sessions.ByID(h.ctx(), session)
	if err != nil {
		h.t.Fatal(err)
	}
	if s.ACR != acr || string(s.AMR) != amr || h.clock.Now().Sub(s.AuthTime.Time) != age {
		h.t.Errorf("the session says %s %q %v, want %s %q %v", s.ACR, s.AMR, h.clock.Now().Sub(s.AuthTime.Time), acr, amr, age)
	}
	access, err := h.Tokens.Access.ForSession(h.ctx(), session)
	if err != nil {
		h.t.Fatal(err)
	}
	claims := claimsOf(h.t, access.Token.Reveal())
	if claims.ACR != acr || strings.Join(claims.AMR, " ") != amr || claims.AuthTime != s.AuthTime.Unix() {
		h.t.Errorf("the token says %+v", claims)
	}
	proof := tokens.Proof{User: s.UserID, Session: s.ID, At: s.AuthTime.Time, AAL: s.ACR}
	if err := h.Accounts.StepUp(h.ctx(), proof); (err == nil) != may {
		h.t.Errorf("changes of the account are allowed: %v, want %v", err == nil, may)
	}
}

func TestAProofNeverMakesASessionLookStrongerOrFresherThanItIs(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		u, res := h.twice()
		id := res.Session.ID
		h.says(id, AAL2, "pwd otp mfa", 0, true)
		h.clock.Advance(2 * time.Minute)
		if p, err := h.reproofBy(u, id, "password", right); err != nil || p.AAL != AAL2 || h.clock.Now().Sub(p.At) != 2*time.Minute {
			t.Errorf("a password on top of two fresh factors: %+v %v", p, err)
		}
		h.says(id, AAL2, "pwd otp mfa", 2*time.Minute, true)
		h.clock.Advance(4 * time.Minute)
		h.says(id, AAL2, "pwd otp mfa", 6*time.Minute, false)
		if p, err := h.reproofBy(u, id, "password", right); err != nil || p.AAL != AAL1 || !p.At.Equal(h.clock.Now()) {
			t.Errorf("a password alone: %+v %v", p, err)
		}
		h.says(id, AAL1, "pwd", 0, false)
		if p, err := h.reproofBy(u, id, "totp", h.codeAt(0)); err != nil || p.AAL != AAL2 {
			t.Errorf("the other factor on top: %+v %v", p, err)
		}
		h.says(id, AAL2, "pwd otp mfa", 0, true)
		if _, err := h.reproofBy(u, id, "recovery", "0123456789ABCDEFGHJKMNPQR"); !ErrNotNext.Is(err) {
			t.Errorf("a recovery code is a proof: %v", err)
		}
	})
}

// An app that proves possession on top of something else that one has is no
// second factor, and a session of before a factor was added is not above it.
func TestTwoThingsThatOneHasAreOneFactor(t *testing.T) {
	h := newHouse(t, testkit.DB(t))
	u, res := h.twice()
	id := res.Session.ID
	if _, err := h.db.Exec(h.ctx(), `UPDATE sessions SET acr = 'aal1', amr = 'hwk' WHERE id = ?`, id); err != nil {
		t.Fatal(err)
	}
	h.says(id, AAL1, "hwk", 0, false)
	h.clock.Advance(time.Minute)
	if p, err := h.reproofBy(u, id, "totp", h.codeAt(0)); err != nil || p.AAL != AAL1 {
		t.Errorf("%+v %v", p, err)
	}
	h.says(id, AAL1, "otp", 0, false)
	h.clock.Advance(time.Minute)
	if p, err := h.reproofBy(u, id, "password", right); err != nil || p.AAL != AAL2 || h.clock.Now().Sub(p.At) != time.Minute {
		t.Errorf("%+v %v", p, err)
	}
	h.says(id, AAL2, "otp pwd mfa", time.Minute, true)
	if _, err := h.db.Exec(h.ctx(), `UPDATE sessions SET acr = 'aal1', amr = 'email', auth_time = ? WHERE id = ?`, models.At(h.clock.Now()), id); err != nil {
		t.Fatal(err)
	}
	if p, err := h.reproofBy(u, id, "password", right); err != nil || p.AAL != AAL1 {
		t.Errorf("a mailbox and a password are %+v %v", p, err)
	}
}

func TestTheWaysToAProofAreNeverWeakerThanTheAccount(t *testing.T) {
	h := newHouse(t, testkit.DB(t))
	ada := h.person("ada@harbour.example", "ada")
	one, err := h.SignIn(h.ctx(), Input{Login: "ada", Password: right, Web: true, Client: visitor})
	if err != nil {
		t.Fatal(err)
	}
	ways := func(s *tokens.Session, want string) {
		t.Helper()
		names, err := h.Ways(h.ctx(), s)
		if err != nil || strings.Join(names, " ") != want {
			t.Errorf("%v %v, want %s", names, err, want)
		}
	}
	ways(one.Session.Session, "password")
	h.enroll(accounts.Factors{User: ada.ID, TOTP: someTOTP, RecoveryCodes: []string{digestOf("another")}})
	ways(one.Session.Session, "totp")
	h.says(one.Session.ID, AAL1, "pwd", 0, false)
	odd := *one.Session.Session
	odd.ACR, odd.AMR = AAL1, "hwk"
	ways(&odd, "totp password")
}

type shownClaims struct {
	ACR      string   `json:"acr"`
	AMR      []string `json:"amr"`
	AuthTime int64    `json:"auth_time"`
}

func claimsOf(t testing.TB, token string) (c shownClaims) {
	t.Helper()
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	if err == nil {
		err = json.Unmarshal(payload, &c)
	}
	if err != nil {
		t.Fatal(err)
	}
	return c
}
