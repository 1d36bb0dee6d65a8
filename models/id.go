package models

import (
	"database/sql/driver"
	"fmt"
	"time"

	"github.com/google/uuid"
)

// ID identifies a row: a UUID v7 (RFC 9562, section 5.7), so that new rows
// land beside each other in an index. It is stored as 16 bytes and written as
// the usual 36 characters everywhere else. The zero ID means "none" and is
// stored as NULL.
type ID [16]byte

// NewID makes a fresh id. It panics only when the operating system has no
// random numbers, which Go itself treats as fatal.
func NewID() ID { return ID(uuid.Must(uuid.NewV7())) }

// FirstID is not above any id that was made at t or later, by the clock of whoever
// made it.
func FirstID(t time.Time) (id ID) {
	ms := uint64(max(t.UnixMilli(), 0))
	for i := range 6 {
		id[i] = byte(ms >> (40 - 8*i))
	}
	return id
}

// ParseID reads the 36-character form and nothing else: no braces, no "urn:"
// prefix, no 32-character form, so that one id has one spelling.
func ParseID(s string) (ID, error) {
	if len(s) != 36 {
		return ID{}, fmt.Errorf("models: %q is not an id: want 36 characters like 01890a5d-ac96-774b-bcce-b302099a8057", s)
	}
	u, err := uuid.Parse(s)
	if err != nil || u.String() != s {
		return ID{}, fmt.Errorf("models: %q is not an id in its canonical form", s)
	}
	return ID(u), nil
}

// IDFromBytes reads the 16 stored bytes.
func IDFromBytes(b []byte) (ID, error) {
	if len(b) != 16 {
		return ID{}, fmt.Errorf("models: an id has 16 bytes, not %d", len(b))
	}
	return ID(b), nil
}

// IsZero reports whether the id is "none".
func (id ID) IsZero() bool { return id == ID{} }

// String writes the canonical 36 characters (RFC 9562, section 4), in lower case.
func (id ID) String() string { return uuid.UUID(id).String() }

// Bytes returns the 16 bytes as they are stored.
func (id ID) Bytes() []byte { return id[:] }

// MarshalText implements encoding.TextMarshaler.
func (id ID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (id *ID) UnmarshalText(b []byte) error {
	parsed, err := ParseID(string(b))
	if err == nil {
		*id = parsed
	}
	return err
}

// GormDataType names the kind of column for GORM.
func (ID) GormDataType() string { return "bytes" }

// Value implements driver.Valuer.
func (id ID) Value() (driver.Value, error) {
	if id.IsZero() {
		return nil, nil
	}
	return id[:], nil
}

// Scan implements sql.Scanner.
func (id *ID) Scan(src any) error {
	switch v := src.(type) {
	case nil:
		*id = ID{}
		return nil
	case []byte:
		if len(v) != 16 {
			return fmt.Errorf("models: an id column holds %d bytes, want 16", len(v))
		}
		copy(id[:], v)
		return nil
	}
	return fmt.Errorf("models: an id column holds a %T, want bytes", src)
}
