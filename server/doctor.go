package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"gatehouse/config"
	"gatehouse/internal/database"
	"gatehouse/internal/secrets"
	"gatehouse/mail"
	"gatehouse/signin"
	"gatehouse/tokens"
)

// finding is what the command doctor says about one thing.
type finding = mail.Finding

// The bounds of what doctor finds well.
const (
	clockWarn, clockFail = time.Second, 5 * time.Second
	diskWarn, diskFail   = 1 << 30, 100 << 20
	doctorTimeout        = 60 * time.Second
)

// Doctor looks at everything that the server needs and changes nothing: it
// makes no folder, migrates no table and sends no mail, so that it can run
// beside a server, or before the first one.
func Doctor(ctx context.Context, c config.Config) []mail.Finding {
	ctx, cancel := context.WithTimeout(ctx, doctorTimeout)
	defer cancel()
	list := []finding{checkConfig(c)}
	list = append(list, checkBreached(c)...)
	list = append(list, checkDataDir(c)...)
	list = append(list, checkDatabase(ctx, c)...)
	return append(list, checkMail(ctx, c)...)
}

func checkConfig(c config.Config) finding {
	if c.URL().Scheme == "http" && !config.IsLoopback(c.URL().Hostname()) {
		return finding{Check: "config", Level: mail.Warn, Text: c.AppURL + " sends passwords in the clear",
			Todo: "put a TLS proxy in front, set APP_URL to its https address and remove ALLOW_INSECURE_HTTP"}
	}
	return finding{Check: "config", Level: mail.OK, Text: fmt.Sprintf("the settings are right: %s, listening on %s", c.AppURL, c.ListenAddr)}
}

// checkBreached looks at a sample of the operator's list of passwords.
func checkBreached(c config.Config) []finding {
	if c.BreachedPasswords == "" {
		return nil
	}
	if _, err := OpenBreached(c); err != nil {
		return []finding{{Check: "passwords", Level: mail.Fail, Text: err.Error(), Todo: "give it the file that docs/operations.md describes, or leave it out"}}
	}
	return []finding{{Check: "passwords", Level: mail.OK, Text: "passwords of " + c.BreachedPasswords + " are refused"}}
}

// checkDataDir looks at the folder of the embedded database and the key in it.
func checkDataDir(c config.Config) []finding {
	if !c.UsesSQLite() {
		return nil
	}
	dir := filepath.Dir(c.SQLitePath())
	info, err := os.Stat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return []finding{{Check: "data", Level: mail.OK, Text: dir + " is not there yet: the first start makes it"}}
	}
	if err != nil || !info.IsDir() {
		return []finding{{Check: "data", Level: mail.Fail, Text: dir + " can't be used as a folder", Todo: "set DATA_DIR to a folder that the server's user may write"}}
	}
	return []finding{checkRights(c, dir, info), checkDisk(dir)}
}

func checkRights(c config.Config, dir string, info fs.FileInfo) finding {
	probe, err := os.CreateTemp(dir, ".doctor-")
	if err != nil {
		return finding{Check: "data", Level: mail.Fail, Text: dir + " can't be written", Todo: "give it to the user that runs the server: chown -R USER " + dir}
	}
	_ = probe.Close()
	_ = os.Remove(probe.Name())
	for _, path := range []string{filepath.Join(c.DataDir, secretFile), c.SQLitePath()} {
		if f, err := os.Stat(path); err == nil && f.Mode().Perm()&0o077 != 0 && (path != c.SQLitePath() || info.Mode().Perm()&0o077 != 0) {
			return finding{Check: "data", Level: mail.Fail, Text: fmt.Sprintf("%s can be read by others (%04o)", path, f.Mode().Perm()), Todo: "chmod 600 " + path}
		}
	}
	if info.Mode().Perm()&0o077 != 0 {
		return finding{Check: "data", Level: mail.Warn, Text: fmt.Sprintf("%s is open to others (%04o)", dir, info.Mode().Perm()), Todo: "chmod 700 " + dir}
	}
	return finding{Check: "data", Level: mail.OK, Text: dir + " can be written, by its owner alone"}
}

func checkDisk(dir string) finding {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return finding{Check: "disk", Level: mail.Warn, Text: "the free space is unknown: " + err.Error(), Todo: "look at it yourself: df " + dir}
	}
	free := uint64(st.Bavail) * uint64(st.Bsize)
	f := finding{Check: "disk", Level: mail.OK, Text: fmt.Sprintf("%.1f GB free", float64(free)/1e9)}
	if free < diskWarn {
		f.Level, f.Todo = mail.Warn, "make room: a full disk answers 503 to everything that writes"
	}
	if free < diskFail {
		f.Level = mail.Fail
	}
	return f
}

// checkDatabase opens the database without making or migrating one.
func checkDatabase(ctx context.Context, c config.Config) []finding {
	const check = "database"
	if c.UsesSQLite() {
		if _, err := os.Stat(c.SQLitePath()); errors.Is(err, fs.ErrNotExist) {
			return []finding{{Check: check, Level: mail.OK, Text: c.SQLitePath() + " is not there yet: the first start makes it"}}
		}
	}
	db, err := database.Open(ctx, database.Options{URL: c.DatabaseURL.Reveal(), Clock: time.Now, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return []finding{{Check: check, Level: mail.Fail, Text: err.Error(), Todo: "check DATABASE_URL, and that the database server runs"}}
	}
	defer db.Close()
	return []finding{checkSchema(ctx, db), checkFlush(ctx, db), checkClock(ctx, db), checkFactors(ctx, db)}
}

func checkSchema(ctx context.Context, db *database.DB) finding {
	list, err := db.Migrations(ctx)
	if err != nil {
		return finding{Check: "database", Level: mail.Fail, Text: err.Error(), Todo: "let the server's user read the database"}
	}
	pending := 0
	for _, m := range list {
		if m.AppliedAt.IsZero() {
			pending++
		}
	}
	if pending > 0 {
		return finding{Check: "database", Level: mail.Warn, Text: fmt.Sprintf("reachable; %d migrations wait", pending), Todo: "run migrate up, or start the server: it does it too"}
	}
	if err := db.Ready(ctx); err != nil {
		return finding{Check: "database", Level: mail.Fail, Text: err.Error(), Todo: "use the newest version of the program on this database"}
	}
	return finding{Check: "database", Level: mail.OK, Text: fmt.Sprintf("reachable (%s), the tables are up to date", db.Dialect())}
}

// checkFactors says how many people a stolen password alone would open. It is no
// fault of the server, and before the first start there is nobody to count.
func checkFactors(ctx context.Context, db *database.DB) finding {
	n, err := signin.NewFactors(db, nil).Count(ctx)
	if err != nil {
		return finding{Check: "factors", Level: mail.OK, Text: "nobody to count yet"}
	}
	return finding{Check: "factors", Level: mail.OK, Text: fmt.Sprintf(
		"%d accounts without a second factor, %d with one, %d with several; %d of %d administrators without", n.None, n.One, n.Several, n.AdminsNone, n.Admins)}
}

// checkFlush looks whether a crash of the machine can lose what was answered
// with success (security rule 3).
func checkFlush(ctx context.Context, db *database.DB) finding {
	unsafe, err := db.UnsafeFlush(ctx)
	if err != nil {
		return finding{Check: "flush", Level: mail.Warn, Text: "the flush settings can't be read: " + err.Error(), Todo: "look at innodb_flush_log_at_trx_commit yourself"}
	}
	if unsafe != "" {
		return finding{Check: "flush", Level: mail.Warn, Text: unsafe + ": a crash can lose what was answered with success", Todo: "set it to what makes every commit durable"}
	}
	return finding{Check: "flush", Level: mail.OK, Text: "every commit is on the disk before it is answered"}
}

// checkClock compares this machine's time with the database's, by which every
// node counts. Tokens are checked by others with their own clocks.
func checkClock(ctx context.Context, db *database.DB) finding {
	clock := tokens.NewClusterClock(time.Now)
	if err := clock.Learn(ctx, db); err != nil {
		return finding{Check: "clock", Level: mail.Warn, Text: "the database does not tell its time", Todo: "see the line about the database"}
	}
	return clockFinding(time.Until(clock.Now()))
}

func clockFinding(off time.Duration) finding {
	f := finding{Check: "clock", Level: mail.OK, Text: "this machine and the database agree on the time"}
	if off = off.Abs(); off > clockWarn {
		f.Level, f.Text = mail.Warn, fmt.Sprintf("this machine and the database are %s apart", off.Round(100*time.Millisecond))
		f.Todo = "run a time service (chrony, systemd-timesyncd) on both"
	}
	if off > clockFail {
		f.Level = mail.Fail
	}
	return f
}

// checkMail asks the SMTP server and the names of the sender's domain. It needs
// neither database nor key: nothing is read from the outbox.
func checkMail(ctx context.Context, c config.Config) []finding {
	box, err := secrets.NewBox(make([]byte, 32)) // never used to seal anything
	if err != nil {
		return nil
	}
	r := &Rooms{Config: c, Box: box, Clock: time.Now}
	m, err := mail.New(r.mailDeps())
	if err != nil {
		return []finding{{Check: "smtp", Level: mail.Fail, Text: err.Error(), Todo: "the server does not start like this: put the setting right"}}
	}
	return append([]finding{m.CheckServer(ctx)}, m.CheckDomain(ctx, new(net.Resolver))...)
}
