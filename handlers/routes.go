package handlers

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"gatehouse/accounts"
	"gatehouse/tokens"
)

// Group decides how a route is wrapped and answers.
type Group string

// The groups; middleware.Set has the chain of each.
const (
	Page   Group = "page"   // HTML, web session, cross-origin check
	Either Group = "either" // a page that answers JSON when asked to
	API    Group = "api"    // JSON, bearer token, no cookie
	Lean   Group = "lean"   // API without body and database
	Public Group = "public" // JSON under any Host
	Feed   Group = "feed"   // Public with a body
	OAuth  Group = "oauth"  // API with a form for a body (RFC 6749)
	Asset  Group = "asset"  // files that are the same for everybody
)

// Guard is what a request must show before its handler runs.
type Guard string

// The guards, in the order in which they are asked.
const (
	Session  Guard = "session"       // signed in with a browser
	Recent   Guard = "recent"        // and proved again a short time ago
	StepUp   Guard = "step_up"       // Recent, with all factors that the account has
	Second   Guard = "second"        // StepUp, but for a password that the route takes itself
	AAL2     Guard = "aal2"          // Recent, with two factors
	Bearer   Guard = "bearer"        // an access token
	Account  Guard = "scope:account" // of a sign-in, not a personal token
	Service  Guard = "service"       // the credential of a service
	DevInbox Guard = "dev_inbox"     // on this machine only
)

// Route is one row of the route table.
type Route struct {
	Method, Path string
	Group        Group
	Guards       []Guard
	run          func(*app, *gin.Context) error
}

const (
	get    = http.MethodGet
	post   = http.MethodPost
	patch  = http.MethodPatch
	remove = http.MethodDelete
)

func guards(g ...Guard) []Guard { return g }

// scopeGuard begins the guards that ask for a scope, which a sign-in has all of.
const scopeGuard = "scope:"

func scoped(scope string) Guard { return Guard(scopeGuard + scope) }

// permissionGuard begins the guards that ask the database what somebody may do.
const permissionGuard = "permission:"

func permitted(p accounts.Permission) Guard { return Guard(permissionGuard + string(p)) }

// table is every route of the product but those below /metrics, which has a
// listener of its own. A GET row also answers HEAD.
var table = []Route{
	{get, "/", Page, nil, (*app).home},
	{get, "/login", Page, nil, (*app).loginForm},
	{post, "/login", Either, nil, (*app).login},
	{get, "/login/emailcode", Page, nil, (*app).codeForm},
	{post, "/login/emailcode", Page, nil, (*app).code},
	{get, "/login/totp", Page, nil, stepForm("totp")},
	{post, "/login/totp", Page, nil, step("totp")},
	{get, "/login/recovery", Page, nil, stepForm("recovery")},
	{post, "/login/recovery", Page, nil, step("recovery")},
	{get, "/login/reset", Page, nil, (*app).lostForm},
	{post, "/login/reset", Page, nil, (*app).lost},
	{get, "/login/enrol", Page, nil, (*app).enrolForm},
	{post, "/login/enrol", Page, nil, (*app).enrol},
	{post, "/login/enrol/passkey/begin", Page, nil, (*app).enrolPasskeyBegin},
	{get, "/login/passkey", Page, nil, (*app).passkeyForm},
	{post, "/login/passkey", Page, nil, (*app).passkeyLogin},
	{post, "/login/passkey/begin", Page, nil, (*app).passkeyBegin},
	{post, "/logout", Page, nil, (*app).logout},
	{get, "/register", Page, nil, (*app).registerForm},
	{post, "/register", Page, nil, (*app).register},
	{get, "/verify", Page, nil, (*app).verifyForm},
	{post, "/verify", Page, nil, (*app).verify},
	{post, "/verify/resend", Page, nil, (*app).verifyResend},
	{get, "/forgot", Page, nil, (*app).forgotForm},
	{post, "/forgot", Page, nil, (*app).forgot},
	{get, "/reset", Page, nil, (*app).resetForm},
	{post, "/reset", Page, nil, (*app).reset},
	{get, "/undo", Page, nil, (*app).undoForm},
	{post, "/undo", Page, nil, (*app).undo},
	{get, "/invitation", Page, nil, (*app).invitationForm},
	{post, "/invitation", Page, nil, (*app).acceptInvitation},
	{get, "/setup", Page, nil, (*app).setupForm},
	{post, "/setup", Page, nil, (*app).setup},
	{get, "/public", Page, nil, (*app).public},
	{get, "/docs", Page, nil, (*app).docs},

	{get, "/account", Page, guards(Session), (*app).account},
	{get, "/account/profile", Page, guards(Session), (*app).profileForm},
	{post, "/account/profile", Page, guards(Session), (*app).profile},
	{get, "/account/email", Page, guards(Session, StepUp), (*app).emailForm},
	{post, "/account/email", Page, guards(Session, StepUp), (*app).email},
	{get, "/account/email/verify", Page, guards(Session), (*app).emailVerifyForm},
	{post, "/account/email/verify", Page, guards(Session), (*app).emailVerify},
	{get, "/account/security", Page, guards(Session), (*app).securityForm},
	{post, "/account/security", Page, guards(Session, Second), (*app).security},
	{get, "/account/security/trusted", Page, guards(Session), (*app).backToSecurity},
	{post, "/account/security/trusted", Page, guards(Session, Recent), (*app).distrust},
	{get, "/account/security/totp", Page, guards(Session, StepUp), (*app).totpForm},
	{post, "/account/security/totp", Page, guards(Session, StepUp), (*app).totp},
	{get, "/account/security/totp/remove", Page, guards(Session), (*app).backToSecurity},
	{post, "/account/security/totp/remove", Page, guards(Session, StepUp), (*app).removeTOTP},
	{get, "/account/security/recovery", Page, guards(Session), (*app).backToSecurity},
	{post, "/account/security/recovery", Page, guards(Session, StepUp), (*app).newCodes},
	{get, "/account/security/passkeys", Page, guards(Session), (*app).passkeys},
	{post, "/account/security/passkeys", Page, guards(Session, StepUp), (*app).addPasskey},
	{post, "/account/security/passkeys/begin", Page, guards(Session, StepUp), (*app).passkeysBegin},
	{get, "/account/security/passkeys/change", Page, guards(Session), (*app).backToPasskeys},
	{post, "/account/security/passkeys/change", Page, guards(Session), (*app).changePasskey},
	{get, "/account/security/passkeys/remove", Page, guards(Session), (*app).backToPasskeys},
	{post, "/account/security/passkeys/remove", Page, guards(Session, StepUp), (*app).removePasskey},
	{get, "/account/sessions", Page, guards(Session), (*app).sessions},
	{post, "/account/sessions", Page, guards(Session, Recent), (*app).endSessions},
	{get, "/account/tokens", Page, guards(Session), (*app).tokensForm},
	{post, "/account/tokens", Page, guards(Session, StepUp), (*app).changeTokens},
	{get, "/account/data", Page, guards(Session), (*app).dataPage},
	{post, "/account/data", Page, guards(Session, StepUp), (*app).data},
	{get, "/account/close", Page, guards(Session, StepUp), (*app).closePage},
	{post, "/account/close", Page, guards(Session, StepUp), (*app).closeAccount},
	{get, "/account/reauth", Page, guards(Session), (*app).reauthForm},
	{post, "/account/reauth", Page, guards(Session), (*app).reauth},
	{post, "/account/reauth/passkey/begin", Page, guards(Session), (*app).reauthPasskeyBegin},
	{get, "/account/reauth/continue", Page, guards(Session), (*app).continueForm},

	{get, "/admin/invitations", Page, guards(Session, permitted(accounts.PermitInvite), StepUp), (*app).invitations},
	{post, "/admin/invitations", Page, guards(Session, permitted(accounts.PermitInvite), StepUp), (*app).changeInvitations},
	{get, "/admin/audit", Page, guards(Session, permitted(accounts.PermitAudit)), (*app).audit},
	{get, "/admin/factors", Page, guards(Session, permitted(accounts.PermitFactors)), (*app).factorCountsPage},

	{get, "/dev/inbox", Page, guards(DevInbox), (*app).inbox},
	{get, "/dev/inbox.json", API, guards(DevInbox), (*app).inboxJSON},

	{get, "/auth", Lean, guards(Bearer), (*app).auth},
	{post, "/api/v1/register", API, nil, (*app).apiRegister},
	{post, "/api/v1/verify", API, nil, (*app).apiVerify},
	{post, "/api/v1/invitations/accept", API, nil, (*app).apiAcceptInvitation},
	{post, "/api/v1/password/forgot", API, nil, (*app).apiForgot},
	{post, "/api/v1/password/reset", API, nil, (*app).apiReset},
	{post, "/api/v1/login", API, nil, (*app).apiLogin},
	{post, "/api/v1/login/emailcode/begin", API, nil, (*app).apiCodeBegin},
	{post, "/api/v1/login/emailcode", API, nil, (*app).apiCode},
	{post, "/api/v1/login/totp", API, nil, apiStep("totp")},
	{post, "/api/v1/login/recovery", API, nil, apiStep("recovery")},
	{post, "/api/v1/login/enrol", API, nil, (*app).apiEnrol},
	{post, "/api/v1/login/enrol/confirm", API, nil, (*app).apiConfirmFirst},
	{post, "/api/v1/login/enrol/passkey/begin", API, nil, (*app).apiEnrolPasskeyBegin},
	{post, "/api/v1/login/enrol/passkey", API, nil, (*app).apiEnrolPasskey},
	{post, "/api/v1/login/passkey/begin", API, nil, (*app).apiPasskeyBegin},
	{post, "/api/v1/login/passkey/finish", API, nil, (*app).apiPasskeyFinish},
	{post, "/api/v1/token/refresh", API, nil, (*app).apiRefresh},
	{post, "/api/v1/logout", API, guards(Bearer, Account), (*app).apiLogout},
	{post, "/api/v1/reauth", API, guards(Bearer, Account), (*app).apiReauth},
	{post, "/api/v1/reauth/passkey/begin", API, guards(Bearer, Account), (*app).apiReauthPasskeyBegin},
	{get, "/api/v1/me", API, guards(Bearer, scoped(tokens.ScopeProfileRead)), (*app).apiMe},
	{remove, "/api/v1/me", API, guards(Bearer, Account, StepUp), (*app).apiCloseAccount},
	{get, "/api/v1/me/data", API, guards(Bearer, Account, StepUp), (*app).apiData},
	{get, "/api/v1/data/keys", Public, nil, (*app).apiDataKeys},
	{patch, "/api/v1/me", API, guards(Bearer, scoped(tokens.ScopeProfileWrite)), (*app).apiProfile},
	{post, "/api/v1/me/password", API, guards(Bearer, Account, Second), (*app).apiPassword},
	{post, "/api/v1/me/email", API, guards(Bearer, Account, StepUp), (*app).apiEmail},
	{post, "/api/v1/me/email/verify", API, guards(Bearer, Account), (*app).apiEmailVerify},
	{post, "/api/v1/me/factors/totp", API, guards(Bearer, Account, StepUp), (*app).apiTOTP},
	{post, "/api/v1/me/factors/totp/confirm", API, guards(Bearer, Account, StepUp), (*app).apiConfirmTOTP},
	{remove, "/api/v1/me/factors/totp", API, guards(Bearer, Account, StepUp), (*app).apiRemoveTOTP},
	{post, "/api/v1/me/factors/recovery", API, guards(Bearer, Account, StepUp), (*app).apiCodes},
	{get, "/api/v1/me/sessions", API, guards(Bearer, scoped(tokens.ScopeSessionsRead)), (*app).apiSessions},
	{remove, "/api/v1/me/sessions", API, guards(Bearer, Account, Recent), (*app).apiEndOthers},
	{remove, "/api/v1/me/sessions/:id", API, guards(Bearer, Account, Recent), (*app).apiEndSession},
	{get, "/api/v1/me/factors/passkeys", API, guards(Bearer, Account), (*app).apiPasskeys},
	{post, "/api/v1/me/factors/passkeys/begin", API, guards(Bearer, Account, StepUp), (*app).apiAddPasskeyBegin},
	{post, "/api/v1/me/factors/passkeys", API, guards(Bearer, Account, StepUp), (*app).apiAddPasskey},
	{patch, "/api/v1/me/factors/passkeys/:id", API, guards(Bearer, Account), (*app).apiRenamePasskey},
	{remove, "/api/v1/me/factors/passkeys/:id", API, guards(Bearer, Account, StepUp), (*app).apiRemovePasskey},
	{get, "/api/v1/me/trusted", API, guards(Bearer, Account), (*app).apiTrusted},
	{remove, "/api/v1/me/trusted", API, guards(Bearer, Account, Recent), (*app).apiDistrustAll},
	{remove, "/api/v1/me/trusted/:id", API, guards(Bearer, Account, Recent), (*app).apiDistrust},
	{get, "/api/v1/me/tokens", API, guards(Bearer, Account), (*app).apiPersonal},
	{post, "/api/v1/me/tokens", API, guards(Bearer, Account, StepUp), (*app).apiMakePersonal},
	{remove, "/api/v1/me/tokens/:id", API, guards(Bearer, Account, Recent), (*app).apiEndPersonal},

	{get, "/api/v1/admin/invitations", API, guards(Bearer, Account, permitted(accounts.PermitInvite)), (*app).apiInvitations},
	{post, "/api/v1/admin/invitations", API, guards(Bearer, Account, permitted(accounts.PermitInvite), StepUp), (*app).apiInvite},
	{get, "/api/v1/admin/factors", API, guards(Bearer, Account, permitted(accounts.PermitFactors)), (*app).apiFactorCounts},
	{remove, "/api/v1/admin/invitations/:id", API, guards(Bearer, Account, permitted(accounts.PermitInvite), Recent), (*app).apiWithdrawInvitation},
	{get, "/api/v1/admin/audit", API, guards(Bearer, Account, permitted(accounts.PermitAudit)), (*app).apiAudit},

	{post, "/oauth/introspect", OAuth, guards(Service), (*app).introspect},
	{post, "/oauth/revoke", OAuth, nil, (*app).revokeToken},

	{get, "/api/v1/revocations", Public, guards(Service), (*app).apiRevocations},
	{get, "/api/v1/revocations/stream", Public, guards(Service), (*app).apiRevocationStream},
	{post, "/api/v1/revocations/ack", Feed, guards(Service), (*app).apiRevocationAck},
	{get, "/api/v1/revocations/keys", Public, nil, (*app).apiRevocationKeys},

	{get, "/healthz", Public, nil, (*app).healthz},
	{get, "/readyz", Public, nil, (*app).readyz},
	{get, "/.well-known/jwks.json", Public, nil, (*app).jwks},
	{get, "/.well-known/openid-configuration", Public, nil, (*app).discovery},
	{get, "/.well-known/webauthn", Public, nil, (*app).related},
	{get, "/.well-known/change-password", Page, nil, (*app).changePassword},
	{get, "/openapi.json", Lean, nil, (*app).openAPI},
	{get, "/static/*file", Asset, nil, (*app).static},
	{get, "/favicon.ico", Asset, nil, (*app).favicon},
}

// Table is the route table, for checks of what else describes the routes.
func Table() []Route { return table }
