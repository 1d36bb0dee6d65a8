package accounts

import (
	"context"
	"time"

	"gorm.io/gorm"

	"gatehouse/internal/secrets"
	"gatehouse/models"
	"gatehouse/tokens"
)

type Register struct {
	Email, Password, Username, Name string
	Client                          tokens.Client
}
type Registered struct {
	Attempt secrets.Raw  // required: where the code is to be typed
	Active  *models.User // optional: the account, at once
}

func (s *Service) Register(ctx context.Context, in Register) (Registered, error) { panic("not yet") }

// Resend mails a new link and code for the same attempt; the old ones end.
func (s *Service) Resend(ctx context.Context, attempt string, by tokens.Client) error {
	panic("not yet")
}

type VerifyPeek struct{ Email, Username string }

func (s *Service) PeekVerify(ctx context.Context, token string) (VerifyPeek, error) {
	panic("not yet")
}

// OwnsVerify reports whether attempt and token belong to the same sign-up (so no password is asked for).
func (s *Service) OwnsVerify(ctx context.Context, token, attempt string) (bool, error) {
	panic("not yet")
}

type VerifyInput struct {
	Attempt, Code, Token, Password, Username string
	Client                                   tokens.Client
}

func (s *Service) Verify(ctx context.Context, in VerifyInput) (*models.User, error) { panic("not yet") }

// SendVerification mails a verify link for an account that an operator or an import made unverified.
func (s *Service) SendVerification(ctx context.Context, u *models.User, by tokens.Client) (secrets.Raw, error) {
	panic("not yet")
}
func (s *Service) NeedsVerification(u *models.User) bool { panic("not yet") }

func (s *Service) ByLogin(ctx context.Context, login string) (*models.User, error) { panic("not yet") }
func (s *Service) Get(ctx context.Context, id models.ID) (*models.User, error)     { panic("not yet") }
func (s *Service) RecordSignIn(tx *gorm.DB, u *models.User, at time.Time) (bool, error) {
	panic("not yet")
}

type Profile struct{ Name, Username *string }

func (s *Service) UpdateProfile(ctx context.Context, id models.ID, p Profile, by tokens.Client) (*models.User, error) {
	panic("not yet")
}
func (s *Service) ChangePassword(ctx context.Context, proof tokens.Proof, newPassword string, keep models.ID, by tokens.Client) error {
	panic("not yet")
}
func (s *Service) Rehash(ctx context.Context, id models.ID, oldHash, newHash string) (bool, error) {
	panic("not yet")
}

type NewUser struct {
	Email, Username, Name, Password, Locale string
	Roles                                   []string
	Verified                                bool
}

func (s *Service) CreateUser(ctx context.Context, in NewUser, by tokens.Client) (*models.User, error) {
	panic("not yet")
}

type Page struct {
	After  models.ID
	Limit  int
	Search string
}

func (s *Service) List(ctx context.Context, p Page) ([]models.User, error) { panic("not yet") }
func (s *Service) SetDisabled(ctx context.Context, id models.ID, disabled bool, by tokens.Client) error {
	panic("not yet")
}
func (s *Service) SetRoles(ctx context.Context, id models.ID, roles []string, by tokens.Client) error {
	panic("not yet")
}

// ResetLink returns the whole URL.
func (s *Service) ResetLink(ctx context.Context, id models.ID, by tokens.Client) (secrets.Raw, error) {
	panic("not yet")
}
func (s *Service) PeekReset(ctx context.Context, token string) (*models.User, error) {
	panic("not yet")
}
func (s *Service) ResetPassword(ctx context.Context, token, newPassword string, by tokens.Client) error {
	panic("not yet")
}

func (s *Service) SetupNeeded(ctx context.Context) (bool, error)         { panic("not yet") }
func (s *Service) NewSetupLink(ctx context.Context) (secrets.Raw, error) { panic("not yet") }
func (s *Service) PeekSetup(ctx context.Context, token string) error     { panic("not yet") }

type SetupInput struct{ Token, Email, Username, Password string }

func (s *Service) Setup(ctx context.Context, in SetupInput, by tokens.Client) (*models.User, error) {
	panic("not yet")
}

// Alarm is tokens.Deps.Alarm.
func (s *Service) Alarm(tx *gorm.DB, user models.ID, what string) error { panic("not yet") }

// Trim deletes pending sign-ups that have expired; a job.
func (s *Service) Trim(ctx context.Context) error { panic("not yet") }
