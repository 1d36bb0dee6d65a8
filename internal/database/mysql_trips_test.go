package database_test

import (
	"testing"

	"gatehouse/internal/database"
	"gatehouse/internal/testkit"
	"gatehouse/models"

	"gorm.io/gorm"
)

// trips counts what the one connection of db has asked the server so far:
// statements, and preparations of statements.
func trips(t *testing.T, db *database.DB) (statements, preparations int64) {
	t.Helper()
	var rows []struct {
		Name  string `gorm:"column:Variable_name"`
		Value int64  `gorm:"column:Value"`
	}
	err := db.Read(t.Context()).Raw("SHOW SESSION STATUS WHERE Variable_name IN ('Questions', 'Com_stmt_prepare')").Scan(&rows).Error
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		switch r.Name {
		case "Questions":
			statements = r.Value
		default:
			preparations = r.Value
		}
	}
	return statements, preparations
}

// TestATransactionCostsNoHiddenRoundTrips: BEGIN and COMMIT and what the caller
// asked for, and nothing is prepared twice on one connection.
func TestATransactionCostsNoHiddenRoundTrips(t *testing.T) {
	db, err := database.Open(t.Context(), database.Options{URL: testkit.MySQLURL(t), Clock: testkit.NewClock().Now, ReadConns: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	at := models.At(testkit.NewClock().Now())
	refresh := func() {
		err := db.Write(t.Context(), func(tx *gorm.DB) error { return rotate(tx, models.NewID(), 1, at) })
		if err != nil {
			t.Fatal(err)
		}
	}
	read := func() {
		var f models.RefreshFamily
		if err := db.Read(t.Context()).Where("id = ?", models.NewID()).Limit(1).Find(&f).Error; err != nil {
			t.Fatal(err)
		}
	}
	single := func() {
		if _, err := db.Exec(t.Context(), "UPDATE refresh_families SET generation = ? WHERE id = ?", 1, models.NewID()); err != nil {
			t.Fatal(err)
		}
	}
	for what, c := range map[string]struct {
		do   func()
		want int64
	}{"write": {refresh, 4}, "read": {read, 1}, "exec": {single, 1}} {
		c.do() // prepares
		before, prepared := trips(t, db)
		c.do()
		c.do()
		after, preparedAfter := trips(t, db)
		if got := after - before - 1; got != 2*c.want || preparedAfter != prepared {
			t.Errorf("%s: two of them cost %d round trips and %d preparations, want %d and 0", what, got, preparedAfter-prepared, 2*c.want)
		}
	}
}
