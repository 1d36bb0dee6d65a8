package websession

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gin-contrib/sessions"
	"github.com/gin-gonic/gin"
	"github.com/google/go-cmp/cmp"

	"gatehouse/internal/testkit"
	"gatehouse/tokens"
)

type site struct {
	t     *testing.T
	store *Store
	room  *tokens.Service
	clock *testkit.Clock
}

func newSite(t *testing.T, secure bool) *site {
	gin.SetMode(gin.ReleaseMode)
	clock := testkit.NewClock()
	room := tokens.New(tokens.Deps{
		DB: testkit.DB(t), Box: testkit.Box(t), Clock: clock.Now, Log: testkit.Log(t),
		Admit:  func(context.Context, tokens.Subject) tokens.Verdict { return tokens.Verdict{OK: true} },
		Config: tokens.Config{SessionIdleTTL: time.Hour, SessionAbsoluteTTL: 2 * time.Hour},
	})
	store := New(Deps{Sessions: room.Sessions, Secure: secure, MaxAge: 2 * time.Hour, Client: func(r *http.Request) tokens.Client {
		return tokens.Client{IP: "203.0.113.9", UserAgent: r.UserAgent()}
	}})
	return &site{t, store, room, clock}
}

// visit runs do as a handler, with a cookie if there is one, and returns the
// cookie that the browser has after it.
func (s *site) visit(cookie string, do func(c *gin.Context, session sessions.Session)) string {
	s.t.Helper()
	engine := gin.New()
	engine.Use(sessions.Sessions(s.store.CookieName(), s.store))
	engine.GET("/", func(c *gin.Context) { do(c, sessions.Default(c)) })
	r := httptest.NewRequest("GET", "/", nil)
	if cookie != "" {
		r.AddCookie(&http.Cookie{Name: s.store.CookieName(), Value: cookie})
	}
	w := httptest.NewRecorder()
	engine.ServeHTTP(w, r)
	for _, c := range w.Result().Cookies() {
		if c.Name == s.store.CookieName() {
			if !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Secure != s.store.d.Secure || c.Domain != "" {
				s.t.Errorf("the cookie's attributes are wrong: %v", c)
			}
			return c.Value
		}
	}
	return cookie
}

func TestARowIsMadeOnlyWhenSomethingIsSaved(t *testing.T) {
	s := newSite(t, false)
	got := s.visit("", func(c *gin.Context, session sessions.Session) {
		if session.Get("x") != nil || Current(c) != nil {
			t.Error("a visitor without a cookie has a session")
		}
		if err := session.Save(); err != nil {
			t.Error(err)
		}
	})
	if got != "" {
		t.Errorf("a cookie %q was set for nothing", got)
	}
}

func TestTextsAndMessagesComeBackOnce(t *testing.T) {
	s := newSite(t, true)
	flash := Flash{Kind: "good", Key: "saved", Params: map[string]string{"Name": "Mära"}}
	cookie := s.visit("", func(_ *gin.Context, session sessions.Session) {
		session.Set("attempt", "gh_at_x")
		AddFlash(session, flash)
		if err := session.Save(); err != nil {
			t.Fatal(err)
		}
	})
	if cookie == "" || s.store.CookieName() != "__Host-gatehouse" {
		t.Fatal("no cookie")
	}
	s.visit(cookie, func(_ *gin.Context, session sessions.Session) {
		if got := session.Get("attempt"); got != "gh_at_x" {
			t.Errorf("got %v", got)
		}
		list, changed := Flashes(session)
		if diff := cmp.Diff([]Flash{flash}, list); diff != "" || !changed {
			t.Error(diff)
		}
		if err := session.Save(); err != nil {
			t.Error(err)
		}
	})
	s.visit(cookie, func(_ *gin.Context, session sessions.Session) {
		if list, changed := Flashes(session); changed || len(list) > 0 {
			t.Errorf("the message came twice: %v", list)
		}
	})
}

func TestAnEmptiedAnonymousSessionLeavesNothing(t *testing.T) {
	s := newSite(t, false)
	cookie := s.visit("", func(_ *gin.Context, session sessions.Session) {
		AddFlash(session, Flash{Key: "x"})
		_ = session.Save()
	})
	after := s.visit(cookie, func(_ *gin.Context, session sessions.Session) {
		Flashes(session)
		if err := session.Save(); err != nil {
			t.Error(err)
		}
	})
	if after != "" {
		t.Errorf("the cookie %q stays", after)
	}
	if found, err := s.room.Sessions.ByCookie(t.Context(), cookie); found != nil || err != nil {
		t.Errorf("the row stays: %v %v", found, err)
	}
}

func TestTheSaveOfADeadSessionIsRefused(t *testing.T) {
	s := newSite(t, false)
	cookie := s.visit("", func(_ *gin.Context, session sessions.Session) {
		session.Set("a", "b")
		_ = session.Save()
	})
	s.visit(cookie, func(c *gin.Context, session sessions.Session) {
		session.Set("a", "c") // a slow request, while the session ends elsewhere
		row := Current(c)
		if err := s.room.Sessions.Discard(t.Context(), row.ID, row.CookieHash); err != nil {
			t.Fatal(err)
		}
		if err := session.Save(); !errors.Is(err, tokens.ErrNoSession) {
			t.Errorf("got %v, want a refusal", err)
		}
	})
	if found, _ := s.room.Sessions.ByCookie(t.Context(), cookie); found != nil {
		t.Error("the session is back")
	}
}

func TestARestartGivesAnotherIdAndKeepsNothingButItsMessage(t *testing.T) {
	s := newSite(t, false)
	cookie := s.visit("", func(_ *gin.Context, session sessions.Session) {
		session.Set("a", "b")
		_ = session.Save()
	})
	next := s.visit(cookie, func(c *gin.Context, _ sessions.Session) { Restart(c, Flash{Key: "signed_out"}) })
	if next == cookie || next == "" {
		t.Fatalf("the id is still %q", next)
	}
	s.visit(next, func(_ *gin.Context, session sessions.Session) {
		if session.Get("a") != nil {
			t.Error("a value of the session before is here")
		}
		if list, _ := Flashes(session); len(list) != 1 || list[0].Key != "signed_out" {
			t.Errorf("got %v", list)
		}
	})
}

func TestGarbageInTheCookieIsNoSession(t *testing.T) {
	s := newSite(t, false)
	good := s.visit("", func(_ *gin.Context, session sessions.Session) {
		session.Set("a", "b")
		_ = session.Save()
	})
	for _, bad := range []string{"x", good[:len(good)-1], good + "A", strings.ToLower(good), strings.Repeat("A", 5000)} {
		s.visit(bad, func(c *gin.Context, session sessions.Session) {
			if found, err := Load(c); found != nil || err != nil || session.Get("a") != nil {
				t.Errorf("%.12q: got %v %v", bad, found, err)
			}
		})
	}
}

func TestASessionHoldsTextsOnlyAndNotManyOfThem(t *testing.T) {
	s := newSite(t, false)
	for _, value := range []any{1, []string{"a"}, map[string]string{}, strings.Repeat("a", maxData+1)} {
		s.visit("", func(_ *gin.Context, session sessions.Session) {
			session.Set("a", value)
			if session.Save() == nil {
				t.Errorf("a %T was saved", value)
			}
		})
	}
}

func FuzzWhatIsStoredIsReadBackOrDropped(f *testing.F) {
	f.Add([]byte(`{"t":{"a":"b"},"f":["{}"]}`))
	f.Add([]byte(`{"t":{"_flash":"x"}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		values := map[any]any{}
		decode(data, values)
		again, err := encode(values)
		if err != nil {
			return // more than a session holds
		}
		second := map[any]any{}
		decode(again, second)
		if diff := cmp.Diff(values, second); diff != "" {
			t.Fatal(diff)
		}
	})
}
