package handlers_test

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"gatehouse/internal/testserver"
	"gatehouse/tokens"
	"gatehouse/verify"
)

func TestAnEndingAnswersWithAReceiptWhenItIsAskedFor(t *testing.T) {
	s := testserver.New(t)
	s.User(mara, "mara", password)
	c, p := newChecker(t), s.Program().Login("mara", password)
	other := s.Program().Login("mara", password)
	r := c.check(p.Call("DELETE", "/api/v1/me/sessions?wait=acks", nil).Is(200)).JSON()
	nodes := float64(len(s.Nodes))
	if r["revoked"] != 1.0 || r["complete"] != true || r["nodes"] != nodes || r["acknowledged"] != nodes || r["seq"] != 1.0 {
		t.Errorf("got %v", r)
	}
	other.Call("GET", "/auth", nil).Is(401)
	r = c.check(p.Call("DELETE", "/api/v1/me/sessions?wait=acks", nil).Is(200)).JSON()
	if r["revoked"] != 0.0 || r["complete"] != true {
		t.Errorf("nothing to end: got %v", r)
	}
	list := s.Program().Login("mara", password)
	id := list.Call("GET", "/api/v1/me/sessions", nil).Is(200).JSON()["sessions"].([]any)
	for _, one := range id {
		if row := one.(map[string]any); row["current"] == false {
			c.check(list.Call("DELETE", "/api/v1/me/sessions/"+row["id"].(string)+"?wait=acks&timeout=5s", nil).Is(200))
		}
	}
	c.check(list.Raw("POST", "/api/v1/me/password?wait=acks&timeout=30s",
		`{"current_password":"`+password+`","new_password":"`+password+`2"}`).Is(200))
	p = s.Program().Login("mara", password+"2")
	c.check(p.Call("POST", "/api/v1/logout?wait=acks&timeout=100ms", nil).Is(200))
	p.Call("GET", "/auth", nil).Is(401)
}

// Whoever ends a token, of whatever kind, may ask where it is ended.
func TestTheEndOfATokenAnswersWithAReceiptWhenItIsAskedFor(t *testing.T) {
	s := testserver.New(t)
	s.User(mara, "mara", password)
	c, owner := newChecker(t), s.Program().Login("mara", password)
	silent := service(t, s)
	silent.Call("POST", "/api/v1/revocations/ack", ack(cursor(t, silent.Call("GET", "/api/v1/revocations", nil).Is(200)))).Is(200)
	wants := func(a *testserver.Answer, revoked float64) {
		t.Helper()
		r := c.check(a.Is(200)).JSON()
		if r["revoked"] != revoked || r["complete"] != (revoked == 0) || revoked > 0 && (r["subscribers"] != 1.0 || r["acknowledged"] != float64(len(s.Nodes))) {
			t.Errorf("got %s", a.Body)
		}
	}
	wait := "?wait=acks&timeout=100ms" // it passes each time, because one says nothing
	if len(s.Nodes) > 1 {
		wait = "?wait=acks&timeout=4s" // the other node polls four times a second
	}
	first, id := personal(t, s, owner, "profile:read")
	c.check(owner.Call("DELETE", "/api/v1/me/tokens/"+id+"?wait=all", nil).Fails(400, "invalid_request"))
	first.Call("GET", "/auth", nil).Is(200)
	wants(owner.Call("DELETE", "/api/v1/me/tokens/"+id+wait, nil), 1)
	first.Call("GET", "/auth", nil).Is(401)
	c.check(owner.Call("DELETE", "/api/v1/me/tokens/"+id+wait, nil).Fails(404, "not_found"))
	second, _ := personal(t, s, owner, "profile:read")
	other := s.Program().Login("mara", password)
	for _, token := range []string{second.Access, other.Access, other.Refresh} {
		a := oauth(s, "/oauth/revoke?wait=acks&timeout=1h", "", url.Values{"token": {token}})
		c.check(a.Fails(400, "invalid_request"))
		wants(oauth(s, "/oauth/revoke"+wait, "", url.Values{"token": {token}}), 1)
		wants(oauth(s, "/oauth/revoke"+wait, "", url.Values{"token": {token}}), 0)
	}
	wants(oauth(s, "/oauth/revoke"+wait, "", url.Values{"token": {"unknown"}}), 0)
	second.Call("GET", "/auth", nil).Is(401)
	other.Call("GET", "/auth", nil).Is(401)
	owner.Call("GET", "/auth", nil).Is(200)
}

func TestAWishThatCannotBeReadEndsNothing(t *testing.T) {
	s := testserver.New(t)
	s.User(mara, "mara", password)
	c, p := newChecker(t), s.Program().Login("mara", password)
	for query, reason := range map[string]string{
		"wait=ack": "bad_wait", "wait=": "bad_wait", "timeout=5s": "bad_wait", "wait=acks&wait=acks": "bad_wait",
		"wait=acks&timeout=": "bad_timeout", "wait=acks&timeout=5": "bad_timeout", "wait=acks&timeout=31s": "bad_timeout",
		"wait=acks&timeout=0s": "bad_timeout", "wait=acks&timeout=-1s": "bad_timeout", "wait=acks&timeout=1s&timeout=2s": "bad_timeout",
		"wait=acks&timeout=1e9s": "bad_timeout", "wait=acks&timeout=999999999h": "bad_timeout",
	} {
		a := c.check(p.Call("POST", "/api/v1/logout?"+query, nil).Fails(400, "invalid_request"))
		if a.Text("reason") != reason {
			t.Errorf("%s: got %s", query, a.Body)
		}
		c.check(p.Call("DELETE", "/api/v1/me/sessions?"+query, nil).Is(400))
	}
	p.Call("GET", "/auth", nil).Is(200)
}

func TestAReceiptCountsAServiceAndNamesOneThatIsSilent(t *testing.T) {
	s, web := listening(t)
	s.User(mara, "mara", password)
	orders := service(t, s)
	v, err := verify.New(verify.Options{
		Issuer: s.Options.AppURL, Audience: s.Options.AppURL, Clock: s.Clock.Now, Service: orders.Access, HTTPClient: web.Client(),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	within(t, 10*time.Second, "the service is ready", func() bool { return v.Ready() == nil })
	p := s.Program().Login("mara", password)
	token := p.Access
	r := p.Call("POST", "/api/v1/logout?wait=acks&timeout=20s", nil).Is(200).JSON()
	if r["complete"] != true || r["subscribers"] != 1.0 || r["acknowledged"] != float64(len(s.Nodes)+1) {
		t.Errorf("got %v", r)
	}
	if _, err := v.Verify(t.Context(), token); err == nil {
		t.Error("accepted after the receipt")
	}
	// One that plays dead: it registers and says no more.
	orders.Call("POST", "/api/v1/revocations/ack", ack(cursor(t, orders.Call("GET", "/api/v1/revocations", nil).Is(200)))).Is(200)
	c := newChecker(t)
	var a *testserver.Answer
	// All of the time passes, because one says nothing, so it is short for those
	// who answer at once and long only on a machine on which they do not.
	for _, timeout := range []string{"300ms", "3s", "30s"} {
		a = c.check(s.Program().Login("mara", password).Call("POST", "/api/v1/logout?wait=acks&timeout="+timeout, nil).Is(200))
		if r = a.JSON(); r["acknowledged"] == float64(len(s.Nodes)+1) {
			break
		}
	}
	missing := r["pending"].([]any)
	if r["complete"] != false || len(missing) != 1 || missing[0].(map[string]any)["name"] != "orders" || r["acknowledged"] != float64(len(s.Nodes)+1) {
		t.Errorf("got %v", a.Body)
	}
}

func TestTheSessionsPageSaysHowFastAnEndingWasEverywhere(t *testing.T) {
	s := testserver.New(t)
	s.User(mara, "mara", password)
	b := s.Browser().Login("mara", password)
	for range 3 {
		s.Browser().Login("mara", password)
	}
	id := regexp.MustCompile(`name="id" value="([^"]+)"`).FindStringSubmatch(b.Get("/account/sessions").Is(200).Body)[1]
	b.Follow(b.Post("/account/sessions", "id", id)).Has("ended everywhere in 0.1 s.", fmt.Sprintf("Receipt 1: servers %[1]d, services 0, confirmed %[1]d, silent and refusing 0.", len(s.Nodes)))
	orders := service(t, s)
	orders.Call("POST", "/api/v1/revocations/ack", ack(cursor(t, orders.Call("GET", "/api/v1/revocations", nil).Is(200)))).Is(200)
	b.Follow(b.Post("/account/sessions", "others", "1")).Has("2 other devices were signed out.",
		fmt.Sprintf("1 of %d have not answered. They let them in no longer than until 03:0", len(s.Nodes)+1), "Still open: orders.")
}

func TestANodeWhoseViewIsOldRefusesByItself(t *testing.T) {
	// One node, whose log is not read while the clock goes on.
	s := testserver.New(t, func(o *testserver.Options) { o.Fresh, o.OneNode = true, true })
	s.User(mara, "mara", password)
	c, p := newChecker(t), s.Program().Login("mara", password)
	ended := s.Program().Login("mara", password)
	ended.Call("POST", "/api/v1/logout", nil).Is(204)
	p.Call("GET", "/auth", nil).Is(200)
	s.Clock.Advance(tokens.NodeBound + time.Second) // and nothing was read meanwhile
	for _, path := range []string{"/auth", "/api/v1/me"} {
		a := c.check(p.Call("GET", path, nil).Fails(503, "unavailable"))
		if a.Header.Get("Retry-After") == "" {
			t.Errorf("%s: no Retry-After", path)
		}
		ended.Call("GET", path, nil).Is(401) // what is known is said
	}
	s.Program().Call("GET", "/auth", nil).Is(401)
	lines := s.Log.String()
	if n := strings.Count(lines, "level=ERROR"); n != 1 || !strings.Contains(lines, "this node refuses access tokens") {
		t.Errorf("%d errors in the log, want one for all requests:\n%s", n, lines)
	}
}
