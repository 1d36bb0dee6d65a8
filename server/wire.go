package server

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"gorm.io/gorm"

	"gatehouse/accounts"
	"gatehouse/audit"
	"gatehouse/config"
	"gatehouse/internal/database"
	"gatehouse/internal/metrics"
	"gatehouse/internal/passwords"
	"gatehouse/internal/ratelimit"
	"gatehouse/internal/secrets"
	"gatehouse/internal/work"
	"gatehouse/keys"
	"gatehouse/mail"
	"gatehouse/models"
	"gatehouse/signin"
	"gatehouse/tokens"
)

// Rooms is every room, built once over one database. The server and the
// commands work on the same.
type Rooms struct {
	Config  config.Config
	Logger  *slog.Logger
	Clock   func() time.Time
	Metrics *metrics.Metrics
	DB      *database.DB
	Box     *secrets.Box
	Audit   *audit.Log
	// Checkpoints of the audit log.
	Checkpoints *audit.Checkpoints
	Keys        *keys.Ring
	Passwords   *passwords.Hasher
	Limits      *ratelimit.Limits
	Work        *work.Gate // nil when it is off
	Mail        *mail.Mailer
	Tokens      *tokens.Service
	Accounts    *accounts.Service
	SignIn      *signin.Flow
	Factors     *signin.Factors
	Passkeys    *signin.Passkeys

	cluster *tokens.ClusterClock // behind Clock
	// stopping is set from the first moment of a stop on.
	stopping atomic.Bool
	// started is nil for a command.
	started *stages
}

// Close gives the database back.
func (r *Rooms) Close() error { return r.DB.Close() }

// OpenDatabase connects to the configured database and does not migrate it.
func OpenDatabase(ctx context.Context, c config.Config, errOut io.Writer) (*database.DB, error) {
	if err := makeDataDir(c); err != nil {
		return nil, err
	}
	if err := keyBeforeDatabase(c); err != nil {
		return nil, err
	}
	return database.Open(ctx, database.Options{URL: c.DatabaseURL.Reveal(), Clock: time.Now, Log: newLogger(c, errOut)})
}

// OpenRooms opens the database, brings its tables up to date and builds every
// room. It works beside a running server.
func OpenRooms(ctx context.Context, c config.Config, errOut io.Writer) (*Rooms, error) {
	return openRooms(ctx, c, errOut, nil)
}

func openRooms(ctx context.Context, c config.Config, errOut io.Writer, started *stages) (*Rooms, error) {
	if err := makeDataDir(c); err != nil {
		return nil, err
	}
	box, err := newBox(c)
	if err != nil {
		return nil, err
	}
	r := &Rooms{Config: c, Logger: newLogger(c, errOut), Metrics: metrics.New(), Box: box, started: started}
	started.done("secret")
	r.DB, err = database.Open(ctx, database.Options{URL: c.DatabaseURL.Reveal(), Clock: time.Now, Log: r.Logger, Metrics: r.Metrics})
	if err != nil {
		return nil, err
	}
	started.done("database")
	if err := r.build(ctx); err != nil {
		_ = r.DB.Close()
		return nil, err
	}
	return r, nil
}

func makeDataDir(c config.Config) error {
	if !c.UsesSQLite() {
		return nil
	}
	for _, dir := range []string{c.DataDir, filepath.Dir(c.SQLitePath())} {
		// 0700: the folder holds password hashes and the secret key.
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("DATA_DIR: %w", err)
		}
	}
	return nil
}

func (r *Rooms) build(ctx context.Context) error {
	if err := r.checkKey(ctx); err != nil {
		return err
	}
	if err := r.DB.Migrate(ctx); err != nil {
		return err
	}
	r.started.done("schema")
	// Every node counts with the database's time, not with its own machine's.
	clock := tokens.NewClusterClock(time.Now)
	if err := clock.Learn(ctx, r.DB); err != nil {
		return err
	}
	r.started.done("clock")
	r.cluster, r.Clock = clock, clock.Now
	r.Audit = audit.New(r.DB, r.Clock)
	r.Checkpoints = r.Audit.NewCheckpoints(r.checkpointOptions())
	ring, err := keys.Open(ctx, keys.Options{
		DB: r.DB, Box: r.Box, Audit: r.Audit, Clock: r.Clock,
		Alg: r.Config.SigningAlg, RotateEvery: r.Config.KeyRotationEvery, Log: r.Logger,
	})
	if err != nil {
		return err
	}
	r.started.done("keys")
	r.Keys = ring
	if r.Passwords, err = r.newPasswords(); err != nil {
		return err
	}
	r.Limits = limits(r.Config, r.Clock)
	r.Work = r.gate()
	if r.Mail, err = mail.New(r.mailDeps()); err != nil {
		return err
	}
	r.Tokens = tokens.New(r.tokensDeps())
	r.Tokens.Log.UseClock(clock)
	r.Factors = signin.NewFactors(r.DB, r.Box)
	r.Accounts = accounts.New(r.accountsDeps())
	r.Passkeys = signin.NewPasskeys(signin.PasskeyDeps{
		DB: r.DB, Accounts: r.Accounts, Audit: r.Audit, Limits: r.Limits, Clock: r.Clock,
		AppURL: r.Config.AppURL, AppName: r.Config.AppName, RelatedOrigins: r.Config.RelatedOrigins,
	})
	r.SignIn = signin.New(signin.Deps{
		DB: r.DB, Accounts: r.Accounts, Tokens: r.Tokens, Audit: r.Audit, Passwords: r.Passwords, Limits: r.Limits, Work: r.Work,
		Metrics: r.Metrics, Box: r.Box, Factors: r.Factors, Clock: r.Clock,
		// The strongest first: in this order people are asked for them.
		Methods: r.methods(),
		Config:  signin.Config{MFA: r.Config.MFA, Issuer: r.Config.AppName, FreeTries: int(r.Config.LimitLoginFreeTries), TrustedDeviceTTL: r.Config.TrustedDeviceTTL},
	})
	r.started.done("rooms")
	return nil
}

// methods are the ways to sign in besides the password.
func (r *Rooms) methods() []signin.Method {
	list := []signin.Method{
		r.Passkeys,
		signin.NewTOTP(r.Factors, r.Clock),
		signin.NewRecovery(r.Factors, r.Passwords, r.Clock),
	}
	if r.Config.EmailCodeLogin == "on" {
		list = append(list, signin.NewEmailCode(r.Accounts, r.Tokens.Links))
	}
	return list
}

// checkKey opens the keys of a database that is about to be migrated, so that a
// wrong SECRET_KEY changes nothing, not even the tables.
func (r *Rooms) checkKey(ctx context.Context) error {
	list, err := r.DB.Migrations(ctx)
	if err != nil {
		return err
	}
	var sealed, pending bool
	for _, m := range list {
		sealed = sealed || m.Name == "keys" && !m.AppliedAt.IsZero()
		pending = pending || m.AppliedAt.IsZero()
	}
	if !sealed || !pending {
		return nil
	}
	return keys.Check(ctx, keys.Options{DB: r.DB, Box: r.Box, Clock: time.Now})
}

func (r *Rooms) mailDeps() mail.Deps {
	c := r.Config
	mine, release := r.mailLease()
	return mail.Deps{
		DB: r.DB, Box: r.Box, Clock: r.Clock, Log: r.Logger, Metrics: r.Metrics,
		From: c.MailFrom, SMTPURL: c.SMTPURL.Reveal(), Dev: r.devInbox(), AppName: cmp.Or(c.AppName, "Gatehouse"), BaseURL: c.AppURL,
		DKIMKey: c.DKIMKey.Reveal(), DKIMSelector: c.DKIMSelector, Mine: mine, NotMine: release,
	}
}

// devInbox reports whether mail may be shown on a page: only while nobody but
// this machine can reach it, because it would hand out every code (security
// rule 25). The page checks the peer of each request as well.
func (r *Rooms) devInbox() bool {
	host := listenHost(r.Config.ListenAddr)
	return r.Config.SMTPURL == "" && config.IsLoopback(r.Config.URL().Hostname()) && config.IsLoopback(host)
}

func (r *Rooms) tokensDeps() tokens.Deps {
	c := r.Config
	return tokens.Deps{
		DB: r.DB, Keys: r.Keys, Audit: r.Audit, Box: r.Box, Clock: r.Clock, Log: r.Logger,
		Admit: accounts.Admit, Beside: signin.Beside(), Limits: r.Limits, Node: nodeName(c.ListenAddr),
		// Accounts is built after tokens; the function is called much later.
		Alarm: func(tx *gorm.DB, user models.ID, what string) error { return r.Accounts.Alarm(tx, user, what) },
		Config: tokens.Config{
			Issuer: c.AppURL, Audience: c.AppURL, AccessTTL: c.AccessTokenTTL,
			RefreshTTL: c.RefreshTokenTTL, RefreshIdleTTL: c.RefreshTokenIdleTTL, RetryWindow: c.RefreshRetryWindow,
			SessionIdleTTL: c.SessionIdleTTL, SessionAbsoluteTTL: c.SessionAbsoluteTTL,
			MostStreams: int(c.LimitStreams), MostInstances: int(c.LimitInstances),
		},
	}
}

// nodeName is how an operator finds this process: the machine and its address.
func nodeName(listenAddr string) string {
	host, err := os.Hostname()
	if err != nil {
		return listenAddr
	}
	return host + " " + listenAddr
}

func (r *Rooms) accountsDeps() accounts.Deps {
	c := r.Config
	return accounts.Deps{
		DB: r.DB, Tokens: r.Tokens, Mail: r.Mail, Audit: r.Audit, Passwords: r.Passwords, Limits: r.Limits, Work: r.Work,
		Factors: r.Factors.Store(), Clock: r.Clock, Log: r.Logger,
		Config: accounts.Config{
			Signup: c.Signup, EmailVerification: c.EmailVerification, BaseURL: c.AppURL,
			MailPerAddress:   rule(c.LimitMailPerAddress),
			AdminsNeedFactor: c.MFA == signin.MFAAdmins,
		},
	}
}
