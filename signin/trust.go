package signin

import (
	"context"
	"errors"
	"slices"

	"gorm.io/gorm"

	"gatehouse/accounts"
	"gatehouse/audit"
	"gatehouse/internal/apperr"
	"gatehouse/internal/database"
	"gatehouse/internal/secrets"
	"gatehouse/mail"
	"gatehouse/models"
	"gatehouse/tokens"
)

// A trusted device is a browser in which its owner asked not to be asked for the
// second factor for some time (TRUSTED_DEVICE_TTL, off unless it is set). It
// takes the place of the question, and of nothing else:
//
//   - the session says what was shown: a password, "aal1". Whatever asks for two
//     factors goes on asking, a change of the account first of all;
//   - the password is wanted as always, and counted as always;
//   - it ends with its time, when its owner says so, with every change of the
//     password or of a factor, and with everything that signs out everywhere.
//
// A policy that asks for a second factor (MFA) is met by it, because one was shown
// in this browser when it became trusted: an operator who does not want that
// leaves the setting off.

// mostTrusted bounds the rows of a person; the oldest goes.
const mostTrusted = 32

// errDistrusted means that a device was trusted when it was read and no longer
// in the transaction.
var errDistrusted = errors.New("signin: the device is trusted no more")

// errNotTrusted is the answer for a device that is not there, or somebody else's.
var errNotTrusted = apperr.New(apperr.NotFound, "not_found")

// trustHash binds a row to one browser and one person: the cookie opens nothing
// without the password, and a row is of no use in another browser.
func trustHash(user models.ID, browser secrets.Raw) []byte {
	h, _ := secrets.HashOf("trust/"+user.String(), browser.Reveal())
	return h.Bytes()
}

// trusted finds the live row of the browser of a sign-in; nil is none. What has
// to be made first, a factor or a password, is never spared.
func (f *Flow) trusted(ctx context.Context, o opening, next []string) (*models.TrustedDevice, error) {
	browser := o.in.Client.Browser
	if f.Config.TrustedDeviceTTL <= 0 || !o.in.Web || browser.IsZero() || o.verdict.MustChange || slices.Contains(next, Enrol) {
		return nil, nil
	}
	var rows []models.TrustedDevice
	err := f.DB.Read(ctx).Where("browser_hash = ? AND user_id = ? AND session_epoch = ? AND expires_at > ?",
		trustHash(o.user.ID, browser), o.user.ID, o.user.SessionEpoch, models.At(f.Clock())).Limit(1).Find(&rows).Error
	if err != nil || len(rows) == 0 {
		return nil, database.Unavailable(err)
	}
	return &rows[0], nil
}

// useTrust takes note of a device that stands in for the question, in the
// transaction of the sign-in. The row count says whether it still may: what ended
// the trust has deleted the row, or comes after the sign-in (security rule 1).
func (f *Flow) useTrust(tx *gorm.DB, row *models.TrustedDevice) error {
	if row == nil {
		return nil
	}
	now := models.At(f.Clock())
	res := tx.Exec(`UPDATE trusted_devices SET uses = uses + 1, last_used_at = ? WHERE id = ? AND expires_at > ?`, now, row.ID, now)
	if res.Error == nil && res.RowsAffected == 0 {
		return errDistrusted
	}
	return res.Error
}

// further goes on where a second factor is wanted: past it in a trusted device,
// else with half a sign-in.
func (f *Flow) further(ctx context.Context, o opening, next []string) (Result, error) {
	row, err := f.trusted(ctx, o, next)
	if err != nil {
		return Result{}, f.noWay(ctx, o, err)
	}
	if row != nil {
		o.trust = row
		res, err := f.open(ctx, o)
		if !errors.Is(err, errDistrusted) && !errors.Is(err, errGone) {
			return res, err
		}
		o.trust = nil
	}
	return f.half(ctx, o, next)
}

// trust makes the browser of a sign-in trusted, in its transaction, when the box
// was ticked and a second factor of its own was shown. A recovery code is none:
// who has lost a factor makes a new one first.
func (f *Flow) trust(tx *gorm.DB, o opening) error {
	browser := accounts.KeptBrowser(o.user, o.in.Client)
	asked := o.in.Trust && f.Config.TrustedDeviceTTL > 0 && o.in.Web && !browser.IsZero()
	if !asked || o.attempt == nil || o.method.Uses()&(Second|StandIn) != Second {
		return nil
	}
	now := f.Clock()
	row := models.TrustedDevice{
		ID: models.NewID(), UserID: o.user.ID, BrowserHash: trustHash(o.user.ID, browser), SessionEpoch: o.user.SessionEpoch,
		UserAgent: o.in.Client.Stored().UserAgent, CreatedAt: models.At(now), ExpiresAt: models.At(now.Add(f.Config.TrustedDeviceTTL)),
	}
	if err := tx.Exec(`DELETE FROM trusted_devices WHERE browser_hash = ?`, row.BrowserHash).Error; err != nil {
		return err
	}
	if err := dropOldest(tx, o.user.ID); err != nil {
		return err
	}
	if err := tx.Create(&row).Error; err != nil {
		return err
	}
	return f.noteFactor(tx, factorChange{o.user, audit.DeviceTrusted, mail.KindDeviceTrusted, o.method.Name(), o.by})
}

func dropOldest(tx *gorm.DB, user models.ID) error {
	var ids []models.ID
	err := tx.Model(&models.TrustedDevice{}).Where("user_id = ?", user).Order("id DESC").Offset(mostTrusted-1).Limit(mostTrusted).Pluck("id", &ids).Error
	for _, id := range ids {
		if err == nil {
			err = tx.Exec(`DELETE FROM trusted_devices WHERE id = ?`, id).Error
		}
	}
	return err
}

// endTrust has every trusted device of a person asked again, in the transaction
// of what changed.
func endTrust(tx *gorm.DB, user models.ID) error {
	return tx.Exec(`DELETE FROM trusted_devices WHERE user_id = ?`, user).Error
}

// endAllTrust is for a database that went back in time: it may have revived what
// was ended.
func endAllTrust(tx *gorm.DB, r *tokens.Renewal) error {
	res := tx.Exec(`DELETE FROM trusted_devices`)
	r.Ended["trusted_devices"] += res.RowsAffected
	return res.Error
}

// TrustedDevices lists the live ones of a person, the newest first.
func (f *Flow) TrustedDevices(ctx context.Context, u *models.User) (list []models.TrustedDevice, err error) {
	err = f.DB.Read(ctx).Where("user_id = ? AND session_epoch = ? AND expires_at > ?", u.ID, u.SessionEpoch, models.At(f.Clock())).
		Order("id DESC").Limit(mostTrusted).Find(&list).Error
	return list, database.Unavailable(err)
}

// Distrust ends the trust in one device, or in all with the zero id. That of
// somebody else is not found (security rule 21).
func (f *Flow) Distrust(ctx context.Context, user, id models.ID, by tokens.Client) (ended int64, err error) {
	err = f.DB.Write(ctx, func(tx *gorm.DB) error {
		where := tx.Where("user_id = ?", user)
		if !id.IsZero() {
			where = where.Where("id = ?", id)
		}
		res := where.Delete(&models.TrustedDevice{})
		if ended = res.RowsAffected; res.Error != nil || ended == 0 {
			return res.Error
		}
		return f.Audit.Append(tx, audit.Event{
			Action: audit.DeviceDistrusted, Outcome: audit.Success, Actor: user, Subject: user, ClientID: tokens.FirstParty,
			IP: by.IP, UserAgent: by.UserAgent, RequestID: by.RequestID,
		})
	})
	if err == nil && ended == 0 && !id.IsZero() {
		err = errNotTrusted
	}
	return ended, err
}

// trimTrust deletes what has expired, in bounded batches. Rows of an epoch that
// is over expire too.
func (f *Flow) trimTrust(ctx context.Context) error {
	for {
		now := models.At(f.Clock())
		var ids []models.ID
		err := f.DB.Read(ctx).Model(&models.TrustedDevice{}).Where("expires_at <= ?", now).Limit(trimBatch).Pluck("id", &ids).Error
		if err != nil || len(ids) == 0 {
			return database.Unavailable(err)
		}
		err = f.DB.Write(ctx, func(tx *gorm.DB) error {
			for _, id := range ids {
				if err := tx.Exec(`DELETE FROM trusted_devices WHERE id = ?`, id).Error; err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil || len(ids) < trimBatch {
			return err
		}
	}
}
