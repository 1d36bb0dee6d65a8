package server

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gatehouse/config"
	"gatehouse/internal/testkit"
	"gatehouse/mail"
)

func level(list []mail.Finding, check string) (worst, todo string) {
	for _, f := range list {
		if f.Check == check && (worst == "" || f.Level == mail.Fail || worst == mail.OK) {
			worst, todo = f.Level, f.Todo
		}
	}
	return worst, todo
}

func doctored(t *testing.T, url string, change func(*config.Config)) []mail.Finding {
	t.Helper()
	c := config.Config{
		AppURL: "http://localhost:5000", ListenAddr: "127.0.0.1:5000", DatabaseURL: config.Secret(url), LogLevel: "error",
		DataDir: filepath.Dir(strings.TrimPrefix(url, "sqlite:")),
	}
	if change != nil {
		change(&c)
	}
	return Doctor(t.Context(), c)
}

func TestTheDoctorFindsAHealthyServerWell(t *testing.T) {
	testkit.EachURL(t, func(t *testing.T, url string) {
		db := testkit.Open(t, url, time.Now)
		if err := db.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		list := doctored(t, url, func(c *config.Config) {
			if c.UsesSQLite() {
				_ = os.Chmod(c.DataDir, 0o700)
			}
		})
		for _, f := range list {
			if f.Level != mail.OK {
				t.Errorf("%+v", f)
			}
		}
	})
}

func TestTheDoctorMakesNothing(t *testing.T) {
	dir := t.TempDir()
	list := doctored(t, "sqlite:"+filepath.Join(dir, "data", "gatehouse.db"), nil)
	if worst, _ := level(list, "database"); worst != mail.OK {
		t.Errorf("%+v", list)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("%v, %v", left, err)
	}
	testkit.EachURL(t, func(t *testing.T, url string) {
		if strings.HasPrefix(url, "sqlite:") {
			return // that one is migrated
		}
		for range 2 {
			if worst, todo := level(doctored(t, url, nil), "database"); worst != mail.Warn || todo == "" {
				t.Errorf("an empty database is %s, %s", worst, todo)
			}
		}
	})
}

func TestTheDoctorSaysWhatIsWrong(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(t *testing.T, c *config.Config)
		check string
		want  string
	}{
		"others can read the key": {func(t *testing.T, c *config.Config) {
			if err := os.WriteFile(filepath.Join(c.DataDir, secretFile), []byte("x"), 0o644); err != nil {
				t.Fatal(err)
			}
		}, "data", mail.Fail},
		"the folder is open": {func(_ *testing.T, c *config.Config) {
			_ = os.Chmod(c.DataDir, 0o755)
			_ = os.Chmod(c.SQLitePath(), 0o600)
		}, "data", mail.Warn},
		"the database is garbage": {func(_ *testing.T, c *config.Config) {
			_ = os.WriteFile(c.SQLitePath(), []byte(strings.Repeat("no ", 2000)), 0o600)
		}, "database", mail.Fail},
		"no database server": {func(_ *testing.T, c *config.Config) { c.DatabaseURL = "mysql://me:hunter2@unix(/nowhere)/x" }, "database", mail.Fail},
		"no SMTP server": {func(_ *testing.T, c *config.Config) {
			c.SMTPURL, c.MailFrom = "smtp://me:hunter2@localhost:1", "a@localhost"
		}, "smtp", mail.Fail},
		"a bad DKIM key": {func(_ *testing.T, c *config.Config) {
			c.SMTPURL, c.MailFrom, c.DKIMKey, c.DKIMSelector = "smtp://localhost:1", "a@localhost", "hunter2", "x"
		}, "smtp", mail.Fail},
		"passwords in the clear": {func(_ *testing.T, c *config.Config) { c.AppURL = "http://id.example.com" }, "config", mail.Warn},
	} {
		list := doctored(t, testkit.SQLiteURL(t), func(conf *config.Config) {
			_ = os.Chmod(conf.DataDir, 0o700)
			c.spoil(t, conf)
		})
		worst, todo := level(list, c.check)
		if worst != c.want || todo == "" {
			t.Errorf("%s: %s, %q in %+v", name, worst, todo, list)
		}
		for _, f := range list {
			if strings.Contains(f.Text+f.Todo, "hunter2") || strings.Contains(f.Text+f.Todo, "\n") {
				t.Errorf("%s: %+v", name, f)
			}
		}
	}
}

func TestClocksThatAreApartAreToldBySeverity(t *testing.T) {
	for off, want := range map[time.Duration]string{
		0: mail.OK, 900 * time.Millisecond: mail.OK, -1100 * time.Millisecond: mail.Warn, 5 * time.Second: mail.Warn, -6 * time.Second: mail.Fail,
	} {
		if f := clockFinding(off); f.Level != want || (f.Todo == "") != (want == mail.OK) {
			t.Errorf("%s: %+v", off, f)
		}
	}
}
