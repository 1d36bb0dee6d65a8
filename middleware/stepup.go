package middleware

import (
	"errors"
	"net/url"

	"github.com/gin-gonic/gin"

	"gatehouse/accounts"
	"gatehouse/models"
	"gatehouse/tokens"
)

// ReauthPage is where a browser proves once more who sits before it.
const ReauthPage = "/account/reauth"

// Proof is what the person of a request has shown and when: by the session of a
// page, or by the access token of a program. It is the zero proof, which opens
// nothing, for a personal token, behind which no sign-in stands.
func Proof(c *gin.Context) tokens.Proof {
	if s := Session(c); s.SignedIn() {
		return s.Proof()
	}
	p := Principal(c)
	if p == nil || p.Personal {
		return tokens.Proof{}
	}
	return tokens.Proof{User: models.ID(p.Sub), Session: models.ID(p.SID), At: p.AuthTime, AAL: p.ACR}
}

// RequireRecent stands behind RequireSession or Bearer and asks for a proof of
// the last minutes, of whatever level (security rule 12): for endings, which
// have to work for who has nothing but a password too.
func (s *Set) RequireRecent(c *gin.Context) { s.require(c, "") }

// RequireAAL is RequireRecent with a level: 2 asks for two factors, and no
// account without a second one gets past it.
func (s *Set) RequireAAL(level int) gin.HandlerFunc {
	name := tokens.AAL1
	if level > 1 {
		name = tokens.AAL2
	}
	return func(c *gin.Context) { s.require(c, name) }
}

// RequireStepUp asks for a fresh proof that is as strong as what the account
// has: two factors where there is a second one. It guards what changes a factor,
// an address or a token, downloads data or closes the account.
func (s *Set) RequireStepUp(c *gin.Context) {
	if level, ok := s.levelOf(c); ok {
		s.require(c, level)
	}
}

// RequireSecond is RequireStepUp for a route that takes the password itself: an
// account without a second factor passes, and its password is looked at there.
func (s *Set) RequireSecond(c *gin.Context) {
	if level, ok := s.levelOf(c); ok && level != tokens.AAL1 {
		s.require(c, level)
	}
}

// Proved reports whether RequireStepUp would let the visitor through.
func (s *Set) Proved(c *gin.Context) (bool, error) {
	proof := Proof(c)
	level, err := s.ProofLevel(c.Request.Context(), proof.User)
	return err == nil && s.check(proof, level) == nil, err
}

// ProvedSecond reports whether RequireSecond would let the visitor through.
func (s *Set) ProvedSecond(c *gin.Context) (bool, error) {
	proof := Proof(c)
	level, err := s.ProofLevel(c.Request.Context(), proof.User)
	return err == nil && (level == tokens.AAL1 || s.check(proof, level) == nil), err
}

func (s *Set) levelOf(c *gin.Context) (string, bool) {
	level, err := s.ProofLevel(c.Request.Context(), Proof(c).User)
	if err != nil {
		Fail(c, err)
	}
	return level, err == nil
}

func (s *Set) check(p tokens.Proof, level string) error {
	return accounts.CheckProof(p, level, s.Clock())
}

func (s *Set) require(c *gin.Context, level string) {
	if err := s.check(Proof(c), level); err != nil {
		s.stepUp(c, err)
		return
	}
	forget(c)
}

// stepUp answers 403 with the challenge of RFC 9470 to a program, which POST
// /api/v1/reauth answers, and sends a browser to the page that asks.
func (s *Set) stepUp(c *gin.Context, err error) {
	if !Session(c).SignedIn() {
		Fail(c, err)
		return
	}
	if err := s.keepForm(c); err != nil {
		Fail(c, err)
		return
	}
	SeeOther(c, ReauthPage+"?return_to="+url.QueryEscape(backTo(c)))
	c.Abort()
}

// StepUp makes of the refusal of a room what a guard makes of its own.
func (s *Set) StepUp(c *gin.Context, err error) error {
	if !errors.Is(err, accounts.ErrStepUp) || !Session(c).SignedIn() {
		return err
	}
	s.stepUp(c, err)
	return nil
}

// backTo is the page to come back to. Every form of ours is posted to the
// address of its page or one below it that answers GET too.
func backTo(c *gin.Context) string {
	if isRead(c.Request.Method) {
		return LocalPath(c.Request.URL.RequestURI(), "/account")
	}
	return LocalPath(c.Request.URL.EscapedPath(), "/account")
}
