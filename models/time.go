package models

import (
	"database/sql/driver"
	"fmt"
	"time"
)

// Time is a moment as the database holds it: microseconds since 1970 in UTC.
// The zero Time is "never" and is stored as NULL.
type Time struct{ time.Time }

// At rounds a moment down to what the database can hold.
func At(t time.Time) Time {
	if t.IsZero() {
		return Time{}
	}
	return Time{t.UTC().Truncate(time.Microsecond)}
}

// GormDataType names the kind of column for GORM. It also keeps GORM from
// taking the struct for an embedded one.
func (Time) GormDataType() string { return "int" }

// Value implements driver.Valuer.
func (t Time) Value() (driver.Value, error) {
	if t.IsZero() {
		return nil, nil
	}
	return t.UnixMicro(), nil
}

// Scan implements sql.Scanner.
func (t *Time) Scan(src any) error {
	switch v := src.(type) {
	case nil:
		*t = Time{}
		return nil
	case int64:
		*t = Time{time.UnixMicro(v).UTC()}
		return nil
	}
	return fmt.Errorf("models: a time column holds a %T, want an integer of microseconds", src)
}
