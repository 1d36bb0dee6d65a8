package tokens

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"
	"gorm.io/gorm"

	"gatehouse/audit"
	"gatehouse/internal/apperr"
	"gatehouse/internal/testkit"
	"gatehouse/keys"
	"gatehouse/models"
	"gatehouse/verify"
)

// verifierOf checks tokens as our bearer middleware does.
func (r *room) verifierOf(ring *keys.Ring) *verify.Verifier {
	r.t.Helper()
	set := verify.NewKeySet()
	var public []verify.Key
	for _, k := range ring.Public() {
		public = append(public, verify.Key{KID: k.KID, Alg: k.Alg, Public: k.Key})
	}
	if err := set.Set(public); err != nil {
		r.t.Fatal(err)
	}
	v, err := verify.New(verify.Options{
		Issuer: r.deps.Config.Issuer, Audience: r.deps.Config.Audience, Keys: set, Clock: r.clock.Now,
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return v
}

// part decodes one part of a compact JWT.
func part(t testing.TB, token string, n int) (claims map[string]any) {
	t.Helper()
	raw, err := base64.RawURLEncoding.Strict().DecodeString(strings.Split(token, ".")[n])
	if err == nil {
		err = json.Unmarshal(raw, &claims)
	}
	if err != nil {
		t.Fatal(err)
	}
	return claims
}

func TestAnAccessTokenHasTheClaimsOfTheContract(t *testing.T) {
	eachRoom(t, func(t *testing.T, r *room) {
		anna := r.person("anna")
		s := r.browser(anna)
		token, err := r.Access.ForSession(t.Context(), s.ID)
		if err != nil {
			t.Fatal(err)
		}
		signer := r.deps.Keys.Signer()
		wantHeader := map[string]any{"alg": "ES256", "kid": signer.KID, "typ": "at+jwt"}
		if diff := cmp.Diff(wantHeader, part(t, token.Token.Reveal(), 0)); diff != "" {
			t.Error(diff)
		}
		now := float64(r.clock.Now().Unix())
		want := map[string]any{
			"iss": "http://localhost:5000", "aud": "http://localhost:5000", "sub": anna.ID.String(),
			"client_id": "gatehouse", "sid": s.ID.String(), "jti": token.ID.String(),
			"iat": now, "exp": now + 600, "auth_time": now, "acr": "aal1", "amr": []any{"pwd"},
			"scope": "account", "roles": []any{"member"}, "gen": 1.0, "cgen": 0.0,
		}
		if diff := cmp.Diff(want, part(t, token.Token.Reveal(), 1)); diff != "" {
			t.Error(diff)
		}
		if !token.IssuedAt.Equal(r.clock.Now()) || token.ExpiresAt.Sub(token.IssuedAt) != 10*time.Minute {
			t.Errorf("from %v to %v", token.IssuedAt, token.ExpiresAt)
		}
	})
}

func TestEveryAlgorithmOfTheRingIsVerified(t *testing.T) {
	for _, alg := range []string{"ES256", "EdDSA", "RS256"} {
		t.Run(alg, func(t *testing.T) {
			r := newRoom(t, testkit.DB(t))
			db := testkit.DB(t)
			ring, err := keys.Open(t.Context(), keys.Options{
				DB: db, Box: r.deps.Box, Audit: audit.New(db, r.clock.Now), Clock: r.clock.Now, Alg: alg,
			})
			if err != nil {
				t.Fatal(err)
			}
			r.Access.deps.Keys = ring
			s := r.browser(r.person("anna"))
			token, err := r.Access.ForSession(t.Context(), s.ID)
			if err != nil {
				t.Fatal(err)
			}
			p, err := r.verifierOf(ring).Verify(t.Context(), token.Token.Reveal())
			if err != nil {
				t.Fatal(err)
			}
			if p.SID != s.ID || p.JTI != token.ID || !p.HasGeneration || p.Generation != 1 || !p.HasClientGeneration ||
				!slices.Equal(p.Roles, []string{"member"}) || !p.ExpiresAt.Equal(token.ExpiresAt) {
				t.Errorf("the principal is %+v", p)
			}
		})
	}
}

// A fixed key (RFC 8037, appendix A.1) and fixed claims give fixed bytes: a
// change of any claim's name, order or form shows here.
func TestTheBytesOfATokenAreStable(t *testing.T) {
	seed, err := base64.RawURLEncoding.DecodeString("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A")
	if err != nil {
		t.Fatal(err)
	}
	payload, err := json.Marshal(accessClaims{
		Issuer: "https://id.example", Audience: "https://id.example",
		Subject: "0190163d-8694-739b-aea5-966c26f8ad90", ClientID: "gatehouse",
		SessionID: "0190163d-8694-739b-aea5-966c26f8ad91", ID: "0190163d-8694-739b-aea5-966c26f8ad92",
		IssuedAt: 1767323045, ExpiresAt: 1767323645, AuthTime: 1767323045, ACR: "aal1", AMR: []string{"pwd"},
		Scope: "account", Roles: []string{}, Generation: 3,
	})
	if err != nil {
		t.Fatal(err)
	}
	header := []byte(`{"alg":"EdDSA","kid":"k1","typ":"at+jwt"}`)
	raw, err := signCompact(jwt.SigningMethodEdDSA, ed25519.NewKeyFromSeed(seed), header, payload)
	if err != nil {
		t.Fatal(err)
	}
	if got := raw.Reveal(); got != goldenToken {
		t.Errorf("the golden token changed:\n%s", got)
	}
}

func TestTimesAreFixedBeforeTheCommitAndSigningTooLateIsRefused(t *testing.T) {
	r := newRoom(t, testkit.DB(t))
	grant := Grant{Subject: Subject{ID: models.NewID(), TokenEpoch: 1}, SessionID: models.NewID(), AuthTime: r.clock.Now()}
	begun := r.clock.Now()
	pending := r.Access.Prepare(grant)
	r.clock.Advance(signWithin)
	token, err := pending.Sign()
	if err != nil || !token.IssuedAt.Equal(begun) || !token.ExpiresAt.Equal(begun.Add(10*time.Minute)) {
		t.Fatalf("%+v, %v", token, err)
	}
	r.clock.Advance(time.Millisecond)
	if _, err := pending.Sign(); apperr.From(err).Kind != apperr.Unavailable || apperr.From(err).RetryAfter == 0 {
		t.Errorf("after more than %v: %v", signWithin, err)
	}
	pending = r.Access.Prepare(grant)
	r.clock.Advance(-signWithin - time.Millisecond)
	if _, err := pending.Sign(); apperr.From(err).Kind != apperr.Unavailable {
		t.Errorf("after the clock was set back: %v", err)
	}
}

func TestATokenDoesNotOutliveItsSession(t *testing.T) {
	r := newRoom(t, testkit.DB(t), func(d *Deps) { d.Config.SessionAbsoluteTTL = 90 * time.Second })
	s := r.browser(r.person("anna"))
	token, err := r.Access.ForSession(t.Context(), s.ID)
	if err != nil || token.ExpiresAt.Sub(r.clock.Now()) != 90*time.Second {
		t.Errorf("%+v, %v", token, err)
	}
}

func TestATokenIsMadeOnlyForALiveSessionOfAnAdmittedPerson(t *testing.T) {
	eachRoom(t, func(t *testing.T, r *room) {
		anna := r.person("anna")
		ended, idle, live := r.browser(anna), r.browser(anna), r.program(anna)
		if _, err := r.Sessions.EndCurrent(t.Context(), anna.ID, ended.ID, Client{}); err != nil {
			t.Fatal(err)
		}
		r.clock.Advance(24 * time.Hour)
		for name, id := range map[string]models.ID{
			"ended": ended.ID, "idle": idle.ID, "unknown": models.NewID(), "none": {}, "anonymous": r.anonymous("x").ID,
		} {
			if _, err := r.Access.ForSession(t.Context(), id); !errors.Is(err, ErrNoSession) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if _, err := r.Access.ForSession(t.Context(), live.ID); err != nil {
			t.Errorf("live: %v", err)
		}
		r.exec(`UPDATE users SET disabled_at = 1`)
		_, err := r.Access.ForSession(t.Context(), live.ID)
		wantReason(t, err, "disabled")
		r.exec(`UPDATE users SET disabled_at = NULL, session_epoch = session_epoch + 1`)
		_, err = r.Access.ForSession(t.Context(), live.ID)
		wantReason(t, err, "session_ended")
	})
}

func TestRolesAndEpochOfATokenAreOfTheSameMoment(t *testing.T) {
	eachRoom(t, func(t *testing.T, r *room) {
		anna := r.person("anna")
		s := r.browser(anna)
		stop := make(chan struct{})
		done := make(chan struct{})
		go func() {
			defer close(done)
			for epoch := 2; ; epoch++ {
				select {
				case <-stop:
					return
				default:
				}
				err := r.db.Write(context.WithoutCancel(t.Context()), func(tx *gorm.DB) error {
					roles := []string{"even", "odd"}[epoch%2]
					return tx.Exec(`UPDATE users SET token_epoch = ?, roles = ?`, epoch, roles).Error
				})
				if err != nil {
					t.Error(err)
					return
				}
			}
		}()
		for range 200 {
			token, err := r.Access.ForSession(t.Context(), s.ID)
			if err != nil {
				t.Fatal(err)
			}
			claims := part(t, token.Token.Reveal(), 1)
			gen, role := int(claims["gen"].(float64)), claims["roles"].([]any)[0].(string)
			if gen > 1 && role != []string{"even", "odd"}[gen%2] {
				t.Fatalf("a token of epoch %d carries the role %q", gen, role)
			}
		}
		close(stop)
		<-done
	})
}

func TestShowingATokenLeavesAnAuditRow(t *testing.T) {
	eachRoom(t, func(t *testing.T, r *room) {
		s := r.browser(r.person("anna"))
		if _, err := r.Access.Show(t.Context(), s.ID, Client{IP: "192.0.2.7"}); err != nil {
			t.Fatal(err)
		}
		if n := r.count(`SELECT COUNT(*) FROM audit_events WHERE action = 'token.shown' AND session_id = ?`, s.ID); n != 1 {
			t.Errorf("%d audit rows", n)
		}
	})
}

func TestWithoutASigningKeyNothingIsHandedOut(t *testing.T) {
	if _, err := signCompact(jwt.SigningMethodEdDSA, nil, nil, nil); err == nil {
		t.Error("signed without a key")
	}
}

const goldenToken = "eyJhbGciOiJFZERTQSIsImtpZCI6ImsxIiwidHlwIjoiYXQrand0In0.eyJpc3MiOiJodHRwczovL2lkLmV4YW1wbGUiLCJhdWQi" +
	"OiJodHRwczovL2lkLmV4YW1wbGUiLCJzdWIiOiIwMTkwMTYzZC04Njk0LTczOWItYWVhNS05NjZjMjZmOGFkOTAiLCJjbGllbnRf" +
	"aWQiOiJnYXRlaG91c2UiLCJzaWQiOiIwMTkwMTYzZC04Njk0LTczOWItYWVhNS05NjZjMjZmOGFkOTEiLCJqdGkiOiIwMTkwMTYz" +
	"ZC04Njk0LTczOWItYWVhNS05NjZjMjZmOGFkOTIiLCJpYXQiOjE3NjczMjMwNDUsImV4cCI6MTc2NzMyMzY0NSwiYXV0aF90aW1l" +
	"IjoxNzY3MzIzMDQ1LCJhY3IiOiJhYWwxIiwiYW1yIjpbInB3ZCJdLCJzY29wZSI6ImFjY291bnQiLCJyb2xlcyI6W10sImdlbiI6" +
	"MywiY2dlbiI6MH0.RV516gDNzl8hcQTApjOXRGRqw8ZduSoxkm2CsKjusuFuELUvY-9N0QLCgoy7XIEgI1rg9WtUMbvMikH6DUvS" +
	"BQ"
