package accounts

import (
	"bytes"
	"strconv"

	"gorm.io/gorm"

	"gatehouse/internal/secrets"
	"gatehouse/models"
)

// A browser is known for an account by what was shown there: the right password
// (or a new one, by a link of a mail), or a whole sign-in with a second factor.
// That is kept apart because it decides whose guesses are counted with whose
// (signin): a browser has a count of its own at a factor that was shown in it,
// and nobody who has not that factor can make himself one. A mailbox alone, which
// can set a password as often as it likes, gets no new guesses at the code of an
// app by it.
//
// The marks contain the epoch of the sessions, so that whatever signs a person
// out everywhere (a new password, a disabling, the button) makes every browser a
// stranger again, on paths too that nobody has thought of.

// Shown is what a browser has shown of an account.
type Shown uint8

// What can be shown.
const (
	ShownPassword Shown = 1 << iota
	ShownSecond
)

const (
	knownSize = markSize + 1 // and what was shown
	mostKnown = 32
)

// HasShown tells what was shown of an account in a browser since everything was
// ended last. nil is nobody, at the same work. u comes from ByLogin or
// ForSignIn, which read the marks, so that it costs no question.
func HasShown(u *models.User, browser secrets.Raw) (shown Shown) {
	if u == nil {
		u = &models.User{}
	}
	if browser.IsZero() {
		return 0
	}
	mark := knownMark(u.ID, u.SessionEpoch, browser)
	for list := u.KnownMarks; len(list) >= knownSize; list = list[knownSize:] {
		if secrets.Equal(list[:markSize], mark) {
			shown |= Shown(list[markSize])
		}
	}
	return shown
}

// knownMark is that of one browser, one person and one epoch of sessions. The
// cookie has 256 random bits: whoever reads the table finds none by it, and 64
// bits of a hash are more than anybody can try in requests.
func knownMark(user models.ID, epoch int64, browser secrets.Raw) []byte {
	h, _ := secrets.HashOf("known/"+user.String()+"/"+strconv.FormatInt(epoch, 10), browser.Reveal())
	return h.Bytes()[:markSize]
}

// withKnown puts a browser in front of those that are known; the one that was
// not used for longest goes when there are too many.
func withKnown(list, mark []byte, shown Shown) []byte {
	next := append(bytes.Clone(mark), byte(shown))
	for ; len(list) >= knownSize; list = list[knownSize:] {
		if bytes.Equal(list[:markSize], mark) {
			next[markSize] |= list[markSize]
		} else if len(next) < mostKnown*knownSize {
			next = append(next, list[:knownSize]...)
		}
	}
	return next
}

// keepKnown has the browser of a new password known under the epoch that the
// change has made, and no other one: who had the old password has no count of
// their own any more, and the owner is no stranger where they have just been.
func (s *Service) keepKnown(tx *gorm.DB, u *models.User, browser secrets.Raw) error {
	if browser.IsZero() {
		return nil
	}
	known := withKnown(nil, knownMark(u.ID, u.SessionEpoch+1, browser), ShownPassword|HasShown(u, browser))
	res := tx.Exec(`UPDATE known_devices SET known = ?, updated_at = ? WHERE user_id = ?`, known, s.now(), u.ID)
	if res.Error != nil || res.RowsAffected > 0 {
		return res.Error
	}
	return insertDevices(tx, models.KnownDevices{UserID: u.ID, Marks: []byte{}, Known: known, UpdatedAt: s.now()})
}
