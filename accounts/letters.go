package accounts

import (
	"context"
	"errors"
	"time"

	"gorm.io/gorm"

	"gatehouse/internal/secrets"
	"gatehouse/mail"
	"gatehouse/models"
	"gatehouse/tokens"
)

// letter is a mail that this room is about to queue, with the decision whether
// it leaves at all.
type letter struct {
	s       *Service
	message mail.Message
	// leaves is false when the cap of mails to this address is reached. The
	// answer and the rest of the work stay the same, so that the cap tells
	// nothing, and links that were sent before stay good (security rule 13).
	leaves bool
	// coded is false when the codes of a day are used up: the letter then has
	// its link alone, which nobody can guess.
	coded bool
	// ghost is a letter to nobody: it is written and never leaves, so that
	// asking for an account that is not there costs the same.
	ghost  bool
	errand errand
	// strict undoes what the letter belongs to when the cap is reached while it
	// is written: otherwise a link that was sent would end for one that is not.
	strict bool
}

// errand is what the link of a letter is for: its kind, and the page behind it;
// without a page the letter has its code alone.
type errand struct {
	kind tokens.LinkKind
	path string
}

var (
	toVerify = errand{tokens.VerifyEmail, "/verify"}
	toReset  = errand{tokens.ResetPassword, "/reset"}
)

const (
	// inAll is how many times the cap of one purpose all mails to an address may
	// reach together: 20 an hour with the usual cap of 5.
	inAll = 4
	// codesADay bounds the guesses that an address may see, however many
	// attempts are opened for it from wherever and for whatever purpose: 20 codes
	// with 5 tries each are the 100 of NIST SP 800-63B-4, section 3.2.2. After
	// that a letter has its link alone.
	codesADay = 20
)

// newLetter takes one mail of that purpose off the address's allowance.
func (s *Service) newLetter(ctx context.Context, why errand, purpose string, to *models.User, by tokens.Client) (*letter, error) {
	l := s.letterTo(why, purpose, to, by)
	return l, l.allow(ctx)
}

// ownersLetter is one that was asked for with the right password of the account.
func (s *Service) ownersLetter(ctx context.Context, why errand, purpose string, to *models.User, by tokens.Client) (*letter, error) {
	l := s.letterTo(why, purpose, to, by)
	l.message.ByOwner = true
	return l, l.allow(ctx)
}

// letterTo addresses a letter. Only what was read for a sign-in or by a name has
// the marks of known browsers; everybody else is a stranger.
//
// A letter that the owner asks for in a browser that the account knows is counted
// with the others of that kind alone: a stranger who asks for every mail that an
// address may get, or for every code of a day, keeps nobody from theirs (security
// rule 13). Whoever has no such browser and no password of the account is a
// stranger, and all of them together have one cap.
func (s *Service) letterTo(why errand, purpose string, to *models.User, by tokens.Client) *letter {
	locale := to.Locale
	if locale == "" {
		locale = cleanLocale(by.Locale)
	}
	return &letter{s: s, errand: why, message: mail.Message{
		To: Mailbox(to.Email, to.EmailKey), Locale: locale, Purpose: purpose, ByOwner: HasShown(to, by.Browser) != 0,
	}}
}

// allow counts what the address has got, in the outbox, which is the truth of
// all nodes and outlives a restart. It counts per canonical address, so that no
// spelling goes around it. The letter is counted once more when another one to
// the same address comes between this and its own row.
func (l *letter) allow(ctx context.Context) error {
	if !l.s.Mail.Configured() {
		return nil
	}
	past, err := l.s.Mail.Recent(ctx, l.message.To, l.s.Clock().Add(-24*time.Hour), l.message.ByOwner)
	if err != nil {
		return err
	}
	l.leaves = l.allows(past.Letters)
	l.coded = l.leaves && codesLeft(past.Letters)
	if l.message.Purpose == mail.EmailCode {
		l.leaves = l.coded // it has nothing but its code
	}
	if l.coded || !l.s.Config.MailPerAddress.Off() {
		l.message.Allowance = past.Allowance(l.stillAllows)
	}
	return nil
}

// stillAllows is the rule for a letter that has to be counted once more: its
// code was decided on before, and must not be one beyond the day's.
func (l *letter) stillAllows(recent []mail.Letter) bool {
	return l.allows(recent) && (!l.coded || codesLeft(recent))
}

// codesLeft reports whether one more letter of the day may have a code.
func codesLeft(day []mail.Letter) bool {
	today := 0
	for _, one := range day {
		today += one01(coded(one.Purpose))
	}
	return today < codesADay
}

// allows is the rule: so many an hour for one purpose, and so many in all.
func (l *letter) allows(recent []mail.Letter) bool {
	rule, alike, all := l.s.Config.MailPerAddress, 0, 0
	if rule.Off() {
		return true
	}
	since := l.s.Clock().Add(-rule.Per)
	for _, one := range recent {
		fresh := one.CreatedAt.After(since)
		alike += one01(fresh && groupOf(one.Purpose) == groupOf(l.message.Purpose))
		all += one01(fresh)
	}
	return alike < rule.N && all < inAll*rule.N
}

func one01(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

// groupOf is what a cap is for. The letters of a sign-up and of a change of
// address share one with the letter about a taken address: on its own, the cap
// of each would tell which of them an address gets.
func groupOf(purpose string) string {
	switch purpose {
	case mail.AlreadyRegistered, mail.ChangeEmail:
		return mail.VerifyEmail
	}
	return purpose
}

// coded reports whether letters of a purpose have a code. The one about a taken
// address has none, but counts as if it had: the number of codes that are left
// must not tell which of the two letters went out.
func coded(purpose string) bool {
	switch groupOf(purpose) {
	case mail.VerifyEmail, mail.ResetPassword, mail.EmailCode:
		return true
	}
	return false
}

// link is the one-time row that goes with the letter. At a cap it has no code:
// one that is never sent is only there to be guessed, and the caps are what
// bounds the guesses. An address that has an account already gets a code that
// nobody is told, because typing one must be answered alike for both.
func (l *letter) link(subject models.ID) tokens.NewLink {
	return tokens.NewLink{
		Kind: l.errand.kind, Subject: subject, TTL: LinkTTL, CodeTTL: CodeTTL,
		WithCode: l.coded, WithAttempt: true,
	}
}

// enqueue writes the letter in the transaction of its cause.
func (l *letter) enqueue(tx *gorm.DB, link tokens.Link) error {
	if !l.leaves {
		return nil
	}
	m := l.message
	if m.Purpose == mail.AlreadyRegistered {
		m.Link = l.s.Config.BaseURL + "/login"
	} else {
		m.Code = link.Code.Reveal()
		m.Data = map[string]string{"code_ttl": CodeTTL.String(), "link_ttl": LinkTTL.String()}
		if l.errand.path != "" {
			m.Link = l.s.url(l.errand.path, link.Token).Reveal()
		}
	}
	write := l.s.Mail.Enqueue
	if l.ghost {
		write = l.s.Mail.EnqueueNobody
	}
	if err := write(tx, m); l.strict || !errors.Is(err, mail.ErrCap) {
		return err
	}
	// Nobody is told this code, so that it would only be there to be guessed:
	// any number of requests at once would have any number of guesses (security
	// rule 13).
	return l.s.Tokens.Links.DropCode(tx, link.ID)
}

// url is an absolute address with a secret in it. It comes from the configured
// APP_URL alone (security rule 7).
func (s *Service) url(path string, token secrets.Raw) secrets.Raw {
	return secrets.NewRaw([]byte(s.Config.BaseURL + path + "?token=" + token.Reveal()))
}

// notify queues the notice that follows a change of security, to the stored
// address (security rule 12; NIST SP 800-63B-4, section 4.6). It has no cap: a
// change that its owner does not hear of is worse than one mail too many, and
// each of them needed a proof.
func (s *Service) notify(tx *gorm.DB, u *models.User, kind string, at time.Time) error {
	if !s.Mail.Configured() {
		return nil
	}
	return s.Mail.Enqueue(tx, mail.Message{
		To: Mailbox(u.Email, u.EmailKey), Locale: u.Locale, Purpose: mail.Notice,
		Data: map[string]string{"kind": kind, "at": at.UTC().Format(time.RFC3339)},
	})
}

// Alarm queues a notice of what tokens has seen: a theft, in the transaction
// that ends what was stolen, or a new personal token. server/wire.go hands it to
// tokens, which knows no addresses.
func (s *Service) Alarm(tx *gorm.DB, user models.ID, what string) error {
	var found []models.User
	err := tx.Select("id", "email", "email_key", "locale").Where("id = ?", user).Limit(1).Find(&found).Error
	if err != nil || len(found) == 0 {
		return err
	}
	return s.notify(tx, &found[0], what, s.Clock())
}
