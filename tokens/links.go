package tokens

import (
	"context"
	"time"

	"gorm.io/gorm"

	"gatehouse/internal/apperr"
	"gatehouse/internal/database"
	"gatehouse/internal/secrets"
	"gatehouse/models"
)

// All tunables of links that are not given by their caller.
const (
	linkPrefix    = "gh_ot_"
	attemptPrefix = "gh_at_"

	// maxCodeTries is how many guesses one code of six digits may see. A new
	// code is mailed with each resend, and those are capped by accounts.
	maxCodeTries = 5
)

// LinkKind is the purpose of a link. It is part of every hash, so that a link
// of one kind never opens another (security rule 2).
type LinkKind string

// The kinds of links.
const (
	VerifyEmail   LinkKind = "verify_email"
	ResetPassword LinkKind = "reset_password"
	Setup         LinkKind = "setup"
	ChangeEmail   LinkKind = "change_email"
	UndoEmail     LinkKind = "undo_email"
	Invitation    LinkKind = "invitation"
	// ResetFactors is of an operator, for who has lost every second factor.
	ResetFactors LinkKind = "reset_factors"
	EmailCode    LinkKind = "email_code"
)

// ErrLink is the one answer for a link, code or attempt that is unknown, used,
// expired, cut, extended or of another kind: it tells nobody which.
var ErrLink = apperr.New(apperr.Invalid, "link_ended")

// ErrCode is the answer for a wrong code that may be tried again.
var ErrCode = apperr.New(apperr.Invalid, "code_wrong")

// NewLink says what to make.
type NewLink struct {
	Kind    LinkKind
	Subject models.ID // the zero id is nobody yet, as for the set-up link
	TTL     time.Duration
	// CodeTTL is the life of the code; 0, or longer than TTL, is TTL.
	CodeTTL     time.Duration
	WithCode    bool
	WithAttempt bool
}

// Link is a new link. Its secrets exist here and in the mail; the row holds
// hashes.
type Link struct {
	ID            models.ID
	Token         secrets.Raw
	Code          secrets.Raw // with WithCode
	Attempt       secrets.Raw // with WithAttempt: the handle of the browser that asked
	ExpiresAt     time.Time
	CodeExpiresAt time.Time
	Subject       models.ID
}

// Found is a live link.
type Found struct {
	ID      models.ID
	Subject models.ID
}

// Links owns one-time links and codes.
type Links struct {
	deps Deps
}

func newLinks(d Deps) *Links { return &Links{deps: d} }

const insertLinkSQL = `INSERT INTO one_time_tokens
 (id, kind, subject, token_hash, attempt_hash, code_mac, code_tries, code_expires_at, expires_at, created_at)
 VALUES (?, ?, ?, ?, ?, ?, 0, ?, ?, ?)`

// Create makes a link with one INSERT. It ends no other link of the subject: a
// stranger who asks for links must not be able to end the owner's
// (security rule 13).
func (l *Links) Create(tx *gorm.DB, n NewLink) (Link, error) {
	now := l.deps.Clock()
	link, tokenHash, codeMAC := l.fresh(models.NewID(), n, now)
	link.Subject = n.Subject
	var attemptHash []byte
	if n.WithAttempt {
		link.Attempt = secrets.NewToken(attemptPrefix)
		attemptHash, _ = hashAttempt(n.Kind, link.Attempt.Reveal())
	}
	return link, tx.Exec(insertLinkSQL, link.ID, string(n.Kind), n.Subject, tokenHash, attemptHash, codeMAC,
		models.At(link.CodeExpiresAt), models.At(link.ExpiresAt), models.At(now)).Error
}

// Renew replaces token and code of a live attempt in its own row, for a mail
// that is sent again. The mailed ones before it end, the attempt stays, and
// the tries begin anew because the code is a new one.
func (l *Links) Renew(tx *gorm.DB, attempt string, n NewLink) (Link, error) {
	hash, ok := hashAttempt(n.Kind, attempt)
	if !ok {
		return Link{}, ErrLink
	}
	now := l.deps.Clock()
	found, err := l.find(tx, n.Kind, "attempt_hash", hash)
	if err != nil {
		return Link{}, err
	}
	link, tokenHash, codeMAC := l.fresh(found.ID, n, now)
	link.Subject, link.Attempt = found.Subject, secrets.NewRaw([]byte(attempt))
	res := tx.Exec(`UPDATE one_time_tokens
 SET token_hash = ?, code_mac = ?, code_tries = 0, code_expires_at = ?, expires_at = ?
 WHERE id = ? AND used_at IS NULL AND expires_at > ?`,
		tokenHash, codeMAC, models.At(link.CodeExpiresAt), models.At(link.ExpiresAt), found.ID, models.At(now))
	if res.Error == nil && res.RowsAffected == 0 {
		return Link{}, ErrLink
	}
	return link, res.Error
}

// fresh makes the secrets of a link and what the row keeps of them.
func (l *Links) fresh(id models.ID, n NewLink, now time.Time) (link Link, tokenHash, codeMAC []byte) {
	link = Link{ID: id, Token: secrets.NewToken(linkPrefix), ExpiresAt: now.Add(n.TTL)}
	tokenHash, _ = hashLink(n.Kind, link.Token.Reveal())
	if n.WithCode {
		link.Code = secrets.Digits(codeLen)
		link.CodeExpiresAt = link.ExpiresAt
		if n.CodeTTL > 0 && n.CodeTTL < n.TTL {
			link.CodeExpiresAt = now.Add(n.CodeTTL)
		}
		codeMAC = l.codeMAC(id, n.Kind, link.Code.Reveal())
	}
	return link, tokenHash, codeMAC
}

// Peek finds a live link and consumes nothing: it is what the GET of a mailed
// link does, because mail scanners follow links.
func (l *Links) Peek(ctx context.Context, kind LinkKind, token string) (Found, error) {
	hash, ok := hashLink(kind, token)
	if !ok {
		return Found{}, ErrLink
	}
	return l.find(l.deps.DB.Read(ctx), kind, "token_hash", hash)
}

// ByAttempt finds the live link of an attempt, for the browser that holds it.
func (l *Links) ByAttempt(ctx context.Context, kind LinkKind, attempt string) (Found, error) {
	hash, ok := hashAttempt(kind, attempt)
	if !ok {
		return Found{}, ErrLink
	}
	return l.find(l.deps.DB.Read(ctx), kind, "attempt_hash", hash)
}

// find reads a live row by one of its two hashes; the column is a constant of
// this file.
func (l *Links) find(db *gorm.DB, kind LinkKind, column string, hash []byte) (Found, error) {
	var found Found
	res := db.Raw(`SELECT id, subject FROM one_time_tokens
 WHERE kind = ? AND `+column+` = ? AND used_at IS NULL AND expires_at > ?`,
		string(kind), hash, models.At(l.deps.Clock())).Scan(&found)
	if res.Error != nil {
		return Found{}, database.Unavailable(res.Error)
	}
	if res.RowsAffected == 0 {
		return Found{}, ErrLink
	}
	return found, nil
}

// ConsumeToken uses a link up with one conditional UPDATE, whose row count is
// the verdict: of any number of tries at once exactly one succeeds.
func (l *Links) ConsumeToken(tx *gorm.DB, kind LinkKind, token string) (Found, error) {
	hash, ok := hashLink(kind, token)
	if !ok {
		return Found{}, ErrLink
	}
	now := models.At(l.deps.Clock())
	res := tx.Exec(`UPDATE one_time_tokens SET used_at = ?
 WHERE kind = ? AND token_hash = ? AND used_at IS NULL AND expires_at > ?`, now, string(kind), hash, now)
	if res.Error != nil {
		return Found{}, res.Error
	}
	if res.RowsAffected == 0 {
		return Found{}, ErrLink
	}
	var found Found
	err := tx.Raw(`SELECT id, subject FROM one_time_tokens WHERE kind = ? AND token_hash = ?`,
		string(kind), hash).Scan(&found).Error
	return found, err
}

// Consume uses a link up by its id, after CheckCode said that the code is
// right. False means that somebody was first.
func (l *Links) Consume(tx *gorm.DB, id models.ID) (bool, error) {
	now := models.At(l.deps.Clock())
	res := tx.Exec(`UPDATE one_time_tokens SET used_at = ? WHERE id = ? AND used_at IS NULL AND expires_at > ?`,
		now, id, now)
	return res.Error == nil && res.RowsAffected == 1, res.Error
}

// End ends every live link of one kind of a subject, in the transaction that
// makes them pointless: a password was set, an administrator exists. The zero
// subject is the one of links that have none.
func (l *Links) End(tx *gorm.DB, kind LinkKind, subject models.ID) (int64, error) {
	now := models.At(l.deps.Clock())
	where, args := `subject = ?`, []any{now, string(kind), subject}
	if subject.IsZero() {
		where, args = `subject IS NULL`, args[:2]
	}
	res := tx.Exec(`UPDATE one_time_tokens SET used_at = ? WHERE kind = ? AND used_at IS NULL AND `+where, args...)
	return res.RowsAffected, res.Error
}

// hashLink and hashAttempt are the keys to look up by; ok is false for
// whatever cannot be one of ours, before any query. The kind is in the hash.
func hashLink(kind LinkKind, token string) ([]byte, bool) {
	return hashTyped("link/"+string(kind), linkPrefix, token)
}

func hashAttempt(kind LinkKind, attempt string) ([]byte, bool) {
	return hashTyped("attempt/"+string(kind), attemptPrefix, attempt)
}

func hashTyped(kind, prefix, secret string) ([]byte, bool) {
	if !wellFormed(secret, prefix) {
		return nil, false
	}
	h, ok := secrets.HashOf(kind, secret)
	return h.Bytes(), ok
}
