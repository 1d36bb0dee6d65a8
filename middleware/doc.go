// Package middleware is what every request passes on its way to a handler, and
// every answer on its way out: request id, recover, host check, security
// headers, session, cross-origin check, bearer check, guards, limits, metrics
// and the one writer of error answers.
//
// It owns no rule of the product: it asks the rooms and turns what they say
// into HTTP. A handler returns an error; [Set.Answer] writes it, as a page or
// as JSON according to the group of the route.
//
// It hands to handlers the chains of its groups ([Set.Page], [Set.API],
// [Set.Lean]), the readers of outside bytes ([DecodeJSON], [ParseForm],
// [LocalPath]) and what it found out about the request ([RequestID],
// [Set.Client], [Principal], [Session], [Lang]).
package middleware
