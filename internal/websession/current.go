package websession

import (
	"net/http"

	"github.com/gin-contrib/sessions"
	"github.com/gin-gonic/gin"

	"gatehouse/tokens"
)

// Load reads the session of the request, once. It is the place where a
// database that does not answer shows.
func Load(c *gin.Context) (*tokens.Session, error) {
	cur := of(c)
	return cur.session, cur.err
}

// Current is the session that Load found; nil is none.
func Current(c *gin.Context) *tokens.Session { return of(c).session }

// HasCookie reports whether the request came with the cookie of a session, so
// that a visitor without one costs no look-up.
func (st *Store) HasCookie(r *http.Request) bool {
	_, err := r.Cookie(st.CookieName())
	return err == nil
}

// Adopt hands the cookie of a session that was just started to the browser and
// makes it the session of this request. The one before it is not touched: who
// starts a session ends the old one in the same transaction.
func Adopt(c *gin.Context, started tokens.Started) {
	s, cur := sessions.Default(c), of(c)
	s.Clear()
	s.Set(currentKey{}, cur) // Clear took it with the rest
	cur.store.adopt(c.Writer, cur, started)
	if cur.session != nil {
		for _, f := range flashesIn(cur.session.Data) {
			s.AddFlash(f)
		}
	}
}

// Renew hands the browser the new cookie of a session that goes on: what the
// session holds stays, because it is the same person's.
func Renew(c *gin.Context, started tokens.Started) {
	cur := of(c)
	cur.store.adopt(c.Writer, cur, started)
}

// Restart gives the browser a fresh anonymous session that holds one message,
// after the old session was ended: a new id at every fall of privilege (rule
// 9). When that fails, the old cookie is taken away at least.
func Restart(c *gin.Context, f Flash) {
	cur := of(c)
	st := cur.store
	started, err := st.d.Sessions.StartAnonymous(c.Request.Context(), DataWith(f), st.d.Client(c.Request))
	if err != nil {
		cur.session, cur.closed = nil, true
		st.setCookie(c.Writer, "", -1)
		return
	}
	st.adopt(c.Writer, cur, started)
}

// Forget takes away a cookie behind which there is no session any more. An
// anonymous session is left alone: it may hold a sign-up that waits for its code.
func Forget(c *gin.Context) {
	cur := of(c)
	if cur.session == nil && cur.store.HasCookie(c.Request) {
		cur.store.setCookie(c.Writer, "", -1)
	}
}

func of(c *gin.Context) *current {
	cur, ok := sessions.Default(c).Get(currentKey{}).(*current)
	if !ok {
		panic("websession: the session of this request is not from this store")
	}
	return cur
}

func flashesIn(data []byte) []any {
	values := map[any]any{}
	decode(data, values)
	list, _ := values[flashKey].([]any)
	return list
}
