package passwords

import "context"

// priorityKey is the context key of WithPriority.
type priorityKey struct{}

// WithPriority marks what is done with ctx as of somebody who is known: a
// device that signed in to this account before, or a person who is signed in.
// Their hashes are computed before those of strangers, so that a rush of
// strangers' sign-ins cannot keep an owner out.
func WithPriority(ctx context.Context) context.Context {
	return context.WithValue(ctx, priorityKey{}, true)
}

func hasPriority(ctx context.Context) bool {
	known, _ := ctx.Value(priorityKey{}).(bool)
	return known
}
