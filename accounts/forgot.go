package accounts

import (
	"context"
	"encoding/hex"

	"gorm.io/gorm"

	"gatehouse/audit"
	"gatehouse/internal/apperr"
	"gatehouse/internal/ratelimit"
	"gatehouse/internal/secrets"
	"gatehouse/mail"
	"gatehouse/models"
	"gatehouse/tokens"
)

// Forgot asks for a mail with the way to a new password. Login is a username
// or an address. The answer is an attempt to type the code of the mail into.
//
// Nothing in the answer or the work tells whether there is an account (security
// rule 14; ASVS 5.0, 6.3.8): for nobody, and for an account that is disabled,
// the same rows are written, with a letter that is composed and never leaves and
// with a code that nobody is told. An account without a password gets its mail
// like any other. The mail goes to the stored address and never to the typed one.
func (s *Service) Forgot(ctx context.Context, login string, by tokens.Client) (attempt secrets.Raw, err error) {
	return s.ask(ctx, asked{
		errand: toReset, purpose: mail.ResetPassword, action: audit.ResetRequested,
		work: tokens.WorkForgot, login: login, by: by,
	})
}

// asked is a mail that anybody may ask for, to the account of a name.
type asked struct {
	errand  errand
	purpose string
	action  audit.Action
	work    string // for what strangers may be asked for work
	login   string
	by      tokens.Client
	// why refuses some accounts, which then look like nobody; "" lets through.
	why func(u *models.User) string
}

func (s *Service) ask(ctx context.Context, q asked) (attempt secrets.Raw, err error) {
	if err := readLogin(q.login); err != nil {
		return secrets.Raw{}, err
	}
	if !s.Mail.Configured() {
		return secrets.Raw{}, apperr.New(apperr.Unavailable, "mail_not_configured")
	}
	if err := s.Limits.TakeNetwork(ctx, ratelimit.Forgot, q.by.IP); err != nil {
		return secrets.Raw{}, err
	}
	owner, err := s.ByLogin(ctx, q.login)
	if err != nil {
		return secrets.Raw{}, err
	}
	if err := s.pay(ctx, q, owner); err != nil {
		s.Limits.RefundNetwork(ratelimit.Forgot, q.by.IP)
		return secrets.Raw{}, err
	}
	return s.sendAsked(ctx, q, owner)
}

// pay asks strangers for work under pressure: who has an account is asked like
// who has none, and a browser that is known for it never is.
func (s *Service) pay(ctx context.Context, q asked, owner *models.User) error {
	if HasShown(owner, q.by.Browser) != 0 {
		return nil
	}
	key, _, _ := CanonicalLogin(q.login)
	return s.Work.Pass(ctx, q.by.Asks(q.work, string(key)))
}

func (s *Service) sendAsked(ctx context.Context, q asked, owner *models.User) (attempt secrets.Raw, err error) {
	e, to := event(q.action, models.ID{}, q.by), owner
	switch {
	case owner == nil:
		to, e.Reason = ghostOf(q.login), "unknown_subject"
	case !owner.DisabledAt.IsZero():
		e.Subject, e.Reason = owner.ID, "account_disabled"
	default:
		e.Subject = owner.ID
		if q.why != nil {
			e.Reason = q.why(owner)
		}
	}
	letter, err := s.newLetter(ctx, q.errand, q.purpose, to, q.by)
	if err != nil {
		return secrets.Raw{}, err
	}
	letter.ghost = e.Reason != ""
	err = s.DB.Write(ctx, func(tx *gorm.DB) error {
		link, err := s.Tokens.Links.Create(tx, letter.link(to.ID))
		if err != nil {
			return err
		}
		attempt = link.Attempt
		if err := letter.enqueue(tx, link); err != nil {
			return err
		}
		return s.Audit.Append(tx, e)
	})
	return attempt, err
}

// readLogin refuses what is neither an address nor a username. That is a
// matter of its form and tells nothing about accounts.
func readLogin(login string) error {
	key, isEmail, ok := CanonicalLogin(login)
	f := form{}
	switch {
	case isEmail && !ok:
		_, _, wrong := CanonicalEmail(login)
		f.blame("username", wrong)
	case !ok || len(key) == 0:
		_, _, wrong := CanonicalUsername(login)
		f.blame("username", wrong)
	}
	return f.err()
}

// ghostOf stands for the account that a name does not have: of an address it
// has the address, of a username an address that no mail reaches (RFC 2606,
// section 2), so that caps count for a name without an account as they do for
// one with. Its id is nobody's.
func ghostOf(login string) *models.User {
	u := &models.User{ID: models.NewID()}
	key, isEmail, _ := CanonicalLogin(login)
	if isEmail {
		u.Email, u.EmailKey = string(key), key
		return u
	}
	h, _ := secrets.HashOf("ghost", string(key))
	u.Email = hex.EncodeToString(h.Bytes()[:16]) + "@nobody.invalid"
	u.EmailKey = []byte(u.Email)
	return u
}
