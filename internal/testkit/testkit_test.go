package testkit

import (
	"testing"

	"gatehouse/internal/database"

	"gorm.io/gorm"
)

func TestEachDBGivesAMigratedDatabaseThatWrites(t *testing.T) {
	EachDB(t, func(t *testing.T, db *database.DB) {
		if err := db.Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
		err := db.Write(t.Context(), func(tx *gorm.DB) error {
			return tx.Exec("INSERT INTO deployment (id, log_id, access_ttl_max, created_at) VALUES (1, ?, 2, 3)", make([]byte, 16)).Error
		})
		if err != nil {
			t.Fatal(err)
		}
		var n int64
		if err := db.Read(t.Context()).Table("deployment").Count(&n).Error; err != nil || n != 1 {
			t.Fatalf("got %d rows and %v, want 1", n, err)
		}
	})
}
