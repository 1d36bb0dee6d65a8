package tokens

import (
	"context"
	"database/sql"
	"errors"
	"strings"

	"gorm.io/gorm"

	"gatehouse/audit"
	"gatehouse/internal/apperr"
	"gatehouse/models"
	"gatehouse/verify"
)

// TokenKind is what a token is.
type TokenKind string

// The kinds that can be introspected and revoked.
const (
	AccessKind   TokenKind = "access"
	RefreshKind  TokenKind = "refresh"
	PersonalKind TokenKind = "personal"
)

// kindOf goes by the prefix alone: a hint of the caller's (RFC 7662, section
// 2.1) could only make it slower.
func kindOf(raw string) TokenKind {
	switch {
	case verify.IsPersonal(raw):
		return PersonalKind
	case strings.HasPrefix(raw, refreshPrefix):
		return RefreshKind
	}
	return AccessKind
}

// CheckFunc judges an access token by signature, claims and what has ended.
type CheckFunc func(ctx context.Context, token string) (*verify.Principal, error)

// Introspection is a token that is active now.
type Introspection struct {
	Kind TokenKind
	*verify.Principal
}

// Introspect says what a token of any kind is good for at this moment (RFC
// 7662, section 2.2), nil when it is good for nothing; why is not told. The
// database is asked and the chokepoint too, so that an answer is never older
// than the last ending anywhere. Nothing changes by it: an old refresh token
// ends no family here.
func (s *Service) Introspect(ctx context.Context, raw string, check CheckFunc) (*Introspection, error) {
	var p *verify.Principal
	var err error
	kind := kindOf(raw)
	switch kind {
	case PersonalKind:
		p, err = s.Personal.Introspect(ctx, raw)
	case RefreshKind:
		p, err = s.Refresh.introspect(ctx, raw)
	default:
		p, err = s.Access.introspect(ctx, raw, check)
	}
	switch {
	case refused(err):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return &Introspection{kind, p}, nil
}

// refused reports whether err says no, rather than that nobody can tell.
func refused(err error) bool {
	e, ok := errors.AsType[*verify.Error](err)
	return ok && e.Code != verify.CodeUnavailable
}

// judged is the verdict on an access token; a fault is one of ours.
func judged(ctx context.Context, raw string, check CheckFunc) (*verify.Principal, error) {
	p, err := check(ctx, raw)
	if err != nil && !refused(err) {
		return nil, apperr.NotNow(0, err)
	}
	return p, err
}

// introspect looks at the session of a good access token as well: what was
// ended on another node a moment ago is inactive here already.
func (a *Access) introspect(ctx context.Context, raw string, check CheckFunc) (*verify.Principal, error) {
	p, err := judged(ctx, raw, check)
	if err != nil {
		return nil, err
	}
	var row *sessionRow
	err = a.deps.DB.CausalRead(ctx, func(tx *gorm.DB) (err error) {
		row, err = scanSession(tx.Raw(findSessionSQL+"s.id = ?", models.ID(p.SID)).Row())
		return err
	})
	if errors.Is(err, sql.ErrNoRows) {
		return nil, verify.ErrInactive
	}
	if err != nil {
		return nil, err
	}
	alive := row.UserID == models.ID(p.Sub) && row.live(a.deps.Clock()) && p.Generation >= row.TokenEpoch
	if !alive || !a.deps.Admit(ctx, row.subject()).OK {
		return nil, verify.ErrInactive
	}
	return p, nil
}

// introspect calls only the newest token of a living family active. One that a
// retry would still be answered for is on its way out, and nobody should count
// on it.
func (r *Refresh) introspect(ctx context.Context, raw string) (*verify.Principal, error) {
	token, ok := r.key().parse(raw)
	if !ok {
		return nil, verify.ErrInactive
	}
	row, err := r.find(ctx, token.family, true)
	if err != nil {
		return nil, err
	}
	now := r.clock()
	if row == nil || row.ended(now) != "" || !r.admit(ctx, row.subject()).OK {
		return nil, verify.ErrInactive
	}
	line, err := row.line()
	if err != nil {
		return nil, err
	}
	if v, _ := line.judge(token.generation, token.hash, now, r.config.RetryWindow); v != rotate && v != throttle {
		return nil, verify.ErrInactive
	}
	return row.principal(r.config.Audience), nil
}

func (f *familyRow) principal(audience string) *verify.Principal {
	return &verify.Principal{
		Subject: f.UserID.String(), Sub: f.UserID, SessionID: f.SessionID.String(), SID: f.SessionID,
		ClientID: f.ClientID, Audience: []string{audience}, Scope: f.Scope.List(), Roles: f.Roles.List(),
		ACR: f.ACR, AMR: f.AMR.List(), AuthTime: f.AuthTime.Time, ExpiresAt: f.IdleUntil.Time,
		Generation: f.TokenEpoch, HasGeneration: true, HasClientGeneration: true,
	}
}

// Revoke ends what a token stands for, on the word of whoever holds it (RFC
// 7009, section 2.1): one access token by its id, the session of a refresh
// token with all that hangs on it, a personal token. What is unknown or has
// ended already is no error (section 2.2).
func (s *Service) Revoke(ctx context.Context, raw string, check CheckFunc, by Client) error {
	switch kindOf(raw) {
	case PersonalKind:
		row, err := s.Personal.find(ctx, raw)
		if err == nil && row != nil {
			_, err = s.Personal.End(ctx, row.UserID, row.ID, WhyRevoked, by)
		}
		return err
	case RefreshKind:
		return s.revokeRefresh(ctx, raw, by)
	}
	p, err := judged(ctx, raw, check)
	switch {
	case refused(err):
		return nil
	case err != nil:
		return err
	}
	return s.revokeAccess(ctx, p, by)
}

// revokeRefresh ends the session of any genuine token of the family, an old one
// too: its holder can only lose by it.
func (s *Service) revokeRefresh(ctx context.Context, raw string, by Client) error {
	token, ok := s.Refresh.key().parse(raw)
	if !ok {
		return nil
	}
	row, err := s.Refresh.find(ctx, token.family, true)
	if err != nil || row == nil {
		return err
	}
	_, err = s.Sessions.End(ctx, row.UserID, row.SessionID, WhyRevoked, by)
	return err
}

func (s *Service) revokeAccess(ctx context.Context, p *verify.Principal, by Client) error {
	event := by.event(audit.TokenRevoked, p.Sub, p.SID)
	event.Detail = map[string]string{"token": p.TokenID}
	return s.Log.Write(ctx, func(tx *gorm.DB) error {
		entry := Entry{Kind: EntryToken, Target: p.JTI[:], Until: p.ExpiresAt.Add(untilMargin)}
		if err := s.Log.Append(tx, entry); err != nil {
			return err
		}
		return s.Access.deps.Audit.Append(tx, event)
	})
}
