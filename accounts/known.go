package accounts

import (
	"bytes"
	"strconv"

	"gorm.io/gorm"

	"gatehouse/internal/secrets"
	"gatehouse/models"
	"gatehouse/tokens"
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
// stranger again, on paths too that nobody has thought of. A browser that was
// known before that is given another value when its owner comes back, and the old
// one is known to nobody any more: a copy of it that was stolen before the end
// would otherwise be known again together with the browser.

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

// KeptBrowser is the value by which a browser goes on after a right secret of an
// account: its own one as long as it is known, or was never seen with this
// account; else the fresh one, or none where no cookie can be set.
func KeptBrowser(u *models.User, by tokens.Client) secrets.Raw {
	if by.Browser.IsZero() || HasShown(u, by.Browser) != 0 || dayOf(u.DeviceMarks, deviceMark(u.ID, by)) == neverSeen {
		return by.Browser
	}
	return by.Fresh
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
// change has made, by a fresh value, and no other one: who had the old password or
// a copy of the old cookie has no count of their own any more, and the owner is no
// stranger where they have just been. Whether its next sign-in is news stays as it
// was.
func (s *Service) keepKnown(tx *gorm.DB, u *models.User, by tokens.Client) error {
	if by.Fresh.IsZero() {
		return nil
	}
	now, was, is := s.now(), deviceMark(u.ID, by), deviceMark(u.ID, tokens.Client{Browser: by.Fresh})
	day := int64(retiredDay)
	if dayOf(u.DeviceMarks, was) > retiredDay {
		day = dayNumber(now.Time)
	}
	known := withKnown(nil, knownMark(u.ID, u.SessionEpoch+1, by.Fresh), ShownPassword|HasShown(u, by.Browser))
	return writeDevices(tx, u, withEntry(retired(u.DeviceMarks, was), is, day), known, now)
}
