package accounts

import (
	"bytes"
	"context"
	"encoding/binary"
	"net/netip"
	"strings"
	"time"

	"gorm.io/gorm"

	"gatehouse/internal/apperr"
	"gatehouse/internal/database"
	"gatehouse/internal/ratelimit"
	"gatehouse/internal/secrets"
	"gatehouse/mail"
	"gatehouse/models"
	"gatehouse/tokens"
)

// A browser is known again by a random value in a cookie of its own, a program
// by its name and its network. It opens nothing: it decides whether a sign-in is
// news to the owner, and whether a try at a secret is counted with those of
// strangers (known.go). The table holds marks that are another for each person,
// so that two people at one browser cannot be told from it.
const (
	devicePrefix = "gh_dv_"
	markSize     = 8
	entrySize    = markSize + 4 // and the day it was last seen
	mostDevices  = 32
)

// NewDevice is the value of a cookie for a browser that has none.
func NewDevice() secrets.Raw { return secrets.NewToken(devicePrefix) }

// IsDevice reports whether a cookie can be one of ours.
func IsDevice(s string) bool {
	return len(s) == len(NewDevice().Reveal()) && strings.HasPrefix(s, devicePrefix)
}

// deviceMark is what the table keeps of the device that by comes from.
func deviceMark(user models.ID, by tokens.Client) []byte {
	device := by.Browser.Reveal()
	if device == "" {
		product, _, _ := strings.Cut(by.UserAgent, "/") // an update is no other device
		addr, _ := netip.ParseAddr(by.IP)
		device = "program " + product + " " + ratelimit.NetworkKey(addr)
	}
	h, _ := secrets.HashOf("device/"+user.String(), device)
	return h.Bytes()[:markSize]
}

// The days of a mark that are none: one that is not in the table, and one that
// stays there so that its cookie is not taken for a new one (KeptBrowser). A
// sign-in under such a mark is news.
const (
	neverSeen  = -1
	retiredDay = 0
)

func dayNumber(at time.Time) int64 { return at.Unix() / (24 * 60 * 60) }

// dayOf is the day a device was last seen.
func dayOf(marks, mark []byte) int64 {
	for ; len(marks) >= entrySize; marks = marks[entrySize:] {
		if bytes.Equal(marks[:markSize], mark) {
			return int64(binary.BigEndian.Uint32(marks[markSize:entrySize]))
		}
	}
	return neverSeen
}

// withEntry puts a device in front of the marks of a person; the oldest goes when
// there are too many.
func withEntry(marks, mark []byte, day int64) []byte {
	next := binary.BigEndian.AppendUint32(bytes.Clone(mark), uint32(day))
	for ; len(marks) >= entrySize && len(next) < mostDevices*entrySize; marks = marks[entrySize:] {
		if !bytes.Equal(marks[:markSize], mark) {
			next = append(next, marks[:entrySize]...)
		}
	}
	return next
}

// retired leaves a mark where it is and has its device unseen.
func retired(marks, mark []byte) []byte {
	marks = bytes.Clone(marks)
	for rest := marks; len(rest) >= entrySize; rest = rest[entrySize:] {
		if bytes.Equal(rest[:markSize], mark) {
			binary.BigEndian.PutUint32(rest[markSize:], retiredDay)
		}
	}
	return marks
}

// withDevice notes that a device was seen. changed is false for one that was seen
// today.
func withDevice(marks, mark []byte, now time.Time) (next []byte, known, changed bool) {
	before, today := dayOf(marks, mark), dayNumber(now)
	return withEntry(marks, mark, today), before > retiredDay, before != today
}

// NoteDevice remembers the device of a sign-in (by KeptBrowser) and what was shown on it, in the
// transaction of the sign-in, and tells the owner by mail of one that was not
// seen before. u comes from ByLogin, which read the marks. A device of today
// costs no statement. The very first sign-in is no news, and nothing here stops
// one.
func (s *Service) NoteDevice(tx *gorm.DB, u *models.User, shown Shown, by tokens.Client) error {
	now, was := s.now(), deviceMark(u.ID, by)
	had, stays := by.Browser, KeptBrowser(u, by)
	by.Browser = stays
	marks, seen, changed := withDevice(u.DeviceMarks, deviceMark(u.ID, by), now.Time)
	if !bytes.Equal(had.RevealBytes(), stays.RevealBytes()) { // the browser goes on by another value, and it is no news for that
		seen = seen || dayOf(u.DeviceMarks, was) > retiredDay
		marks = retired(marks, was)
	}
	known := u.KnownMarks
	if !by.Browser.IsZero() && (changed || HasShown(u, by.Browser)&shown != shown) {
		known, changed = withKnown(known, knownMark(u.ID, u.SessionEpoch, by.Browser), shown), true
	}
	if !changed {
		return nil
	}
	if err := writeDevices(tx, u, marks, known, now); err != nil {
		return err
	}
	if seen || u.SignIns == 0 {
		return nil
	}
	return s.tellOfDevice(tx, u, by)
}

func writeDevices(tx *gorm.DB, u *models.User, marks, known []byte, now models.Time) error {
	row := models.KnownDevices{UserID: u.ID, Marks: marks, Known: append([]byte{}, known...), UpdatedAt: now} // the column takes no NULL
	res := tx.Exec(`UPDATE known_devices SET marks = ?, known = ?, updated_at = ? WHERE user_id = ?`, row.Marks, row.Known, now, u.ID)
	if res.Error != nil || res.RowsAffected > 0 || len(u.DeviceMarks) > 0 {
		return res.Error
	}
	return insertDevices(tx, row)
}

// insertDevices makes the row of a person. When a sign-in of the same moment was
// first, the next one from here is news again.
func insertDevices(tx *gorm.DB, row models.KnownDevices) error {
	err := tx.Exec(`INSERT INTO known_devices (user_id, marks, known, updated_at) VALUES (?, ?, ?, ?)`,
		row.UserID, row.Marks, row.Known, row.UpdatedAt).Error
	if database.IsDuplicate(err) {
		return nil
	}
	return err
}

// tellOfDevice queues the notice. It names the device and the network address,
// and no place: guessing one warns nobody well. At the cap, and for an address
// that no mail can be sent to, there is none: the sign-in goes on.
func (s *Service) tellOfDevice(tx *gorm.DB, u *models.User, by tokens.Client) error {
	if !s.Mail.Configured() {
		return nil
	}
	// Outside the request: its answer says nothing of the mails of an account.
	if s.Limits.Take(context.Background(), ratelimit.NewDevice, string(u.EmailKey)) != nil {
		return nil
	}
	err := s.Mail.Enqueue(tx, mail.Message{
		To: Mailbox(u.Email, u.EmailKey), Locale: u.Locale, Purpose: mail.NewDevice, Link: s.Config.BaseURL + "/account/sessions",
		Data: map[string]string{"device": by.Device, "ip": by.IP},
	})
	if apperr.Reason(err) == "bad_address" {
		return nil
	}
	return err
}
