package config

import (
	"log/slog"
	"net/url"
	"time"
)

// Config is every setting of the server. The tags carry the name, the default
// and the help line of each; "secret" marks values that are never printed and
// that may also come from a file named by NAME_FILE.
type Config struct {
	ListenAddr        string   `env:"LISTEN_ADDR" envDefault:"127.0.0.1:5000" help:"Address and port to listen on."`
	AppURL            string   `env:"APP_URL" help:"The address people type. The only source of links, of the issuer of tokens and of cookie security. Default: http://localhost: and the port of LISTEN_ADDR."`
	AllowInsecureHTTP bool     `env:"ALLOW_INSECURE_HTTP" envDefault:"false" help:"Accept an APP_URL that is neither https nor loopback. Passwords then cross the network in the clear."`
	AppName           string   `env:"APP_NAME" help:"Who runs it, as the pages and mails say. Default: none; mails then come from Gatehouse."`
	RelatedOrigins    Origins  `env:"RELATED_ORIGINS" help:"Other addresses (https, separated by commas) whose pages may use the passkeys of APP_URL's domain; told to browsers at /.well-known/webauthn. For a move to another domain. Default: none."`
	DataDir           string   `env:"DATA_DIR" envDefault:"data" help:"Folder of the embedded database and the generated secret."`
	DatabaseURL       Secret   `env:"DATABASE_URL" secret:"true" help:"sqlite:PATH, or mysql://user:password@tcp(host:3306)/name. Default: sqlite:DATA_DIR/gatehouse.db."`
	SecretKey         Secret   `env:"SECRET_KEY" secret:"true" help:"32 random bytes or more, in hex or base64. Made once in DATA_DIR/secret.key with SQLite; must be given with MySQL. The command secret prints a good one."`
	SecretKeyOld      Secret   `env:"SECRET_KEY_OLD" secret:"true" help:"A second key that opens sealed values too, while SECRET_KEY is changed. Remove it after the command secret rotate."`
	TrustedProxies    Networks `env:"TRUSTED_PROXIES" help:"Networks (CIDR, separated by commas) whose X-Forwarded-For is believed. Default: none."`

	SMTPURL  Secret `env:"SMTP_URL" secret:"true" help:"smtp://user:password@host:587 (STARTTLS) or smtps://user:password@host:465. With ?tls=off a private relay without password is used in the clear. Without SMTP_URL mail lands in /dev/inbox, on loopback only."`
	MailFrom string `env:"MAIL_FROM" help:"Sender address of mails. Needed with SMTP_URL."`

	DKIMKey      Secret `env:"DKIM_KEY" secret:"true" help:"Private key in PEM that signs mails (DKIM): RSA of at least 2048 bits, or Ed25519. Usually as DKIM_KEY_FILE. Default: mails are not signed here."`
	DKIMSelector string `env:"DKIM_SELECTOR" help:"Name of the DKIM key: its public half is at SELECTOR._domainkey of MAIL_FROM's domain. Needed with DKIM_KEY."`

	Signup            string        `env:"SIGNUP" envDefault:"open" oneof:"open invite closed" help:"Who may register: open, invite or closed."`
	EmailVerification string        `env:"EMAIL_VERIFICATION" envDefault:"required" oneof:"required optional" help:"required keeps secret who has an account; optional gives that up and lets people in at once."`
	EmailCodeLogin    string        `env:"EMAIL_CODE_LOGIN" envDefault:"off" oneof:"off on" help:"on lets people sign in with a code that is mailed to them instead of their password. Whoever reads the mailbox is then in."`
	MFA               string        `env:"MFA" envDefault:"optional" oneof:"optional admins required" help:"Who needs a second factor: optional asks those who have one, admins and required ask everybody of that kind to set one up at the next sign-in."`
	TrustedDeviceTTL  time.Duration `env:"TRUSTED_DEVICE_TTL" envDefault:"0s" min:"0s" max:"8784h" help:"For how long people may have a browser not ask for their second factor, such as 720h. It stands in for that at the sign-in, under MFA too, and never for a proof before a change. 0s does not offer it."`
	PasswordMinLength int           `env:"PASSWORD_MIN_LENGTH" envDefault:"8" min:"8" max:"128" help:"Shortest password accepted, in characters; 15 is recommended (NIST SP 800-63B-4, section 3.1.1.2)."`

	PasswordHash      HashCost `env:"PASSWORD_HASH" envDefault:"argon2id,m=19456,t=2,p=1" help:"Cost of new password hashes: memory in KiB, passes, lanes. Never below the default (OWASP); the command bench proposes one for this machine. Older hashes are renewed at the next sign-in."`
	BreachedPasswords string   `env:"BREACHED_PASSWORDS_FILE" help:"A list of passwords that leaked, none of which can be set: SHA-1 in hexadecimal, sorted, one HASH or HASH:COUNT a line, as Have I Been Pwned gives out (ordered by hash). It is searched on disk. Default: none; 120,000 common passwords are refused anyway."`

	AccessTokenTTL      time.Duration `env:"ACCESS_TOKEN_TTL" envDefault:"10m" min:"1s" max:"24h" help:"Life of an access token."`
	RefreshTokenTTL     time.Duration `env:"REFRESH_TOKEN_TTL" envDefault:"720h" min:"1s" max:"8784h" help:"Longest life of a line of refresh tokens, used or not."`
	RefreshTokenIdleTTL time.Duration `env:"REFRESH_TOKEN_IDLE_TTL" envDefault:"168h" min:"1s" max:"8784h" help:"Life of a refresh token that is not used."`
	RefreshRetryWindow  time.Duration `env:"REFRESH_RETRY_WINDOW" envDefault:"30s" min:"1s" max:"10m" help:"How long after its first use a refresh token may be shown again by tabs and retries."`
	SessionIdleTTL      time.Duration `env:"SESSION_IDLE_TTL" envDefault:"24h" min:"1s" max:"8784h" help:"Life of a browser session that is not used."`
	SessionAbsoluteTTL  time.Duration `env:"SESSION_ABSOLUTE_TTL" envDefault:"720h" min:"1s" max:"8784h" help:"Longest life of a browser session, used or not."`
	SigningAlg          string        `env:"SIGNING_ALG" envDefault:"ES256" oneof:"ES256 EdDSA RS256" help:"Signature of access tokens: ES256, EdDSA or RS256. A change is published first and signs minutes later; give all nodes the same."`
	KeyRotationEvery    time.Duration `env:"KEY_ROTATION_EVERY" envDefault:"720h" min:"1s" max:"8784h" help:"How long a key signs. The next one is published before that, the last one until all that it signed has expired. Below two minutes is for tests."`

	HashConcurrency int    `env:"HASH_CONCURRENCY" envDefault:"0" min:"0" max:"256" help:"Password hashes computed at once, each in the memory that PASSWORD_HASH names. 0 is one a processor."`
	ProofOfWork     string `env:"PROOF_OF_WORK" envDefault:"auto" oneof:"auto off" help:"auto asks strangers for a second of work by their own device before a sign-in, a sign-up or a mail, while this server is under pressure; off never does."`
	ProofOfWorkFrom Limit  `env:"PROOF_OF_WORK_FROM" envDefault:"300/1m" help:"How many failed sign-ins of strangers on one node are pressure; a queue of password hashes that is more than half full is, too. off looks at the queue alone."`

	LimitLoginPerNet     Limit `env:"LIMIT_LOGIN_PER_NETWORK" envDefault:"300/1m" needed:"true" help:"Sign-in tries from one network (IPv4 address, IPv6 /48)."`
	LimitLoginFreeTries  Tries `env:"LIMIT_LOGIN_FREE_TRIES" envDefault:"10" needed:"true" help:"Wrong passwords before delays begin: 1 to 10, or off (on loopback only)."`
	LimitSignupPerNet    Limit `env:"LIMIT_SIGNUP_PER_NETWORK" envDefault:"20/1h" help:"Sign-ups from one network."`
	LimitSignupPassword  Limit `env:"LIMIT_SIGNUP_PASSWORD_PER_LINK" envDefault:"10/1h" needed:"true" help:"Tries of the sign-up password with a link that is opened in another browser."`
	LimitForgotPerNet    Limit `env:"LIMIT_FORGOT_PER_NETWORK" envDefault:"60/1h" needed:"true" help:"Mails that strangers of one network ask for: forgotten passwords, codes to sign in with."`
	LimitMailPerAddress  Limit `env:"LIMIT_MAIL_PER_ADDRESS" envDefault:"5/1h" needed:"true" help:"Mails to one address for each purpose."`
	LimitPasskeyPerNet   Limit `env:"LIMIT_PASSKEY_PER_NETWORK" envDefault:"600/1m" help:"Challenges for a sign-in with a passkey from one network; a login page asks for one each time it is opened."`
	LimitStrangersPerNet Limit `env:"LIMIT_STRANGERS_PER_NETWORK" envDefault:"600/1m" help:"Every other write from one network of who is not signed in, such as codes and links of mails."`
	LimitWrites          Limit `env:"LIMIT_WRITES_PER_ACCOUNT" envDefault:"300/1m" help:"Writes of one account, with a browser or a token."`
	LimitRefresh         Limit `env:"LIMIT_REFRESH_PER_SESSION" envDefault:"120/1m" help:"Exchanges of a refresh token for one sign-in."`
	LimitProfile         Limit `env:"LIMIT_PROFILE_PER_ACCOUNT" envDefault:"100/1h" help:"Changes of name or username of one account."`
	LimitEmail           Limit `env:"LIMIT_EMAIL_PER_ACCOUNT" envDefault:"10/1h" help:"Changes of address that one account begins; each writes to an address of its choice."`
	LimitInvite          Limit `env:"LIMIT_INVITE_PER_ACCOUNT" envDefault:"100/1h" help:"Invitations that one account sends."`
	LimitData            Limit `env:"LIMIT_DATA_PER_ACCOUNT" envDefault:"10/1h" help:"Downloads of their own data by one account."`
	LimitIntrospect      Limit `env:"LIMIT_INTROSPECT_PER_SERVICE" envDefault:"60000/1m" help:"Tokens that one service asks about."`
	LimitFeed            Limit `env:"LIMIT_FEED_PER_SERVICE" envDefault:"60000/1m" help:"Snapshots, streams begun and reports of one service that follows the revocation feed."`
	LimitStreams         Count `env:"LIMIT_STREAMS_PER_SERVICE" envDefault:"200" help:"Streams of the revocation feed that one service has open on one node: a number, or off."`
	LimitInstances       Count `env:"LIMIT_INSTANCES_PER_SERVICE" envDefault:"100" help:"Running instances that one service registers on all nodes together: a number, or off."`

	AuditCheckpointFile  string        `env:"AUDIT_CHECKPOINT_FILE" help:"File to which signed checkpoints of the audit log are added. Best on a disk that whoever has the database cannot write. Default: none."`
	AuditCheckpointURL   Secret        `env:"AUDIT_CHECKPOINT_URL" secret:"true" help:"Address (https, or http on loopback) to which signed checkpoints of the audit log are sent as JSON. Default: none."`
	AuditCheckpointEvery time.Duration `env:"AUDIT_CHECKPOINT_EVERY" envDefault:"1h" min:"1s" max:"168h" help:"How often a checkpoint is written; one more when a server stops."`
	OutboundNetworks     Networks      `env:"OUTBOUND_NETWORKS" help:"Networks (CIDR, separated by commas) that are not of the internet and to which requests of this server may still go, such as 10.2.0.0/16 for a receiver of checkpoints. Default: none."`

	DrainTime   time.Duration `env:"DRAIN_TIME" envDefault:"0s" max:"5m" help:"How long a server that is told to stop goes on serving while /readyz is false already, so that a load balancer sends nobody there any more. Longer than it takes to notice; 0s with one server."`
	MetricsAddr string        `env:"METRICS_ADDR" help:"Address and port of a listener of its own for /metrics, and for /healthz and /readyz, which are answered here without waiting for those who connect to LISTEN_ADDR. Default: none."`
	LogFormat   string        `env:"LOG_FORMAT" oneof:"text json" help:"text or json. Default: text on a terminal, else json."`
	LogLevel    string        `env:"LOG_LEVEL" envDefault:"info" oneof:"debug info warn error" help:"debug also logs requests that succeeded."`
}

// Secret is a setting that prints as "[secret]"; Reveal gives it away.
type Secret string

// Reveal returns the value itself.
func (s Secret) Reveal() string { return string(s) }

// String implements fmt.Stringer.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "[secret]"
}

// GoString implements fmt.GoStringer.
func (s Secret) GoString() string { return s.String() }

// LogValue implements slog.LogValuer.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// URL is APP_URL parsed. Load has checked it, so it cannot fail.
func (c Config) URL() *url.URL {
	u, err := url.Parse(c.AppURL)
	if err != nil {
		return &url.URL{}
	}
	return u
}

// UsesSQLite reports whether the embedded database is in use.
func (c Config) UsesSQLite() bool { return c.SQLitePath() != "" }

// SlogLevel is LOG_LEVEL as slog knows it.
func (c Config) SlogLevel() slog.Level {
	var l slog.Level
	_ = l.UnmarshalText([]byte(c.LogLevel)) // Load has checked the word
	return l
}
