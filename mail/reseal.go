package mail

import "context"

// Reseal seals the mails that wait under the SECRET_KEY of today; lost counts
// those that no key opens. The command secret rotate calls it.
func (m *Mailer) Reseal(ctx context.Context) (done, lost int, err error) {
	done, err = m.DB.RewriteColumn(ctx, table, column, func(id, sealed []byte) ([]byte, bool) {
		again, changed, err := m.Box.Reseal(table, column, id, sealed)
		if err != nil && len(sealed) > 0 {
			lost++
		}
		return again, changed
	})
	return done, lost, err
}
