package audit

// Action is what was done. The words are stable: operators filter by them.
type Action string

// The one list of actions. The reason of a refusal is not part of the action;
// it stands in Event.Reason.
const (
	SignIn Action = "signin"
	// SignInStep is the first half of a sign-in that asks for more.
	SignInStep Action = "signin.step"
	SignOut    Action = "signout"
	Reauth     Action = "reauth"

	SignupRequested Action = "signup.requested"
	SignupResent    Action = "signup.resent"
	SignupVerified  Action = "signup.verified"

	PasswordChanged Action = "password.changed"
	PasswordReset   Action = "password.reset"
	PasswordRehash  Action = "password.rehashed"
	ResetLink       Action = "reset.link"
	ResetRequested  Action = "reset.requested"
	CodeRequested   Action = "code.requested"
	ProfileChanged  Action = "profile.changed"
	EmailRequested  Action = "email.requested"
	EmailChanged    Action = "email.changed"
	EmailUndone     Action = "email.undone"

	SessionEnded  Action = "session.ended"
	SessionsEnded Action = "sessions.ended"

	RefreshRotated  Action = "refresh.rotated"
	RefreshReused   Action = "refresh.reused"
	RefreshRepeated Action = "refresh.repeated"
	RefreshRefused  Action = "refresh.refused"
	TokenShown      Action = "token.shown"
	TokenRevoked    Action = "token.revoked"

	FactorAdded   Action = "factor.added"
	FactorRemoved Action = "factor.removed"
	// FactorRenamed is another name for a passkey, which opens and shuts nothing.
	FactorRenamed Action = "factor.renamed"
	RecoveryMade  Action = "recovery.made"
	// FactorsReset is a link of an operator, and the use of it.
	FactorsReset Action = "factors.reset"

	// DeviceTrusted is a browser that is not asked for a second factor any more.
	DeviceTrusted    Action = "device.trusted"
	DeviceDistrusted Action = "device.distrusted"

	PersonalMade  Action = "personal_token.made"
	PersonalEnded Action = "personal_token.ended"

	UserCreated  Action = "user.created"
	UserDisabled Action = "user.disabled"
	UserEnabled  Action = "user.enabled"
	UserRoles    Action = "user.roles"
	// UsersImported stands for a batch of accounts that came from a file.
	UsersImported Action = "users.imported"

	// AccountClosing begins the time in which AccountKept takes it back.
	AccountClosing Action = "account.closing"
	AccountKept    Action = "account.kept"
	DataGiven      Action = "data.given"

	InvitationSent      Action = "invitation.sent"
	InvitationAccepted  Action = "invitation.accepted"
	InvitationWithdrawn Action = "invitation.withdrawn"

	SetupLink Action = "setup.link"
	SetupDone Action = "setup.done"

	ServiceAdded   Action = "service.added"
	ServiceRemoved Action = "service.removed"

	KeyCreated  Action = "key.created"
	KeyPromoted Action = "key.promoted"
	KeyRetired  Action = "key.retired"
	KeyRevoked  Action = "key.revoked"

	// DatabaseWentBack marks that the database was put back to an earlier state,
	// and that everything it could have revived was ended.
	DatabaseWentBack Action = "database.went_back"
	// ClockWentBack marks that the clock was set back, and that the access tokens
	// of before are refused for it.
	ClockWentBack Action = "clock.went_back"

	// PersonErased marks that the personal fields of a subject's rows were
	// blanked. Verify accepts blanked rows only for subjects that have it.
	PersonErased Action = "person.erased"
)

// Outcome is how it ended.
type Outcome string

// The outcomes.
const (
	Success Outcome = "success"
	Failure Outcome = "failure"
)
