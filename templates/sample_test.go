package templates_test

import (
	"encoding/base64"
	"strings"
	"time"

	"gatehouse/locales"
	"gatehouse/templates"
)

// sample is a page with a view like those of a real visit.
type sample struct {
	name, page string
	view       any
}

var sampleNow = time.Date(2026, 11, 23, 10, 18, 49, 0, time.UTC)

const (
	firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"
	iphone  = "Mozilla/5.0 (iPhone; CPU iPhone OS 26_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.1 Mobile/15E148 Safari/604.1"
	chrome  = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36"
	curl    = "curl/8.5.0"
)

func layout(path string) templates.Layout {
	return templates.Layout{Path: path, Operator: "Harbour", Now: sampleNow}
}

func inside(path string, flash ...templates.Flash) templates.Layout {
	l := layout(path)
	l.User = &templates.Who{Name: "Mara Lindqvist", Login: "mara"}
	l.Flash = flash
	return l
}

// mistake is what a handler makes of an error in a language.
func mistake(lang string, typed map[string]string, reason string, params map[string]any, fields ...string) templates.Form {
	m := templates.Mistake{Reason: reason, Text: locales.Text(lang, "error."+reason, params), Fields: map[string]string{}}
	m.Throttled = reason == "too_many_attempts" || strings.HasPrefix(reason, "proof_of_work")
	for i := 0; i+1 < len(fields); i += 2 {
		m.Fields[fields[i]] = locales.Text(lang, "field."+fields[i+1], map[string]any{"Missing": 6, "Max": 64})
	}
	return templates.NewForm(typed, m)
}

func sampleToken() string {
	part := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	return part(`{"alg":"ES256","typ":"at+jwt","kid":"k7-2026-11-9fe01b"}`) + "." +
		part(`{"iss":"http://localhost:5000","aud":"http://localhost:5000","sub":"019aa0f1-6f0c-7c31-9c57-2b8e1d40f6a2",`+
			`"client_id":"gatehouse","sid":"019ab1c8-0d35-7f50-a3c1-77ab53b0b1e0","jti":"019ab1c8-2f61-7bd0-8c54-0e6b43e79f13",`+
			`"iat":1795429117,"exp":1795429717,"auth_time":1795428898,"acr":"aal1","amr":["pwd"],"scope":"account",`+
			`"roles":["owner"],"gen":3,"cgen":0}`) + "." + base64.RawURLEncoding.EncodeToString(make([]byte, 64))
}

func sampleWork() *templates.Work {
	return &templates.Work{Challenge: "gh1.18.1767323165.AAAAAAAAAAAAAAAAAAAAAA.AAAAAAAAAAAAAAAAAAAAAA", Bits: 18, Ticket: "ghw1.88366158.AAAAAAAAAAAAAAAAAAAAAA"}
}

func gateSamples(r *templates.Renderer, lang string) []sample {
	typed := map[string]string{"username": "mara@harbour.example", "email": "mara@", "name": "Mara Lindqvist", "password": "secret"}
	wait := map[string]any{"At": "10:24", "Minutes": 4, "Seconds": 201}
	signedOut := layout("/login")
	signedOut.Flash = []templates.Flash{r.Flash(lang, templates.Good, "signed_out", nil)}
	signedOut.Operator = ""
	errorView := func(status int, title, reason string, view templates.ErrorView) templates.ErrorView {
		view.Layout, view.Status, view.RequestID = layout("/missing"), status, "019ab1c8-2f61-7bd0-8c54-0e6b43e79f13"
		view.Title, view.Text = locales.Text(lang, title, nil), locales.Text(lang, reason, wait)
		return view
	}
	return []sample{
		{"login", templates.PageLogin, templates.LoginView{Layout: layout("/login")}},
		{"login-passkeys", templates.PageLogin, templates.LoginView{Layout: layout("/login"), Passkeys: true}},
		{"login-domains", templates.PageLogin, templates.LoginView{Layout: layout("/login"), ReturnTo: "/account", Passkeys: true, Domains: []string{"old.example"}}},
		{"login-unknown", templates.PageLogin, templates.LoginView{
			Layout: layout("/login"), Passkeys: true, RPID: "localhost", Unknown: "AAAA", Form: mistake(lang, nil, "passkey_unknown", nil),
		}},
		{"login-passkey", templates.PageLoginPasskey, templates.StepView{Layout: layout("/login/passkey"), Login: "mara", Ways: []string{"totp"}}},
		{"login-passkey-domains", templates.PageLoginPasskey, templates.StepView{Layout: layout("/login/passkey"), Login: "mara", Domains: []string{"old.example"}}},
		{"login-out", templates.PageLogin, templates.LoginView{Layout: signedOut, ReturnTo: "/account/tokens"}},
		{"login-refused", templates.PageLogin, templates.LoginView{Layout: layout("/login"), Form: mistake(lang, typed, "invalid_credentials", nil)}},
		{"login-throttled", templates.PageLogin, templates.LoginView{Layout: layout("/login"), Throttled: true, Passkeys: true, Form: mistake(lang, typed, "too_many_attempts", wait)}},
		{"login-work", templates.PageLogin, templates.LoginView{Layout: layout("/login"), Work: sampleWork()}},
		{"login-work-wanted", templates.PageLogin, templates.LoginView{
			Layout: layout("/login"), Form: mistake(lang, typed, "proof_of_work_required", nil), Work: sampleWork(),
		}},
		{"login-work-wait", templates.PageLogin, templates.LoginView{
			Layout: layout("/login"), Form: mistake(lang, typed, "proof_of_work_wait", map[string]any{"Seconds": 34}), Work: sampleWork(),
		}},
		{"register-work", templates.PageRegister, templates.RegisterView{Layout: layout("/register"), MinLength: 8, Work: sampleWork()}},
		{"register", templates.PageRegister, templates.RegisterView{Layout: layout("/register"), MinLength: 8}},
		{"register-wrong", templates.PageRegister, templates.RegisterView{
			Layout: layout("/register"), MinLength: 8,
			Form: mistake(lang, typed, "validation_failed", nil, "email", "not_an_address", "password", "common"),
		}},
		{"verify", templates.PageVerify, templates.VerifyView{Layout: layout("/verify"), Email: "mara@harbour.example", CodeTTL: 10 * time.Minute}},
		{"verify-wrong", templates.PageVerify, templates.VerifyView{
			Layout: layout("/verify"), Email: "mara@harbour.example", Form: mistake(lang, nil, "code_wrong", nil),
		}},
		{"verify-link", templates.PageVerify, templates.VerifyView{Layout: layout("/verify"), Email: "mara@harbour.example", Token: "gh_vf_abc"}},
		{"verify-elsewhere", templates.PageVerify, templates.VerifyView{
			Layout: layout("/verify"), Email: "mara@harbour.example", Token: "gh_vf_abc", AskPassword: true,
		}},
		{"verify-taken", templates.PageVerify, templates.VerifyView{
			Layout: layout("/verify"), Email: "mara@harbour.example", Token: "gh_vf_abc", AskPassword: true, AskUsername: true,
			Form: mistake(lang, map[string]string{"username": "mara"}, "username_taken", nil, "username", "taken"),
		}},
		{"setup", templates.PageSetup, templates.SetupView{Layout: layout("/setup"), Token: "gh_su_abc", MinLength: 8}},
		{"forgot", templates.PageForgot, templates.ForgotView{
			Layout: layout("/forgot"), Form: mistake(lang, map[string]string{"username": "mara@"}, "validation_failed", nil, "username", "not_an_address"),
		}},
		{"reset-code", templates.PageReset, templates.ResetView{
			Layout: layout("/reset"), Login: "mara@harbour.example", MinLength: 8, CodeTTL: 10 * time.Minute, LinkTTL: 15 * time.Minute,
			Form: mistake(lang, nil, "code_wrong", nil),
		}},
		{"reset", templates.PageReset, templates.ResetView{
			Layout: layout("/reset"), Token: "gh_rs_abc", Login: "mara", MinLength: 8,
			Form: mistake(lang, nil, "validation_failed", nil, "new_password", "too_short"),
		}},
		{"undo", templates.PageUndo, templates.UndoView{
			Layout: layout("/undo"), Token: "gh_ot_abc", Login: "mara", Email: "mara@harbour.example", MinLength: 8,
		}},
		{"login-emailcode", templates.PageLoginEmailCode, templates.EmailCodeView{Layout: layout("/login/emailcode")}},
		{"login-emailcode-asked", templates.PageLoginEmailCode, templates.EmailCodeView{
			Layout: layout("/login/emailcode"), Asked: true, Login: "mara@harbour.example", CodeTTL: 10 * time.Minute, Form: mistake(lang, nil, "code_wrong", nil),
		}},
		{"login-emailcode-on", templates.PageLogin, templates.LoginView{Layout: layout("/login"), EmailCode: true}},
		{"invitation", templates.PageInvitation, templates.InvitationView{
			Layout: layout("/invitation"), Token: "gh_ot_abc", Email: "mara@harbour.example", MinLength: 8,
			Form: mistake(lang, typed, "validation_failed", nil, "password", "common"),
		}},
		{"reauth", templates.PageReauth, templates.ReauthView{Layout: inside("/account/reauth"), Login: "mara", ReturnTo: "/account/tokens", Method: "password"}},
		{"reauth-passkey", templates.PageReauth, templates.ReauthView{Layout: inside("/account/reauth"), Login: "mara", ReturnTo: "/account/tokens", Method: "passkey", Domains: []string{"old.example"}}},
		{"reauth-anew", templates.PageReauth, templates.ReauthView{Layout: inside("/account/reauth"), Login: "mara", ReturnTo: "/account/tokens", NoWay: true}},
		{"reauth-password-first", templates.PageReauth, templates.ReauthView{Layout: inside("/account/reauth"), Login: "mara", ReturnTo: "/account/tokens", NoWay: true, NeedPassword: true}},
		{"reauth-code", templates.PageReauth, templates.ReauthView{Layout: inside("/account/reauth"), Login: "mara", ReturnTo: "/account/tokens", Method: "totp", Ways: []string{"password"}}},
		{"continue", templates.PageContinue, templates.ContinueView{
			Layout: inside("/account/reauth/continue"), Path: "/account/email", Fields: []templates.ContinueField{{Name: "email", Value: "mara@new.example"}},
		}},
		{"login-totp", templates.PageLoginTOTP, templates.StepView{Layout: layout("/login/totp"), Login: "mara@harbour.example", Ways: []string{"passkey", "recovery"}}},
		{"login-totp-trust", templates.PageLoginTOTP, templates.StepView{Layout: layout("/login/totp"), Login: "mara", Trust: 720 * time.Hour}},
		{"login-totp-wrong", templates.PageLoginTOTP, templates.StepView{Layout: layout("/login/totp"), Login: "mara", Form: mistake(lang, nil, "totp_wrong", nil)}},
		{"login-recovery", templates.PageLoginRecovery, templates.StepView{Layout: layout("/login/recovery"), Login: "mara", Ways: []string{"totp"}}},
		{"login-reset", templates.PageLoginReset, templates.LostView{Layout: layout("/login/reset"), Token: "gh_ot_abc"}},
		{"login-enrol", templates.PageLoginEnrol, templates.EnrolView{SeedView: templates.SeedView{Layout: layout("/login/enrol")}, Passkey: true}},
		{"login-enrol-app", templates.PageLoginEnrol, templates.EnrolView{SeedView: templates.SeedView{Layout: layout("/login/enrol")}}},
		{"login-enrol-seed", templates.PageLoginEnrol, templates.EnrolView{SeedView: sampleSeed(layout("/login/enrol"))}},
		{"public", templates.PagePublic, templates.PublicView{Layout: layout("/public"), DevInbox: true}},
		{"public-in", templates.PagePublic, templates.PublicView{Layout: inside("/public")}},
		{"error-404", templates.PageError, errorView(404, "error.status.404.title", "error.not_found", templates.ErrorView{})},
		{"error-429", templates.PageError, errorView(429, "error.status.429.title", "error.too_many_attempts", templates.ErrorView{RetryAfter: 4 * time.Minute})},
		{"error-503", templates.PageError, errorView(503, "error.busy.title", "error.busy", templates.ErrorView{RetryAfter: 5 * time.Second, Retry: "/login"})},
	}
}

func houseSamples(r *templates.Renderer, lang string) []sample {
	ended := r.Flash(lang, templates.Good, "session_ended", map[string]string{"Device": templates.Device(chrome).In(lang)})
	changed := r.Flash(lang, templates.Good, "password_changed", map[string]string{"Count": "3"})
	current := templates.SessionRow{ID: "1", UserAgent: firefox, Methods: []string{"pwd"}, Since: sampleNow.Add(-31 * time.Second), IP: "198.51.100.24"}
	others := []templates.SessionRow{
		{ID: "2", UserAgent: iphone, Methods: []string{"hwk"}, Since: sampleNow.AddDate(0, 0, -21), LastSeen: sampleNow.Add(-9 * time.Minute), IP: "198.51.100.24"},
		{ID: "3", UserAgent: chrome, Methods: []string{"pwd", "otp"}, Since: sampleNow.AddDate(0, 0, -11), LastSeen: sampleNow.Add(-17 * time.Hour), IP: "2001:db8:85a3::8a2e:370:7334"},
		{ID: "4", UserAgent: curl, Methods: []string{"pwd"}, Since: sampleNow.AddDate(-1, 0, -3), LastSeen: sampleNow.AddDate(0, 0, -3)},
	}
	sessions := templates.SessionsView{Layout: inside("/account/sessions", ended), Current: current, Others: others, IdleTTL: 24 * time.Hour, AbsoluteTTL: 720 * time.Hour}
	alone := sessions
	alone.Others, alone.Flash = nil, nil
	token, err := templates.NewTokenView(inside("/account/tokens"), sampleToken(), "http://localhost:5000")
	if err != nil {
		panic(err)
	}
	old := token
	old.Now = sampleNow.Add(time.Hour)
	security := templates.SecurityView{Layout: inside("/account/security", changed), Login: "mara", PasswordChangedAt: sampleNow.AddDate(0, -4, -9), MinLength: 8, Proved: true, Health: "password_only"}
	app := security
	app.TOTP, app.RecoveryCodes, app.Health, app.Proved = true, 2, "few_codes", false
	app.Trusted = []templates.TrustedRow{
		{ID: "01890a5d-ac96-774b-bcce-b302099a8057", UserAgent: firefox, Since: sampleNow.AddDate(0, 0, -3), Ends: sampleNow.AddDate(0, 0, 27), LastUsed: sampleNow.Add(-2 * time.Hour)},
		{ID: "01890a5d-ac96-774b-bcce-b302099a8058", UserAgent: iphone, Since: sampleNow.AddDate(0, 0, -1), Ends: sampleNow.AddDate(0, 0, 29)},
	}
	wrong := security
	wrong.Form = mistake(lang, nil, "validation_failed", nil, "current_password", "wrong", "new_password", "same_as_name")
	wrong.Flash = nil
	audited := sampleAudit(templates.NewForm(map[string]string{"action": "signin.*", "since": "2026-11-01"}, templates.Mistake{}))
	none := sampleInvitations(templates.NewForm(nil, templates.Mistake{}))
	none.List = nil
	return []sample{
		{"account", templates.PageAccount, templates.AccountView{
			Layout: inside("/account", r.Flash(lang, templates.Neutral, "signed_in", nil)), Name: "Mara Lindqvist", Username: "mara", Email: "mara@harbour.example",
			Methods: []string{"pwd"}, PasswordChangedAt: sampleNow.AddDate(0, -4, -9), Sessions: 4,
		}},
		{"profile", templates.PageProfile, templates.ProfileView{
			Layout: inside("/account/profile"), Email: "mara@harbour.example", Verified: true,
			Form: mistake(lang, map[string]string{"name": "Mara Lindqvist", "username": "mara@home"}, "validation_failed", nil, "username", "at_sign"),
		}},
		{"email", templates.PageEmail, templates.EmailView{
			Layout: inside("/account/email"), Email: "mara@harbour.example",
			Form: mistake(lang, map[string]string{"email": "mara@"}, "validation_failed", nil, "email", "not_an_address"),
		}},
		{"email-code", templates.PageEmailVerify, templates.EmailVerifyView{
			Layout: inside("/account/email/verify"), Email: "mara@quay.example", CodeTTL: 10 * time.Minute, Form: mistake(lang, nil, "code_wrong", nil),
		}},
		{"email-link", templates.PageEmailVerify, templates.EmailVerifyView{
			Layout: inside("/account/email/verify"), Email: "mara@quay.example", Token: "gh_ot_abc", CodeTTL: 10 * time.Minute,
		}},
		{"data", templates.PageData, templates.DataView{Layout: inside("/account/data")}},
		{"close", templates.PageClose, templates.CloseView{
			Layout: inside("/account/close"), TTL: 14 * 24 * time.Hour, EraseAt: sampleNow.AddDate(0, 0, 14),
		}},
		{"invitations", templates.PageInvitations, sampleInvitations(mistake(lang, map[string]string{"email": "tomasz@harbour.example", "roles": "owner"},
			"validation_failed", nil, "roles", "above_yours"))},
		{"factor-counts", templates.PageFactorCounts, sampleCounts()},
		{"factor-counts-good", templates.PageFactorCounts, goodCounts()},
		{"invitations-none", templates.PageInvitations, none},
		{"audit", templates.PageAudit, audited},
		{"audit-wrong", templates.PageAudit, templates.AuditView{
			Layout: audited.Layout, Asked: true, Failures: true,
			Form: mistake(lang, map[string]string{"user": "nobody", "since": "2026-13-01"}, "validation_failed", nil, "user", "nobody", "since", "not_a_date"),
		}},
		{"security", templates.PageSecurity, security},
		{"security-app", templates.PageSecurity, app},
		{"passkeys", templates.PagePasskeys, samplePasskeys(templates.Form{}, false)},
		{"passkeys-wrong", templates.PagePasskeys, samplePasskeys(mistake(lang, map[string]string{"name": ""}, "validation_failed", nil, "name", "required"), true)},
		{"passkeys-none", templates.PagePasskeys, templates.PasskeysView{Layout: inside("/account/security/passkeys"), Proved: true}},
		{"passkeys-off", templates.PagePasskeys, templates.PasskeysView{Layout: inside("/account/security/passkeys"), Off: true}},
		{"totp", templates.PageTOTP, templates.SeedView{Layout: inside("/account/security/totp")}},
		{"totp-seed", templates.PageTOTP, sampleSeed(inside("/account/security/totp"))},
		{"codes", templates.PageCodes, templates.CodesView{
			Layout: inside("/account/security/recovery", r.Flash(lang, templates.Good, "recovery_on", nil)), Codes: sampleCodes, Site: "http://localhost:5000", Back: "/account/security",
			File: templates.CodesFile("http://localhost:5000", "mara", sampleCodes),
		}},
		{"security-wrong", templates.PageSecurity, wrong},
		{"sessions", templates.PageSessions, sessions},
		{"sessions-alone", templates.PageSessions, alone},
		{"tokens", templates.PageTokens, templates.TokensView{Layout: inside("/account/tokens"), TTL: 10 * time.Minute}},
		{"tokens-some", templates.PageTokens, sampleTokens(templates.NewForm(map[string]string{"expires_at": "2027-02-21"}, templates.Mistake{}))},
		{"tokens-wrong", templates.PageTokens, sampleTokens(mistake(lang, map[string]string{"token_name": "Backup", "apps": "orders", "profile:read": "1", "expires_at": "2029-01-01"},
			"validation_failed", nil, "apps", "unknown_scope", "expires_at", "too_far"))},
		{"tokens-none", templates.PageTokens, sampleTokens(mistake(lang, nil, "validation_failed", nil, "scopes", "required"))},
		{"personal", templates.PagePersonal, templates.PersonalView{
			Layout: inside("/account/tokens"), Token: "gh_pat_" + strings.Repeat("W", 49), Name: "Nightly backup", AppURL: "http://localhost:5000",
			Scopes: []string{"app:orders:read", "profile:read"}, Ends: sampleNow.AddDate(0, 0, 90),
		}},
		{"token", templates.PageToken, token},
		{"token-ended", templates.PageToken, old},
		{"inbox", templates.PageInbox, sampleInbox()},
		{"inbox-empty", templates.PageInbox, templates.InboxView{Layout: layout("/dev/inbox")}},
		{"docs", templates.PageDocs, sampleDocs("")},
		{"docs-group", templates.PageDocs, sampleDocs("signing-in")},
	}
}

var sampleCodes = []string{
	"1X7T-92QM-4WHD-M9S3", "B3RN-8VPC-Y6ZE-46Q3", "29HG-5TJX-2QKA-D25V", "7WDP-NC4R-83FV-T4F5", "QZ2E-K6YB-T5MH-V37E",
	"4JVX-R8GD-9PNC-3S3E", "H6TK-3MWQ-Z7RB-28JT", "XP5C-VY92-E4JG-97KB", "8NBA-Q7KT-D6WX-6CQ6", "R2FM-H9ZV-5CYP-43DZ",
}

func sampleSeed(l templates.Layout) templates.SeedView {
	qr, err := templates.QR("otpauth://totp/Gatehouse:mara@harbour.example?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Gatehouse&algorithm=SHA1&digits=6&period=30")
	if err != nil {
		panic(err)
	}
	return templates.SeedView{Layout: l, Asked: true, Secret: "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", QR: qr}
}

func sampleInvitations(f templates.Form) templates.InvitationsView {
	view := templates.InvitationsView{Layout: inside("/admin/invitations"), Form: f, TTL: 7 * 24 * time.Hour}
	view.User.Invites = true
	for i, state := range []string{"open", "accepted", "withdrawn", "expired"} {
		view.List = append(view.List, templates.InvitationRow{
			ID: state, Email: state + "@harbour.example", State: state, Open: state == "open", Roles: []string{"editor", "staff"}[:i%3],
			Sent: sampleNow.AddDate(0, 0, -2*i), Ends: sampleNow.AddDate(0, 0, 7-2*i),
		})
	}
	return view
}

func sampleAudit(f templates.Form) templates.AuditView {
	mara, chief := templates.AuditPerson{ID: "01890a5d-ac96-774b-bcce-b302099a8057", Name: "mara"}, templates.AuditPerson{ID: "01890a5d-ac96-774b-bcce-b302099a8058", Name: "chief@harbour.example"}
	view := templates.AuditView{Layout: inside("/admin/audit"), Form: f, Next: "/admin/audit?before=01890a5d-ac96-774b-bcce-b302099a8057"}
	view.User.Audits = true
	view.List = []templates.AuditRow{
		{ID: "1", Action: "signin", At: sampleNow.Add(-time.Minute), Subject: mara, Detail: []string{"methods=pwd"}, IP: "198.51.100.24", UserAgent: "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"},
		{ID: "2", Action: "signin", Failed: true, Reason: "invalid_credentials", At: sampleNow.Add(-2 * time.Minute), Subject: mara, IP: "203.0.113.7", UserAgent: "curl/8.14"},
		{ID: "3", Action: "user.roles", At: sampleNow.AddDate(0, 0, -1), Subject: mara, Actor: chief, Detail: []string{"roles=editor staff"}, IP: "198.51.100.3"},
		{ID: "4", Action: "password.changed", At: sampleNow.AddDate(0, 0, -3), Subject: templates.AuditPerson{ID: mara.ID, Name: mara.ID}, Erased: true},
		{ID: "5", Action: "key.promoted", At: sampleNow.AddDate(0, -1, 0), Detail: []string{"alg=ES256", "kid=4Y2mYvO8UVn1c4pCj0dTq4zqJm3J4tqv0m8yYxOZr9k", "purpose=access"}},
	}
	return view
}

func sampleCounts() templates.FactorCountsView {
	view := templates.FactorCountsView{
		Layout: inside("/admin/factors"), Accounts: 612, None: 218, One: 240, Several: 154, Passkey: 301, TOTP: 187, Recovery: 390, Admins: 5, AdminsNone: 2,
		Without: []string{"tomasz@harbour.example", "mara"},
	}
	view.User.Counts = true
	return view
}

func goodCounts() templates.FactorCountsView {
	view := templates.FactorCountsView{Layout: inside("/admin/factors"), Accounts: 1, One: 1, TOTP: 1, Admins: 1}
	view.User.Counts = true
	return view
}

func sampleTokens(f templates.Form) templates.TokensView {
	return templates.TokensView{
		Layout: inside("/account/tokens"), Form: f, Proved: true, First: "2026-11-23", Last: "2027-11-23", TTL: 10 * time.Minute,
		Tokens: []templates.PersonalRow{
			{ID: "1", Name: "Nightly backup", Scopes: []string{"app:orders:read", "profile:read"}, Ends: sampleNow.AddDate(0, 0, 90), LastUsed: sampleNow.Add(-9 * time.Minute), IP: "198.51.100.24"},
			{ID: "2", Name: "Build server", Scopes: []string{"app:deploy"}, Ends: sampleNow.AddDate(0, 0, 12), LastUsed: sampleNow.AddDate(0, 0, -3), Via: "orders"},
			{ID: "3", Name: "Try", Scopes: []string{"sessions:read"}, Ends: sampleNow.AddDate(0, 0, 366)},
		},
	}
}

func sampleInbox() templates.InboxView {
	return templates.InboxView{Layout: layout("/dev/inbox"), Messages: []templates.InboxMessage{
		{
			To: "mara@harbour.example", Subject: "418 207 is your Gatehouse code", Purpose: "verify_email", Code: "418207",
			Text: "Enter it on the page you have open.\nIt works for 10 minutes.", HTML: "<!doctype html>\n<p>Enter it & go.</p>" + strings.Repeat("<td>", 60),
			Links: []string{"http://localhost:5000/verify?token=gh_vf_9Xc2aW8LmPq0dTz4rYb7KfNs3uVh6JgE"}, At: sampleNow,
		},
		{
			To: "tomasz@harbour.example", Subject: "Somebody tried to register with your address", Purpose: "already_registered",
			Text: "You already have an account. If it was you, sign in or reset your password. If not, there’s nothing to do.", At: sampleNow.Add(-time.Hour),
		},
	}}
}

func sampleDocs(group string) templates.DocsView {
	signIn := templates.DocsOperation{
		ID: "login", Method: "POST", Path: "/api/v1/login", Summary: "Sign in with a name and a password",
		Description: "Takes `username` or an address. Answers a token pair, or what is still to be shown.",
		BodyType:    "application/json",
		Body: []templates.DocsField{
			{Name: "username", Type: "string", Required: true, Description: "Username or e-mail address."},
			{Name: "password", Type: "string", Required: true},
		},
		Answers: []templates.DocsAnswer{
			{Status: "200", Description: "Signed in.", Fields: []templates.DocsField{
				{Name: "access_token", Type: "string", Description: "A JWT (RFC 9068)."}, {Name: "expires_in", Type: "integer", Description: "Seconds."},
			}},
			{Status: "401", Description: "Name and password do not match."},
		},
	}
	end := templates.DocsOperation{
		ID: "endSession", Method: "DELETE", Path: "/api/v1/me/sessions/{id}", Summary: "End one session", Bearer: true,
		Parameters: []templates.DocsField{{Name: "id", Type: "string (uuid)", In: "path", Required: true}},
		Answers:    []templates.DocsAnswer{{Status: "204", Description: "Ended."}},
	}
	return templates.DocsView{
		Layout: layout("/docs"), Title: "Gatehouse", Version: "1.0.0", Description: "Sign-in and tokens for the apps of one team.", Group: group,
		Groups: []templates.DocsGroup{
			{Slug: "signing-in", Name: "Signing in", Description: "From a password to tokens.", Operations: []templates.DocsOperation{signIn, end}},
			{Slug: "me", Name: "Yourself", Operations: []templates.DocsOperation{end}},
		},
	}
}

func samples(r *templates.Renderer, lang string) []sample {
	return append(gateSamples(r, lang), houseSamples(r, lang)...)
}

func samplePasskeys(form templates.Form, wrong bool) templates.PasskeysView {
	return templates.PasskeysView{
		Layout: inside("/account/security/passkeys"), Form: form, Passkeys: []templates.PasskeyRow{
			{ID: "019aa0f1-6f0c-7c31-9c57-2b8e1d40f6a2", Name: "1Password", Synced: true, Since: sampleNow.AddDate(0, -2, 0), LastUsed: sampleNow, Wrong: wrong},
			{ID: "019aa0f1-6f0c-7c31-9c57-2b8e1d40f6a3", Name: "YubiKey 5", Domain: "old.harbour.example", Since: sampleNow.AddDate(-1, 0, 0)},
		},
		Signals: []templates.PasskeySignal{{RPID: "localhost", UserID: "AAAA", Name: "mara", DisplayName: "Mara Lindqvist", IDs: []string{"AAAA", "BBBB"}}},
	}
}
