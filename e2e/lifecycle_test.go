package e2e

import (
	"strings"
	"testing"
)

const (
	freshPassword = "another four plain words"
	newMara       = "mara@quay.example"
)

// path is the link of a letter without the address of the server.
func (l letter) path(s *server) string { return strings.TrimPrefix(l.Links[0], s.url) }

// lifecycle is forgotten, changed and taken back, in one browser or two.
func lifecycle(t *testing.T, s *server, script bool) {
	b, other := newBrowser(t, s), newBrowser(t, s)
	if !script {
		b.withoutScript()
		other.withoutScript()
	}
	b.signUp(mara, maraPassword)

	// By the code, in the browser that asked.
	b.signIn(mara, "not the password")
	b.press("a[href='/forgot']")
	b.submit("/forgot", fields{"username": mara})
	b.wantText("h1", "Check your mail")
	b.submit("/reset", fields{"code": "000000", "new_password": freshPassword})
	b.wantText("form", "isn’t right")
	b.submit("/reset", fields{"code": s.newest(mara).Code, "new_password": freshPassword})
	b.wantText("[role=status]", "Password changed")

	// By the link, in another browser.
	b.open("/forgot")
	b.submit("/forgot", fields{"username": mara})
	link := s.newest(mara).path(s)
	other.open(link)
	other.submit("/reset", fields{"new_password": maraPassword})
	other.wantText("[role=status]", "Password changed")
	other.open(link)
	other.wantText("h1", "This link has ended")

	// Another address, and back.
	b.signIn(mara, maraPassword)
	b.wantPath("/account")
	b.open("/account/profile")
	b.press("a[href='/account/email']")
	b.submit("/account/email", fields{"email": newMara})
	b.submit("/account/email/verify", fields{"code": s.newest(newMara).Code})
	b.wantText("main", newMara)
	undo := s.newest(mara).path(s)
	other.open(undo)
	other.submit("/undo", fields{"new_password": freshPassword})
	other.wantText("[role=status]", "Your old address is back")
	b.open("/account")
	b.wantText("h1", "Sign in")
	other.signIn(mara, freshPassword)
	other.wantPath("/account")

	// Everywhere, here too.
	other.open("/account/sessions")
	other.press("button[name='all']")
	other.wantText("[role=status]", "signed out everywhere")
}

// withPost starts a server that sends its mails to a real SMTP server.
func withPost(t *testing.T, env []string) *server {
	t.Helper()
	post := openPostOffice(t)
	s := startServer(t, append(env, "SMTP_URL="+post.url, "MAIL_FROM=Gatehouse <login@harbour.example>")...)
	s.post = post
	return s
}

// The letters are those that arrive over SMTP, and not those of the development
// inbox.
func TestAPasswordIsForgottenAndAnAddressChangedAndTakenBack(t *testing.T) {
	eachDatabase(t, func(t *testing.T, env []string) {
		s := withPost(t, env)
		lifecycle(t, s, true)
		verifyByLink(t, s)
	})
	t.Run("without JavaScript", func(t *testing.T) { lifecycle(t, withPost(t, nil), false) })
}

// verifyByLink signs up in one browser and opens the link in another, which
// proves itself with the password, and whose first sign-ins are told of.
func verifyByLink(t *testing.T, s *server) {
	const otto = "otto@harbour.example"
	b, other := newBrowser(t, s), newBrowser(t, s)
	b.open("/register")
	b.submit("/register", fields{"email": otto, "password": maraPassword})
	link := s.newest(otto).path(s)
	other.open(link)
	other.submit("/verify", fields{"password": "not the password"})
	other.open(link) // neither looking nor a wrong password uses it up
	other.submit("/verify", fields{"password": maraPassword})
	other.wantText("h1", "Sign in")
	other.signIn(otto, maraPassword)
	other.wantPath("/account")
	b.signIn(otto, maraPassword)
	b.wantPath("/account")
	m := s.post.notice(otto, "new device")
	if !strings.Contains(m.Text, "127.0.0.1") || len(m.Links) == 0 || m.path(s) != "/account/sessions" {
		t.Errorf("the notice reads %q", m.Text)
	}
}
