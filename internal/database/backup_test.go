package database_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gorm.io/gorm"

	"gatehouse/internal/database"
	"gatehouse/internal/testkit"
)

func TestABackupIsWholeWhileTheServerGoesOnWriting(t *testing.T) {
	db := testkit.DB(t)
	fill(t, db)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
				_ = db.Write(t.Context(), func(tx *gorm.DB) error { return tx.Exec("UPDATE users SET sign_ins = sign_ins + 1").Error })
			}
		}
	}()
	path := filepath.Join(t.TempDir(), "copy of the 1st.db")
	err := db.Backup(t.Context(), path)
	close(stop)
	<-stopped
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	copied := open(t, "sqlite:"+path)
	if err := copied.CheckBackup(t.Context(), path); err != nil {
		t.Error(err)
	}
	var n int64
	if err := copied.Read(t.Context()).Raw("SELECT COUNT(*) FROM users").Scan(&n).Error; err != nil || n != 1 {
		t.Errorf("%d people, %v", n, err)
	}
	if err := db.Backup(t.Context(), path); err == nil || !strings.Contains(err.Error(), "never overwrites") {
		t.Errorf("a second backup into the file: %v", err)
	}
}

func TestAFileThatIsNoBackupIsRefused(t *testing.T) {
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty.db")
	if err := open(t, "sqlite:"+empty).CheckBackup(t.Context(), empty); err == nil {
		t.Error("a database without our tables is one of ours")
	}
	newer := filepath.Join(dir, "newer.db")
	if err := testkit.DB(t).Backup(t.Context(), newer); err != nil {
		t.Fatal(err)
	}
	db := open(t, "sqlite:"+newer)
	if _, err := db.Exec(t.Context(), "INSERT INTO schema_migrations (version_id, is_applied) VALUES (99999, 1)"); err != nil {
		t.Fatal(err)
	}
	if err := db.CheckBackup(t.Context(), newer); err == nil || !strings.Contains(err.Error(), "newer version") {
		t.Errorf("of a newer version: %v", err)
	}
	damaged := filepath.Join(dir, "damaged.db")
	if err := testkit.DB(t).Backup(t.Context(), damaged); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(damaged)
	if err != nil {
		t.Fatal(err)
	}
	for i := 8192; i < 12288; i++ {
		content[i] ^= 0xff
	}
	if err := os.WriteFile(damaged, content, 0o600); err != nil {
		t.Fatal(err)
	}
	db, err = database.Open(t.Context(), database.Options{URL: "sqlite:" + damaged, Clock: testkit.NewClock().Now})
	if err == nil {
		defer db.Close()
		err = db.CheckBackup(t.Context(), damaged)
	}
	if err == nil {
		t.Error("a damaged file is whole")
	}
}
