package websession

import (
	"net/http"
	"time"

	"github.com/gin-contrib/sessions"
	gorilla "github.com/gorilla/sessions"

	"gatehouse/internal/apperr"
	"gatehouse/tokens"
)

// Deps is what the store works with.
type Deps struct {
	Sessions *tokens.Sessions
	// Secure is whether APP_URL is https: then the cookie has the __Host- name,
	// which a browser accepts only over https, for this host and for all paths
	// (ASVS 5.0, V3.3.1 and V3.3.2).
	Secure bool
	// MaxAge is the absolute end of a session, so that the cookie of a
	// signed-in browser survives a restart of the browser and no longer.
	MaxAge time.Duration
	// Client says who asks, for the row of an anonymous session.
	Client func(*http.Request) tokens.Client
}

// Store is a sessions.Store of gin-contrib over the sessions of tokens.
type Store struct{ d Deps }

var _ sessions.Store = (*Store)(nil)

// New makes the store.
func New(d Deps) *Store { return &Store{d: d} }

// CookieName is the name of the session cookie.
func (st *Store) CookieName() string {
	if st.d.Secure {
		return "__Host-gatehouse"
	}
	return "gatehouse"
}

// Options implements sessions.Store. The attributes of the cookie are not for
// callers to choose, so it changes nothing.
func (st *Store) Options(sessions.Options) {}

// Get implements gorilla's Store: one load for each request.
func (st *Store) Get(r *http.Request, name string) (*gorilla.Session, error) {
	return gorilla.GetRegistry(r).Get(st, name)
}

type currentKey struct{}

// current is the row behind a session: nil, or alive when it was read.
type current struct {
	store   *Store
	session *tokens.Session
	err     error
	closed  bool // ended in this request: nothing may be saved any more
}

// New implements gorilla's Store: it reads the session of the cookie, if there
// is one. A failed read is kept for [Load] instead of returned, because
// gin-contrib would only log it and go on as if nobody were signed in.
func (st *Store) New(r *http.Request, name string) (*gorilla.Session, error) {
	s := gorilla.NewSession(st, name)
	s.IsNew = true
	cur := &current{store: st}
	s.Values[currentKey{}] = cur
	cookie, err := r.Cookie(name)
	if err != nil || cookie.Value == "" {
		return s, nil
	}
	cur.session, cur.err = st.d.Sessions.ByCookie(r.Context(), cookie.Value)
	if cur.session != nil {
		s.ID, s.IsNew = cur.session.ID.String(), false
		decode(cur.session.Data, s.Values)
	}
	return s, nil
}

// Save implements gorilla's Store. It changes a living row or makes one for a
// visitor who has none; the save of a dead session is refused by tokens, so
// that a slow request cannot bring it back (rule 9).
func (st *Store) Save(r *http.Request, w http.ResponseWriter, s *gorilla.Session) error {
	cur, ok := s.Values[currentKey{}].(*current)
	if !ok || cur.closed {
		return apperr.New(apperr.Conflict, "session_ended")
	}
	data, err := encode(s.Values)
	if err != nil {
		return err
	}
	if cur.session == nil {
		return st.begin(r, w, cur, data)
	}
	if len(data) == 0 && !cur.session.SignedIn() {
		return st.discard(r, w, cur)
	}
	return st.d.Sessions.SaveData(r.Context(), cur.session.ID, cur.session.CookieHash, data)
}

// begin makes the row of an anonymous visitor, when there is something to keep.
func (st *Store) begin(r *http.Request, w http.ResponseWriter, cur *current, data []byte) error {
	if len(data) == 0 {
		return nil
	}
	started, err := st.d.Sessions.StartAnonymous(r.Context(), data, st.d.Client(r))
	if err != nil {
		return err
	}
	st.adopt(w, cur, started)
	return nil
}

// discard removes the row of an anonymous visitor that holds nothing more.
func (st *Store) discard(r *http.Request, w http.ResponseWriter, cur *current) error {
	old := cur.session
	cur.session = nil
	st.setCookie(w, "", -1)
	return st.d.Sessions.Discard(r.Context(), old.ID, old.CookieHash)
}

func (st *Store) adopt(w http.ResponseWriter, cur *current, started tokens.Started) {
	cur.session, cur.err, cur.closed = started.Session, nil, false
	age := 0 // an anonymous session ends with the browser
	if started.Session.SignedIn() {
		age = int(st.d.MaxAge / time.Second)
	}
	st.setCookie(w, started.Cookie.Reveal(), age)
}

// setCookie replaces a cookie that was already set for this answer: two of one
// name would leave the choice to the browser.
func (st *Store) setCookie(w http.ResponseWriter, value string, maxAge int) {
	c := &http.Cookie{
		Name: st.CookieName(), Value: value, Path: "/", MaxAge: maxAge,
		Secure: st.d.Secure, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	}
	h := w.Header()
	kept := h["Set-Cookie"][:0:0]
	for _, line := range h["Set-Cookie"] {
		if len(line) <= len(c.Name) || line[:len(c.Name)+1] != c.Name+"=" {
			kept = append(kept, line)
		}
	}
	h["Set-Cookie"] = append(kept, c.String())
}
