package signin

import (
	"context"
	"net/url"
	"time"

	"gorm.io/gorm"

	"gatehouse/audit"
	"gatehouse/internal/apperr"
	"gatehouse/internal/secrets"
	"gatehouse/mail"
	"gatehouse/models"
	"gatehouse/tokens"
)

// resetTTL is how long the link of a reset works: somebody waits for it.
const resetTTL = time.Hour

// ErrLink is the answer for a link that is unknown, used, too old, or of
// somebody else.
var ErrLink = tokens.ErrLink

// MailReset sends who has lost every second factor a link that takes them away,
// on the word of an operator. It goes to the stored address and nowhere else:
// nobody at a help desk sees it, and without the password it opens nothing. Of
// several the newest works.
func (f *Flow) MailReset(ctx context.Context, u *models.User, baseURL string, by tokens.Client) error {
	if !f.Accounts.Mail.Configured() {
		return apperr.New(apperr.Unavailable, "mail_not_configured")
	}
	held, err := f.Factors.Held(ctx, u.ID)
	if err != nil {
		return err
	}
	if !held.Second() {
		return ErrNoSecond
	}
	return f.DB.Write(ctx, func(tx *gorm.DB) error {
		if _, err := f.Tokens.Links.End(tx, tokens.ResetFactors, u.ID); err != nil {
			return err
		}
		link, err := f.Tokens.Links.Create(tx, tokens.NewLink{Kind: tokens.ResetFactors, Subject: u.ID, TTL: resetTTL})
		if err != nil {
			return err
		}
		address := secrets.NewRaw([]byte(baseURL + "/login/reset?token=" + url.QueryEscape(link.Token.Reveal())))
		if err := f.Accounts.MailFactorReset(tx, u, address, resetTTL); err != nil {
			return err
		}
		return f.Audit.Append(tx, audit.Event{
			Action: audit.FactorsReset, Outcome: audit.Success, Subject: u.ID, ClientID: tokens.FirstParty,
			IP: by.IP, UserAgent: by.UserAgent, RequestID: by.RequestID, Reason: "link_sent",
		})
	})
}

// PeekReset tells whether a link still works. It uses nothing up: scanners of
// mail follow links.
func (f *Flow) PeekReset(ctx context.Context, token string) error {
	_, err := f.Tokens.Links.Peek(ctx, tokens.ResetFactors, token)
	return err
}

// ResetFactors takes the link where a second factor is wanted: the password was
// right before this, or there were no attempt. Everything that was lost is
// forgotten and every session ends; then the sign-in goes on, with making a new
// factor where the policy asks for one.
func (f *Flow) ResetFactors(ctx context.Context, in Step) (Result, error) {
	res, err := f.resetFactors(ctx, in)
	f.Metrics.SignIn(outcome(res, err))
	return res, err
}

func (f *Flow) resetFactors(ctx context.Context, in Step) (Result, error) {
	if _, err := f.takeNetwork(ctx, in.Client.IP); err != nil {
		return Result{}, err
	}
	row, u, err := f.waiting(ctx, in.Attempt, in.Web)
	if err != nil {
		return Result{}, err
	}
	err = f.Tokens.Log.Write(ctx, func(tx *gorm.DB) error { return f.forgetFactors(tx, u, in) })
	if err != nil {
		return Result{}, err
	}
	shown := f.shownIn(row)
	next, err := f.next(ctx, u, shown)
	if err != nil || len(next) > 0 {
		return Result{Next: next}, err
	}
	return f.complete(ctx, opening{in: in.input(), try: try{method: f.password, user: u, by: in.Client}, shown: shown, attempt: row})
}

func (f *Flow) forgetFactors(tx *gorm.DB, u *models.User, in Step) error {
	link, err := f.Tokens.Links.ConsumeToken(tx, tokens.ResetFactors, in.Secret)
	if err != nil {
		return err
	}
	if link.Subject != u.ID {
		return ErrLink // that of somebody else stays good for them
	}
	if err := deleteFrom(tx, lostTables, u.ID); err != nil {
		return err
	}
	if _, err := f.Tokens.Sessions.EndOthersIn(tx, u.ID, models.ID{}, in.Client); err != nil {
		return err
	}
	return f.noteFactor(tx, factorChange{u, audit.FactorsReset, mail.KindFactorRemoved, "all", in.Client})
}
