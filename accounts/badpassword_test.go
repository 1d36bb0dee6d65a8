package accounts

import (
	"testing"

	"gatehouse/mail"
	"gatehouse/tokens"
)

// A rule about passwords that one path forgets is no rule.
func TestEveryPathThatSetsAPasswordRefusesABadOne(t *testing.T) {
	h := newHouse(t, sqlite(t))
	link, err := h.NewSetupLink(h.ctx())
	if err != nil {
		t.Fatal(err)
	}
	paths := map[string]func(password string) (field string, err error){
		"set-up": func(p string) (string, error) {
			_, err := h.Setup(h.ctx(), SetupInput{Token: link.Reveal(), Email: "mara@example.com", Password: p}, visitor)
			return "password", err
		},
		"sign-up": func(p string) (string, error) {
			_, err := h.Register(h.ctx(), Register{Email: "mara@example.com", Password: p, Client: visitor})
			return "password", err
		},
		"user add": func(p string) (string, error) {
			_, err := h.CreateUser(h.ctx(), NewUser{Email: "mara@example.com", Password: p}, visitor)
			return "password", err
		},
	}
	try(t, paths)
	boss := h.chief("boss@example.com", RoleOwner)
	invitation := h.invited(boss, "mara@example.com")
	u := h.person("mara.two@example.com", "mara")
	h.forgot("mara")
	m := h.lastMail("mara.two@example.com")
	if m.Purpose != mail.ResetPassword {
		t.Fatalf("mail %+v", m)
	}
	try(t, map[string]func(password string) (field string, err error){
		"invitation": func(p string) (string, error) {
			_, err := h.AcceptInvitation(h.ctx(), Accept{Token: invitation, Username: "mara99", Password: p, Client: visitor})
			return "password", err
		},
		"reset": func(p string) (string, error) { return "new_password", h.reset(h.linkToken(m), p) },
		"change": func(p string) (string, error) {
			return "new_password", h.ChangePassword(h.ctx(), h.proof(u), p, tokens.Proof{}.Session, visitor)
		},
	})
}

func try(t *testing.T, paths map[string]func(password string) (field string, err error)) {
	t.Helper()
	for name, set := range paths {
		for password, reason := range map[string]string{
			"seven77": "too_short", "password123": "common", "Mara2026!": "same_as_name", "line\nbreak and more": "unusable",
		} {
			field, err := set(password)
			t.Run(name+" "+reason, func(t *testing.T) { wantField(t, err, field, reason) })
		}
	}
}
