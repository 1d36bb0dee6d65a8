package handlers_test

import (
	"net/url"
	"strings"
	"testing"

	"gatehouse/internal/testserver"
)

// weakHash is md5-crypt of "hashcat", from hashcat's example hashes: an import
// takes it, and it has to be changed before it opens anything.
const weakHash = "$1$38652870$DUjsu4TTlTsOe/xxZ05uf/"

func withWeakHash(t *testing.T) *testserver.Server {
	t.Helper()
	s := testserver.New(t)
	u := s.User(mara, "mara", password)
	if _, err := s.DB.Exec(t.Context(), "UPDATE users SET password_hash = ? WHERE id = ?", weakHash, u.ID); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestAWeakImportedPasswordLeadsToThePageForANewOne(t *testing.T) {
	s := withWeakHash(t)
	b := s.Browser()
	b.Post("/login", "username", "mara", "password", "not this one").Is(401)
	a := b.Post("/login", "username", "mara", "password", "hashcat", "return_to", "/account/sessions").Is(303)
	to := a.Header.Get("Location")
	if !strings.Contains(to, "/reset?token=gh_ot_") {
		t.Fatalf("it leads to %q", to)
	}
	b.Get("/account").Leads("/login?return_to=%2Faccount")
	_, token, _ := strings.Cut(to, "?token=")
	b.Get("/reset?token="+token).Is(200).Has(`name="new_password"`, `value="mara"`)
	b.Post("/reset", "token", token, "new_password", freshPassword).Leads("/login")
	b.Get("/reset?token=" + token).Is(410)
	b.Post("/login", "username", "mara", "password", "hashcat").Is(401)
	b.Login("mara", freshPassword)
}

func TestAProgramIsToldThatAWeakPasswordHasToBeChanged(t *testing.T) {
	p := withWeakHash(t).Program()
	p.Call("POST", "/api/v1/login", map[string]any{"username": "mara", "password": "not this one"}).Fails(401, "invalid_credentials")
	p.Call("POST", "/api/v1/login", map[string]any{"username": "mara", "password": "hashcat"}).Fails(403, "password_change_required")
	// The form answers a program like the call.
	form := url.Values{"username": {"mara"}, "password": {"hashcat"}}.Encode()
	p.Raw("POST", "/login", form, "Content-Type", "application/x-www-form-urlencoded", "Accept", "application/json").
		Fails(403, "password_change_required")
}
