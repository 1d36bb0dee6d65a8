package middleware

import (
	"context"

	"github.com/gin-gonic/gin"

	"gatehouse/internal/ratelimit"
	"gatehouse/models"
)

// Limits is the table of limits with its rules. The name is here for handlers,
// which hand it on and take none of them.
type Limits = ratelimit.Limits

// LimitStrangers counts a request against the network that asks.
func (s *Set) LimitStrangers(c *gin.Context) {
	s.limit(c, ratelimit.Strangers, ratelimit.NetworkKey(s.ClientIP(c.Request)))
}

// LimitWrites counts a request against the account that is signed in. It stands
// behind RequireSession or Bearer.
func (s *Set) LimitWrites(c *gin.Context) { s.limit(c, ratelimit.Writes, userOf(c).String()) }

// LimitIntrospect counts a request against the service that asks. It stands
// behind RequireService, like LimitFeed.
func (s *Set) LimitIntrospect(c *gin.Context) {
	s.limit(c, ratelimit.Introspect, Service(c).ID.String())
}

// LimitFeed counts a request of a service that follows the revocation feed.
func (s *Set) LimitFeed(c *gin.Context) { s.limit(c, ratelimit.Feed, Service(c).ID.String()) }

func (s *Set) limit(c *gin.Context, name ratelimit.Name, key string) {
	if err := s.Limits.Take(watched(c, c.Request.Context()), name, key); err != nil {
		Fail(c, err)
	}
}

// userOf is who is signed in, by session or by token.
func userOf(c *gin.Context) models.ID {
	if session := Session(c); session.SignedIn() {
		return session.UserID
	}
	if p := Principal(c); p != nil {
		return models.ID(p.Sub)
	}
	return models.ID{}
}

// watched has the limits that are taken for a request told in its answer. A
// page that people look at says in words when to come back and carries the
// fields with a refusal alone: with a redirection, a client may wait for them
// (draft-ietf-httpapi-ratelimit-headers-11, section 6).
func watched(c *gin.Context, ctx context.Context) context.Context {
	return ratelimit.Watch(ctx, func(state ratelimit.State) {
		of(c).limited = of(c).limited || state.Refused
		if state.Refused || WantsJSON(c) {
			h := c.Writer.Header()
			h.Add(ratelimit.PolicyHeader, state.Policy())
			h.Add(ratelimit.StateHeader, state.Item())
		}
	})
}
