package handlers

import (
	"github.com/gin-contrib/sessions"
	"github.com/gin-gonic/gin"

	"gatehouse/internal/websession"
	"gatehouse/middleware"
)

// good is the message of something that worked.
func good(key string, params ...string) websession.Flash { return news("good", key, params...) }

func news(kind, key string, params ...string) websession.Flash {
	f := websession.Flash{Kind: kind, Key: key}
	for i := 0; i+1 < len(params); i += 2 {
		if f.Params == nil {
			f.Params = map[string]string{}
		}
		f.Params[params[i]] = params[i+1]
	}
	return f
}

// done leaves a message and sends the browser on, the end of every form that
// worked. A message that cannot be kept is no reason to hide what was done.
func (a *app) done(c *gin.Context, f websession.Flash, to string) error {
	s := sessions.Default(c)
	websession.AddFlash(s, f)
	if err := s.Save(); err != nil {
		a.Log.DebugContext(c.Request.Context(), "flash lost", "request_id", a.web.RequestID(c), "error", err)
	}
	middleware.SeeOther(c, to)
	return nil
}
