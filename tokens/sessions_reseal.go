package tokens

import "context"

// Reseal seals the data of sessions under the SECRET_KEY of today; lost counts
// what no key opens. No session ends by it: its row does not hang on
// SECRET_KEY, only messages and half-filled forms in it do.
func (s *Sessions) Reseal(ctx context.Context) (done, lost int, err error) {
	done, err = s.deps.DB.RewriteColumn(ctx, "sessions", "data", func(id, sealed []byte) ([]byte, bool) {
		again, changed, err := s.deps.Box.Reseal("sessions", "data", id, sealed)
		if err != nil && len(sealed) > 0 {
			lost++
		}
		return again, changed
	})
	return done, lost, err
}
