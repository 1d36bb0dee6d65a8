package database_test

import (
	"strings"
	"testing"

	"gatehouse/internal/apperr"
	"gatehouse/internal/database"
	"gatehouse/internal/testkit"
	"gatehouse/models"

	"gorm.io/gorm"
)

// open opens without migrating.
func open(t *testing.T, url string) *database.DB {
	t.Helper()
	db, err := database.Open(t.Context(), database.Options{URL: url, Clock: testkit.NewClock().Now, Log: testkit.Log(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// eachEmpty runs test with an empty database of each dialect.
func eachEmpty(t *testing.T, test func(t *testing.T, url string)) {
	t.Run("sqlite", func(t *testing.T) { test(t, "sqlite:"+t.TempDir()+"/new.db") })
	t.Run("mysql", func(t *testing.T) { test(t, testkit.MySQLURL(t)) })
}

func TestANewDatabaseIsNotReadyUntilItIsMigrated(t *testing.T) {
	eachEmpty(t, func(t *testing.T, url string) {
		db := open(t, url)
		if err := db.Ready(t.Context()); apperr.From(err) == nil || apperr.From(err).Kind != apperr.Unavailable {
			t.Fatalf("got %v", err)
		}
		for range 2 {
			if err := db.Migrate(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if err := db.Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

func TestMigrationsGoDownAndUpWithRowsInside(t *testing.T) {
	eachEmpty(t, func(t *testing.T, url string) {
		db := open(t, url)
		if err := db.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		steps := status(t, db, 0)
		for round := range 2 {
			fill(t, db)
			for n := range steps {
				if err := db.MigrateDown(t.Context()); err != nil {
					t.Fatalf("round %d, down %d: %v", round, n, err)
				}
				status(t, db, n+1)
			}
			if err := db.MigrateDown(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := db.Migrate(t.Context()); err != nil {
				t.Fatal(err)
			}
			status(t, db, 0)
		}
	})
}

// status checks that exactly the last pending migrations are not applied.
func status(t *testing.T, db *database.DB, pending int) (steps int) {
	t.Helper()
	list, err := db.Migrations(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i, m := range list {
		if m.Name == "" || i > 0 && m.Version <= list[i-1].Version {
			t.Fatalf("step %d is %+v", i, m)
		}
		if want := i < len(list)-pending; want == m.AppliedAt.IsZero() {
			t.Fatalf("with %d pending, step %d is applied at %v", pending, i, m.AppliedAt)
		}
	}
	return len(list)
}

// fill puts a row into some tables of different migrations.
func fill(t *testing.T, db *database.DB) {
	t.Helper()
	at := models.At(testkit.NewClock().Now())
	id := models.NewID()
	rows := []any{
		&models.User{ID: id, Email: "a@b.example", EmailKey: []byte("a@b.example"), CreatedAt: at, UpdatedAt: at},
		&models.Session{ID: id, UserID: id, CreatedAt: at, LastSeenAt: at, IdleUntil: at, AbsoluteUntil: at},
		&models.RevocationBatch{Seq: 1, PrevHash: make([]byte, 32), Body: []byte("{}"), SealedAt: at},
		&models.SigningKey{KID: "k", Public: []byte("p"), Private: []byte("s"), CreatedAt: at},
		&models.AuditEvent{ID: id, At: at, Salt: make([]byte, 16), Commitment: make([]byte, 32)},
		&models.OutboxMail{ID: id, RecipientKey: make([]byte, 32), NextAt: at, CreatedAt: at},
		&models.ServiceAccount{ID: id, Name: "orders", SecretHash: make([]byte, 32), CreatedAt: at},
		&models.PastLog{LogID: id, NextLogID: id, LeftAt: at},
		&models.ReservedName{Kind: "username", NameKey: []byte("ada"), UserID: id, Until: at},
		&models.EmailChange{ID: id, UserID: id, EmailKey: []byte("b@b.example"), OldEmailKey: []byte("a@b.example"), CreatedAt: at, ExpiresAt: at},
		&models.KnownDevices{UserID: id, Marks: []byte("marks"), Known: []byte{}, UpdatedAt: at},
		&models.Follower{ID: id, ServiceID: id, Mode: "refuse", RegisteredAt: at, SeenAt: at},
		&models.TOTPFactor{UserID: id, Seed: []byte("s"), CreatedAt: at},
		&models.Passkey{ID: id, UserID: id, CredentialID: []byte("c"), PublicKey: []byte("p"), UserHandle: []byte("u"), CreatedAt: at},
		&models.RecoveryCode{UserID: id, Position: 1, Hash: "h", CreatedAt: at},
		&models.ExternalID{UserID: id, ExternalID: []byte("e")},
	}
	err := db.Write(t.Context(), func(tx *gorm.DB) error {
		for _, row := range rows {
			if err := tx.Create(row).Error; err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestNodesThatStartAtOnceMigrateOnce(t *testing.T) {
	eachEmpty(t, func(t *testing.T, url string) {
		nodes := make([]*database.DB, 4)
		for i := range nodes {
			nodes[i] = open(t, url)
		}
		testkit.Race(t, len(nodes), func(i int) (bool, error) { return true, nodes[i].Migrate(t.Context()) })
		for _, db := range nodes {
			if err := db.Ready(t.Context()); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestAHalfMigratedDatabaseIsCompleted(t *testing.T) {
	eachEmpty(t, func(t *testing.T, url string) {
		db := open(t, url)
		if err := db.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		// As if the server had died between two tables of the second step and,
		// at another time, between the table of versions and its first row.
		for _, query := range []string{
			"DELETE FROM schema_migrations",
			"DROP TABLE throttle_counters",
			"DROP TABLE one_time_tokens",
			"DROP TABLE mail_outbox",
			"DROP TABLE followers",
			"DROP TABLE email_changes",
			"DROP TABLE known_devices",
			"DROP VIEW admissions",
			"DROP TABLE users",
		} {
			if _, err := db.Exec(t.Context(), query); err != nil {
				t.Fatal(err)
			}
		}
		if err := db.Ready(t.Context()); err == nil {
			t.Fatal("a half-migrated database is ready")
		}
		if err := db.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		fill(t, db)
	})
}

func TestAHalfMigratedDatabaseAnswersNotNow(t *testing.T) {
	testkit.EachDB(t, func(t *testing.T, db *database.DB) {
		if _, err := db.Exec(t.Context(), "DROP TABLE throttle_counters"); err != nil {
			t.Fatal(err)
		}
		if _, err := db.Exec(t.Context(), insertCounter, bucket(1), 1); !isNotNow(err) {
			t.Errorf("exec: got %v", err)
		}
		if err := db.Write(t.Context(), func(tx *gorm.DB) error { return increment(tx, 1) }); !isNotNow(err) {
			t.Errorf("write: got %v", err)
		}
		var n int64
		if err := database.Unavailable(db.Read(t.Context()).Table("throttle_counters").Count(&n).Error); !isNotNow(err) {
			t.Errorf("read: got %v", err)
		}
	})
}

func TestADatabaseOfANewerVersionIsRefused(t *testing.T) {
	testkit.EachDB(t, func(t *testing.T, db *database.DB) {
		if _, err := db.Exec(t.Context(), "INSERT INTO schema_migrations (version_id, is_applied) VALUES (?, 1)", 9999); err != nil {
			t.Fatal(err)
		}
		for what, err := range map[string]error{
			"up": db.Migrate(t.Context()), "down": db.MigrateDown(t.Context()), "ready": db.Ready(t.Context()),
		} {
			if err == nil || !strings.Contains(err.Error(), "newer version") || strings.Contains(err.Error(), "\n") {
				t.Errorf("%s: got %v", what, err)
			}
		}
	})
}

func TestTheDialectsHaveTheSameMigrations(t *testing.T) {
	testkit.EachDB(t, func(t *testing.T, db *database.DB) {
		list, err := db.Migrations(t.Context())
		if err != nil || len(list) < 6 || list[0].Name != "accounts" {
			t.Fatalf("got %+v and %v", list, err)
		}
	})
}
