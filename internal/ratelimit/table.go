package ratelimit

// Name names a limit in the table, in the headers of an answer and in the
// documentation.
type Name string

// The limits that are counted in buckets of this package.
const (
	Login          Name = "login"
	Signup         Name = "signup"
	Forgot         Name = "forgot"
	Passkey        Name = "passkey"
	Strangers      Name = "strangers"
	SignupPassword Name = "signup_password"
	NewDevice      Name = "new_device"
	Writes         Name = "writes"
	Refresh        Name = "refresh"
	Profile        Name = "profile"
	Email          Name = "email"
	Invite         Name = "invite"
	Data           Name = "data"
	Introspect     Name = "introspect"
	Feed           Name = "feed"
)

// The limits that are counted elsewhere, each in its own way.
const (
	Mail      Name = "mail"      // mail: rows of the outbox
	Tries     Name = "tries"     // signin: the counters of wrong secrets
	Streams   Name = "streams"   // tokens: streams that are open
	Instances Name = "instances" // tokens: rows of followers
)

// Limit is one row of the table of limits.
type Limit struct {
	Name Name
	What string // what is counted, in words
	Key  string // for whom it is counted
	// Setting is the variable that holds the rule.
	Setting string
	// Shared is whether the count is in the database, so that it holds for all
	// nodes together and outlives a restart. The others are per node.
	Shared bool
}

// Table is every limit of the product. docs/operations.md shows it, and a test
// of server keeps the two and the settings the same.
var Table = []Limit{
	{Login, "sign-ins, second steps and fresh proofs that are looked at", "network", "LIMIT_LOGIN_PER_NETWORK", false},
	{Tries, "wrong secrets before delays begin, for each factor", "account", "LIMIT_LOGIN_FREE_TRIES", true},
	{Signup, "sign-ups", "network", "LIMIT_SIGNUP_PER_NETWORK", false},
	{SignupPassword, "sign-up passwords asked for by a link that is opened elsewhere", "link", "LIMIT_SIGNUP_PASSWORD_PER_LINK", true},
	{Forgot, "mails that strangers ask for: forgotten passwords, codes to sign in with", "network", "LIMIT_FORGOT_PER_NETWORK", false},
	{Mail, "mails for each purpose; four times as many in all", "address", "LIMIT_MAIL_PER_ADDRESS", true},
	{NewDevice, "notices of a new device", "address", "LIMIT_MAIL_PER_ADDRESS", false},
	{Passkey, "challenges for a sign-in with a passkey", "network", "LIMIT_PASSKEY_PER_NETWORK", false},
	{Strangers, "every other write of who is not signed in: codes and links of mails, invitations, sign-outs, endings of tokens", "network", "LIMIT_STRANGERS_PER_NETWORK", false},
	{Writes, "writes of who is signed in, with a browser or a token", "account", "LIMIT_WRITES_PER_ACCOUNT", false},
	{Refresh, "exchanges of a refresh token", "session", "LIMIT_REFRESH_PER_SESSION", false},
	{Profile, "changes of name or username", "account", "LIMIT_PROFILE_PER_ACCOUNT", false},
	{Email, "changes of address that are begun", "account", "LIMIT_EMAIL_PER_ACCOUNT", false},
	{Invite, "invitations", "account", "LIMIT_INVITE_PER_ACCOUNT", false},
	{Data, "downloads of one's own data", "account", "LIMIT_DATA_PER_ACCOUNT", false},
	{Introspect, "tokens asked about", "service", "LIMIT_INTROSPECT_PER_SERVICE", false},
	{Feed, "snapshots, streams begun and reports of the revocation feed", "service", "LIMIT_FEED_PER_SERVICE", false},
	{Streams, "streams open at the same time", "service", "LIMIT_STREAMS_PER_SERVICE", false},
	{Instances, "instances registered at the same time", "service", "LIMIT_INSTANCES_PER_SERVICE", true},
}
