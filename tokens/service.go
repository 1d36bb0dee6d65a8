package tokens

import (
	"context"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"
	"unicode"

	"gorm.io/gorm"

	"gatehouse/audit"
	"gatehouse/internal/apperr"
	"gatehouse/internal/database"
	"gatehouse/internal/ratelimit"
	"gatehouse/internal/secrets"
	"gatehouse/internal/work"
	"gatehouse/keys"
	"gatehouse/models"
)

// FirstParty is the client id of our own logins, of pages and of the JSON API.
const FirstParty = "gatehouse"

// Client is who asks: for audit rows and for the list of sessions. It never
// decides anything, because a visitor chooses most of it.
type Client struct {
	IP        string
	UserAgent string
	RequestID string
	Locale    string
	// Device is the UserAgent in words, for mails.
	Device string
	// Browser is the value of the cookie by which a browser is known again;
	// none for most programs.
	Browser secrets.Raw
	// Fresh is a value that the answer can leave with the browser in place of
	// that; none where no cookie can be set.
	Fresh secrets.Raw
	// Work is what came as a proof of work.
	Work work.Shown
}

// The calls for which strangers may be asked for work.
const (
	WorkLogin  = "login"
	WorkSignup = "signup"
	WorkForgot = "forgot"
	WorkCode   = "code"
)

// Work is what came as a proof of work. The name is here for handlers, which
// read it from a request.
type Work = work.Shown

// Asks is a call of this client that may have to be paid for with work; name is
// the canonical one of whom it is about, if any.
func (c Client) Asks(purpose, name string) work.Ask {
	return work.Ask{Purpose: purpose, Name: name, Network: ratelimit.NetworkOf(c.IP), Shown: c.Work}
}

// Subject is the row of the view "admissions": all that may be known here of
// the person a token is for, read in one statement.
type Subject struct {
	ID           models.ID
	Enabled      bool
	Roles        models.Words
	TokenEpoch   int64
	SessionEpoch int64
	ClientID     string
	// ClientEpoch becomes the claim "cgen". Our own client has no row and stays at 0.
	ClientEpoch int64
}

// Verdict is the answer of the chokepoint. Reason is the stable word for the
// audit row and for the error when OK is false.
type Verdict struct {
	OK     bool
	Reason string
}

// AdmitFunc is the chokepoint: may this subject have a session, code or token
// now? It judges the row it is given and asks the database nothing more.
type AdmitFunc func(ctx context.Context, s Subject) Verdict

// Config holds the lifetimes and names of the contract.
type Config struct {
	Issuer             string
	Audience           string
	AccessTTL          time.Duration
	RefreshTTL         time.Duration
	RefreshIdleTTL     time.Duration
	RetryWindow        time.Duration
	SessionIdleTTL     time.Duration
	SessionAbsoluteTTL time.Duration
	// MostStreams and MostInstances bound what one service may have at once on
	// this node, and registered on all; 0 is without bound.
	MostStreams, MostInstances int
}

// Beside is what rooms above want to know of the person of a family for the answer
// to a refresh. It is read in the statement that decides about the family: so it
// costs no round trip, and is of the same moment as roles and epochs of the token.
type Beside struct {
	// Columns are selected. They may name "u", the row of users, which need not be
	// there, and f.user_id.
	Columns string
	// New makes a value and says where its columns go, in their order.
	New func() (value any, fields []any)
}

// Deps is what the room works with.
type Deps struct {
	DB    *database.DB
	Keys  *keys.Ring
	Audit *audit.Log
	Box   *secrets.Box
	Clock func() time.Time
	Log   *slog.Logger
	Admit AdmitFunc
	// Beside is what a refresh reads of the person besides; its zero value is nothing.
	Beside Beside
	// Limits are asked before a refresh; nil limits nothing.
	Limits *ratelimit.Limits
	// Node names this process to operators, in receipts.
	Node string
	// Alarm queues the notice after a theft and of a new personal token, in the
	// transaction of its cause. It is handed in because mail belongs to accounts;
	// nil sends none.
	Alarm  func(tx *gorm.DB, user models.ID, what string) error
	Config Config
}

// Service is the room: one owner for each kind of secret.
type Service struct {
	Access   *Access
	Sessions *Sessions
	Refresh  *Refresh
	Links    *Links
	Log      *Log
	Services *Services
	Personal *Personal
	Feed     *Feed

	db    *database.DB
	clock func() time.Time
	renew *renewer
	// usedKeys are the access keys that had signed when the clock was read last.
	usedKeys atomic.Pointer[[]string]
}

// New builds the room. Admit has no default: without a chokepoint nobody may
// have anything, so forgetting it stops the start instead of opening a door.
func New(d Deps) *Service {
	if d.Admit == nil {
		panic("tokens: New needs Admit, the chokepoint of accounts")
	}
	if d.Log == nil {
		d.Log = slog.New(slog.DiscardHandler)
	}
	s := &Service{db: d.DB, clock: d.Clock}
	s.Access = newAccess(d)
	s.Log = newLog(d)
	s.Refresh = newRefresh(d, s.Access, s.Log)
	s.Sessions = newSessions(d, s.Log)
	s.Links = newLinks(d)
	s.Services = newServices(d, s.Log)
	s.Personal = newPersonal(d, s.Log)
	s.Feed = newFeed(d, s.Log)
	s.renew = newRenewer(d)
	s.Log.renewer = s.renew
	s.Log.wentBack, s.Log.noteKeys = s.clockWentBack, s.noteKeys
	return s
}

// judge asks the chokepoint and turns a no into the error that callers return.
func judge(ctx context.Context, admit AdmitFunc, s Subject) error {
	v := admit(ctx, s)
	if v.OK {
		return nil
	}
	if v.Reason == "" {
		v.Reason = "not_admitted"
	}
	return apperr.New(apperr.Unauthenticated, v.Reason)
}

// Columns of the schema that hold what a visitor sent, in characters.
const (
	maxIP        = 45 // the longest text form of an IPv6 address (RFC 4291, section 2.2)
	maxUserAgent = 512
)

// Stored is the client as it may be written: without control characters and
// invalid UTF-8, which the databases would treat differently, and not longer
// than its columns, which strict SQL mode would refuse.
func (c Client) Stored() Client {
	c.IP = plainText(c.IP, maxIP)
	c.UserAgent = plainText(c.UserAgent, maxUserAgent)
	return c
}

// event begins an audit row about something that succeeded on the word of the
// subject itself.
func (c Client) event(action audit.Action, user, session models.ID) audit.Event {
	c = c.Stored()
	return audit.Event{
		Action: action, Outcome: audit.Success,
		Actor: user, Subject: user, Session: session,
		ClientID: FirstParty, RequestID: c.RequestID, IP: c.IP, UserAgent: c.UserAgent,
	}
}

// plainText keeps the printable characters of s, at most limit of them.
func plainText(s string, limit int) string {
	n := 0
	return strings.Map(func(r rune) rune {
		if n == limit || r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			return -1
		}
		n++
		return r
	}, s)
}
