package accounts

import (
	"context"

	"gorm.io/gorm"

	"gatehouse/audit"
	"gatehouse/internal/apperr"
	"gatehouse/internal/ratelimit"
	"gatehouse/internal/secrets"
	"gatehouse/mail"
	"gatehouse/models"
	"gatehouse/tokens"
)

// Register is a sign-up as it was typed.
type Register struct {
	Email, Password string
	Username, Name  string // optional
	Client          tokens.Client
}

// Registered is the answer to a sign-up. With EMAIL_VERIFICATION=required it is
// an attempt, to type the code of the mail into, and is the same whether or not
// the address is taken. With "optional" it is the account.
type Registered struct {
	Attempt secrets.Raw
	Active  *models.User
}

// Register takes a sign-up. Nothing in its answer or its work tells whether
// the address has an account (security rule 14; ASVS 5.0, 6.3.8): the password
// is hashed, a pending row and a one-time row are written and one mail is
// queued in either case. Only the mailbox learns the difference. The username
// is not looked at before the address is proved, for the same reason.
func (s *Service) Register(ctx context.Context, in Register) (Registered, error) {
	if err := s.MayRegister(); err != nil {
		return Registered{}, err
	}
	u, err := s.readSignup(in)
	if err != nil {
		return Registered{}, err
	}
	if err := s.Limits.TakeNetwork(ctx, ratelimit.Signup, in.Client.IP); err != nil {
		return Registered{}, err
	}
	if err := s.payAndHash(ctx, u, in); err != nil { // nothing was done, and refused calls do not count
		s.Limits.RefundNetwork(ratelimit.Signup, in.Client.IP)
		return Registered{}, err
	}
	if s.Config.EmailVerification == VerificationOptional {
		return s.registerAtOnce(ctx, u, in.Client)
	}
	return s.registerPending(ctx, u, in.Client)
}

// payAndHash has a stranger pay with work under pressure for the hash that
// follows. Hashing takes tens of milliseconds, so it is never done in a
// transaction.
func (s *Service) payAndHash(ctx context.Context, u *models.User, in Register) error {
	if err := s.Work.Pass(ctx, in.Client.Asks(tokens.WorkSignup, string(u.EmailKey))); err != nil {
		return err
	}
	hash, err := s.Passwords.Hash(ctx, in.Password)
	u.PasswordHash = hash
	return err
}

// MayRegister says why nobody can sign up by themselves, nil when they can.
func (s *Service) MayRegister() error {
	switch s.Config.Signup {
	case SignupOpen:
	case SignupInvite:
		return apperr.New(apperr.Forbidden, "signup_invite_only")
	default:
		return apperr.New(apperr.Forbidden, "signup_closed")
	}
	if s.Config.EmailVerification != VerificationOptional && !s.Mail.Configured() {
		return apperr.New(apperr.Unavailable, "mail_not_configured")
	}
	return nil
}

func (s *Service) readSignup(in Register) (*models.User, error) {
	f := form{}
	u := s.read(typed{in.Email, in.Username, in.Name, in.Password, in.Client.Locale}, f)
	f.blame("password", s.checkPassword(in.Password, u))
	u.ID = models.NewID()
	u.PasswordChangedAt = u.CreatedAt
	return u, f.err()
}

// registerPending writes the sign-up down. The id of the pending row becomes
// the id of the account, so that the record tells one story.
func (s *Service) registerPending(ctx context.Context, u *models.User, by tokens.Client) (out Registered, err error) {
	owner, err := s.one(ctx, "email_key = ?", u.EmailKey)
	if err != nil {
		return Registered{}, err
	}
	letter, err := s.signupLetter(ctx, u, owner, by)
	if err != nil {
		return Registered{}, err
	}
	err = s.DB.Write(ctx, func(tx *gorm.DB) error {
		if err := insertPending(tx, u); err != nil {
			return err
		}
		link, err := s.Tokens.Links.Create(tx, letter.link(u.ID))
		if err != nil {
			return err
		}
		out = Registered{Attempt: link.Attempt}
		if err := letter.enqueue(tx, link); err != nil {
			return err
		}
		return s.Audit.Append(tx, event(audit.SignupRequested, u.ID, by))
	})
	return out, err
}

// signupLetter is the mail of a sign-up: the way to confirm it, or, to the
// stored address of who has an account already, that somebody tried.
func (s *Service) signupLetter(ctx context.Context, u, owner *models.User, by tokens.Client) (*letter, error) {
	if owner != nil {
		return s.newLetter(ctx, toVerify, mail.AlreadyRegistered, owner, by)
	}
	return s.newLetter(ctx, toVerify, mail.VerifyEmail, u, by)
}

func insertPending(tx *gorm.DB, u *models.User) error {
	return tx.Exec(`INSERT INTO pending_signups (id, email, email_key, username, username_key, name, locale,
 password_hash, created_at, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		u.ID, u.Email, u.EmailKey, u.Username, u.UsernameKey, u.Name, u.Locale, u.PasswordHash,
		u.CreatedAt, models.At(u.CreatedAt.Add(signupTTL))).Error
}

// registerAtOnce makes the account without proof of the address. This setting
// gives up the secrecy of who is there: a taken name is a conflict.
func (s *Service) registerAtOnce(ctx context.Context, u *models.User, by tokens.Client) (Registered, error) {
	letter, err := s.newLetter(ctx, toVerify, mail.VerifyEmail, u, by)
	if err != nil {
		return Registered{}, err
	}
	err = s.DB.Write(ctx, func(tx *gorm.DB) error {
		if err := insert(tx, u); err != nil {
			return err
		}
		if err := s.sendLink(tx, letter, u.ID); err != nil {
			return err
		}
		return s.Audit.Append(tx, ownEvent(audit.SignupRequested, u.ID, by))
	})
	if err != nil {
		return Registered{}, s.taken(ctx, err, u)
	}
	return Registered{Active: u}, nil
}

// sendLink makes and mails a link, or nothing when no mail may leave: a link
// that nobody gets is only there to be guessed.
func (s *Service) sendLink(tx *gorm.DB, letter *letter, subject models.ID) error {
	if !letter.leaves {
		return nil
	}
	link, err := s.Tokens.Links.Create(tx, letter.link(subject))
	if err != nil {
		return err
	}
	return letter.enqueue(tx, link)
}
