package lease

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"
)

// row is a lease. Beat makes every renewal change a column, because MySQL
// counts changed rows only.
type row struct {
	Name      string `gorm:"primaryKey"`
	Holder    string
	ExpiresAt int64 // microseconds since 1970
	Beat      int64
}

// TableName names the table for GORM.
func (row) TableName() string { return "leases" }

const (
	createSQLite = `CREATE TABLE IF NOT EXISTS leases (
    name       TEXT NOT NULL,
    holder     TEXT NOT NULL,
    expires_at INTEGER NOT NULL,
    beat       INTEGER NOT NULL,
    PRIMARY KEY (name)
) STRICT, WITHOUT ROWID`
	createMySQL = `CREATE TABLE IF NOT EXISTS leases (
    name       VARBINARY(64) NOT NULL,
    holder     VARBINARY(64) NOT NULL,
    expires_at BIGINT NOT NULL,
    beat       BIGINT NOT NULL,
    PRIMARY KEY (name)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin`
)

// CreateTable makes the table unless it is there. MySQL commits a transaction
// when a table is made in it, so it stands in one of its own.
func CreateTable(ctx context.Context, db *gorm.DB) error {
	create := createSQLite
	if db.Name() == "mysql" {
		create = createMySQL
	}
	return db.WithContext(ctx).Exec(create).Error
}

// NewHolder names a process that asks for leases, differently each time.
func NewHolder() string { return uuid.NewString() }

// apart is how far the clocks of two nodes may be from each other.
const apart = time.Minute

// Acquire takes or renews the lease name for holder until ttl after now. ok is
// false while somebody else holds it. A lease that lasts longer than ttl was
// taken before the clock went back, or by a node whose clock is ahead; its holder
// may be dead, and nobody waits a day to find out.
func Acquire(ctx context.Context, db *gorm.DB, name, holder string, ttl time.Duration, now time.Time) (ok bool, err error) {
	db = db.WithContext(ctx)
	until, at := now.Add(ttl).UnixMicro(), now.UnixMicro()
	res := db.Exec("UPDATE leases SET holder = ?, expires_at = ?, beat = beat + 1 WHERE name = ? AND (holder = ? OR expires_at <= ? OR expires_at > ?)",
		holder, until, name, holder, at, until+apart.Microseconds())
	if res.Error != nil || res.RowsAffected == 1 {
		return res.Error == nil, res.Error
	}
	return insert(db, row{Name: name, Holder: holder, ExpiresAt: until})
}

// insert takes a lease that nobody has held before. The primary key lets one
// of many win. On MySQL a duplicate key undoes only the statement.
func insert(db *gorm.DB, r row) (bool, error) {
	var held int64
	if err := db.Model(&row{}).Where("name = ?", r.Name).Count(&held).Error; err != nil || held > 0 {
		return false, err
	}
	err := db.Create(&r).Error
	if errors.Is(err, gorm.ErrDuplicatedKey) {
		return false, nil
	}
	return err == nil, err
}

// Release gives the lease up, if holder has it, so that others need not wait
// for its end.
func Release(ctx context.Context, db *gorm.DB, name, holder string) error {
	return db.WithContext(ctx).Exec("UPDATE leases SET expires_at = 0, beat = beat + 1 WHERE name = ? AND holder = ?", name, holder).Error
}
