package database

import "context"

// Bulk readies this process for many writes at once, such as an import of a
// million rows: pages that are written again and again go to the file of the
// database once in 256 MiB of log instead of once in 4, and more of the indexes
// stays in memory. It is for commands; a server's readers would pay for the
// longer log. On MySQL the server's own settings decide.
func (d *DB) Bulk(ctx context.Context) error {
	if d.dialect != SQLite {
		return nil
	}
	for _, pragma := range []string{"PRAGMA wal_autocheckpoint = 65536", "PRAGMA cache_size = -40960"} {
		if _, err := d.Exec(ctx, pragma); err != nil {
			return err
		}
	}
	return nil
}
