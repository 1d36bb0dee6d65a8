package handlers_test

import (
	"testing"

	"gatehouse/internal/testkit"
	"gatehouse/internal/testserver"
)

func TestAnAdministratorSeesHowManyAccountsHaveWhichFactors(t *testing.T) {
	testkit.EachURL(t, func(t *testing.T, at string) {
		s := testserver.New(t, func(o *testserver.Options) { o.DatabaseURL = at })
		withApp(s)
		owner := s.User("olga@harbour.example", "olga", password)
		p, b := s.Program().Login("olga", password), s.Browser().Login("olga", password)
		p.Call("GET", "/api/v1/admin/factors", nil).Fails(403, "forbidden")
		b.Get("/admin/factors").Is(403)
		b.Get("/account").Is(200).Lacks(`href="/admin/factors"`)
		if _, err := s.DB.Exec(t.Context(), `UPDATE users SET roles = 'owner' WHERE id = ?`, owner.ID); err != nil {
			t.Fatal(err)
		}
		newChecker(t).check(p.Call("GET", "/api/v1/admin/factors", nil).Is(200).
			Has(`"accounts":2,"without":1,"one":1,"several":0,"passkey":0,"totp":1,"recovery_codes":1`, `"total":1,"without":1`, `"username":"olga"`))
		b.Get("/account").Is(200).Has(`href="/admin/factors"`)
		b.Get("/admin/factors").Is(200).Has("1 account of 2", "One administrator has no second factor.", "<h3>olga</h3>").Lacks("mara")
		s.Program().Call("GET", "/api/v1/admin/factors", nil).Fails(401, "invalid_token")
	})
}
