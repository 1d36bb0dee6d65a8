package server

import (
	"context"
	"errors"
)

// Resealed counts what a change of SECRET_KEY rewrote. Lost values open with
// neither key; that of a mail is not sent any more, that of a session is a
// message nobody will read.
type Resealed struct {
	Keys     int `json:"keys"`
	Mails    int `json:"mails"`
	Sessions int `json:"sessions"`
	Factors  int `json:"factors"`
	Lost     int `json:"lost"`
}

// ErrNoOldKey means that there is nothing to change from.
var ErrNoOldKey = errors.New("SECRET_KEY_OLD is not set: give the new key as SECRET_KEY and the one before it as SECRET_KEY_OLD")

// Reseal seals everything in the database that the old SECRET_KEY sealed under
// the new one. It works beside running servers that know both, and can be run
// again at any time.
func (r *Rooms) Reseal(ctx context.Context) (done Resealed, err error) {
	if !r.Box.HasOld() {
		return done, ErrNoOldKey
	}
	if done.Keys, err = r.Keys.Reseal(ctx); err != nil {
		return done, err
	}
	var lostMails, lostSessions int
	if done.Mails, lostMails, err = r.Mail.Reseal(ctx); err != nil {
		return done, err
	}
	if done.Sessions, lostSessions, err = r.Tokens.Sessions.Reseal(ctx); err != nil {
		return done, err
	}
	var lostFactors int
	done.Factors, lostFactors, err = r.Factors.Reseal(ctx)
	done.Lost = lostMails + lostSessions + lostFactors
	return done, err
}
