package tokens

import (
	"context"

	"gorm.io/gorm"

	"gatehouse/internal/database"
	"gatehouse/models"
)

// mortal are the tables of what people are signed in by.
var mortal = []struct{ table, end string }{
	{"sessions", "UPDATE sessions SET ended_at = ?, ended_why = ?, data = NULL WHERE ended_at IS NULL"},
	{"refresh_families", "UPDATE refresh_families SET ended_at = ?, ended_why = ? WHERE ended_at IS NULL"},
}

// sweep ends what is there, some hundred rows at a time, so that the one
// transaction that decides is left with what came meanwhile and stays short
// for millions of sessions. It may be cut off anywhere: the renewal has not
// happened yet, and is tried again. It leaves alone what is younger than the
// evidence, which a renewal by somebody else may have let in.
func (n *renewer) sweep(ctx context.Context, r *Renewal) error {
	for _, m := range mortal {
		for after := (models.ID{}); ; {
			var ids []models.ID
			err := n.deps.DB.Read(ctx).Raw("SELECT id FROM "+m.table+" WHERE id > ? AND ended_at IS NULL AND created_at <= ? ORDER BY id LIMIT ?",
				after.Bytes(), r.At, trimBatch).Scan(&ids).Error
			if err != nil {
				return database.Unavailable(err)
			}
			if len(ids) == 0 {
				break
			}
			last := ids[len(ids)-1]
			_, err = n.deps.DB.Exec(ctx, m.end+" AND id > ? AND id <= ? AND created_at <= ?", r.At, WhyRestored, after.Bytes(), last, r.At)
			if err != nil {
				return err
			}
			after = last
		}
	}
	return nil
}

// endAllSessions ends every session and every refresh family. No entry names
// them in the log: their access tokens end with the keys that signed them.
func endAllSessions(tx *gorm.DB, r *Renewal) error {
	if r.KeepSessions {
		return nil
	}
	for _, m := range mortal {
		if err := tx.Exec(m.end, r.At, WhyRestored).Error; err != nil {
			return err
		}
		var n int64
		err := tx.Raw("SELECT COUNT(*) FROM "+m.table+" WHERE ended_at = ? AND ended_why = ?", r.At, WhyRestored).Scan(&n).Error
		if err != nil {
			return err
		}
		r.Ended[m.table] = n
	}
	return nil
}

// endAllPersonal ends every personal token. Services that remember one as good
// forget it within seconds, as they do after any ending.
func endAllPersonal(tx *gorm.DB, r *Renewal) error {
	if r.KeepSessions {
		return nil
	}
	res := tx.Exec("UPDATE personal_tokens SET ended_at = ?, ended_why = ?, slot = NULL WHERE ended_at IS NULL", r.At, WhyRestored)
	r.Ended["personal_tokens"] = res.RowsAffected
	return res.Error
}

// endAllLinks ends every mailed link and code and every attempt that waits for
// one, also when sessions are kept: one that was used since must not be good
// again.
func endAllLinks(tx *gorm.DB, r *Renewal) error {
	res := tx.Exec("UPDATE one_time_tokens SET used_at = ? WHERE used_at IS NULL", r.At)
	r.Ended["links"] = res.RowsAffected
	return res.Error
}
