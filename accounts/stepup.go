package accounts

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"gatehouse/internal/apperr"
	"gatehouse/internal/database"
	"gatehouse/models"
	"gatehouse/tokens"
)

// ErrStepUp asks for a fresh proof. Its parameter ACR is the level that is
// wanted, which goes into the challenge of the answer (RFC 9470, section 3).
var ErrStepUp = apperr.New(apperr.Forbidden, "step_up_required")

// ParamACR is the parameter of ErrStepUp.
const ParamACR = "ACR"

// StepUp is the one rule of what may change a factor, an address, a password or
// a token, download data or close an account (security rule 12; ASVS 5.0,
// 7.5.1 and 7.5.3): a proof of the last minutes that is as strong as what the
// account has. Who stole the password of somebody with a second factor, and a
// session with it, changes nothing.
func (s *Service) StepUp(ctx context.Context, p tokens.Proof) error {
	level, err := s.ProofLevel(ctx, p.User)
	if err != nil {
		return err
	}
	return CheckProof(p, level, s.Clock())
}

// CheckProof is StepUp where the level is known: "" asks for the age alone.
func CheckProof(p tokens.Proof, level string, now time.Time) error {
	if !p.User.IsZero() && p.Recent(now) && p.Reaches(level) {
		return nil
	}
	if level == "" {
		return ErrStepUp
	}
	return ErrStepUp.WithParam(ParamACR, level)
}

// ProofLevel is how strong a proof has to be that changes this account:
// tokens.AAL2 when it has a second factor. It is read anew each time, so that a
// factor that was added a moment ago counts.
func (s *Service) ProofLevel(ctx context.Context, user models.ID) (string, error) {
	if s.Factors.None == "" || user.IsZero() {
		return tokens.AAL1, nil
	}
	var id models.ID
	err := s.DB.ReadRow(ctx, `SELECT id FROM users WHERE id = ? AND NOT (`+s.Factors.None+`)`, user).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return tokens.AAL1, nil
	}
	if err != nil {
		return "", database.Unavailable(err)
	}
	return tokens.AAL2, nil
}
