package config

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net"
	"net/mail"
	"net/netip"
	"net/url"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

func (c *Config) fillDefaults() {
	if c.AppURL == "" {
		if _, port, err := net.SplitHostPort(c.ListenAddr); err == nil {
			c.AppURL = "http://localhost:" + port
		}
	}
	c.AppURL = strings.TrimSuffix(c.AppURL, "/")
	if c.DatabaseURL == "" {
		c.DatabaseURL = Secret("sqlite:" + filepath.Join(c.DataDir, "gatehouse.db"))
	}
}

// Validate checks what a single value cannot know of itself. The first fault
// is returned as one line.
func (c Config) Validate() error {
	for _, check := range []func() error{
		c.checkTags, c.checkListen, c.checkAppURL, c.checkName, c.checkDatabase, c.checkSecretKey, c.checkSecretKeyOld,
		c.checkMail, c.checkLifetimes, c.checkLimits, c.checkAudit,
	} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

// checkTags keeps oneof, min and max of the struct tags.
func (c Config) checkTags() error {
	v := reflect.ValueOf(c)
	for f, fv := range v.Fields() {
		name := f.Tag.Get("env")
		if words := strings.Fields(f.Tag.Get("oneof")); len(words) > 0 && fv.String() != "" && !slices.Contains(words, fv.String()) {
			return fmt.Errorf("%s: %q is unknown: want one of %s", name, fv.String(), strings.Join(words, ", "))
		}
		if err := checkRange(name, fv, f.Tag.Get("min"), f.Tag.Get("max")); err != nil {
			return err
		}
	}
	return nil
}

func checkRange(name string, v reflect.Value, low, high string) error {
	if low == "" {
		return nil
	}
	var lo, hi int64
	if v.Type() == reflect.TypeFor[time.Duration]() {
		l, _ := time.ParseDuration(low)
		h, _ := time.ParseDuration(high)
		lo, hi = int64(l), int64(h)
	} else {
		lo, _ = strconv.ParseInt(low, 10, 64)
		hi, _ = strconv.ParseInt(high, 10, 64)
	}
	if v.Int() < lo || v.Int() > hi {
		return fmt.Errorf("%s: want %s to %s", name, low, high)
	}
	return nil
}

func (c Config) checkListen() error {
	for name, addr := range map[string]string{"LISTEN_ADDR": c.ListenAddr, "METRICS_ADDR": c.MetricsAddr} {
		if addr == "" && name == "METRICS_ADDR" {
			continue
		}
		_, port, err := net.SplitHostPort(addr)
		if err != nil {
			return fmt.Errorf("%s: %q is no address: want host:port such as 127.0.0.1:5000", name, addr)
		}
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 && c.AppURL == "" {
			return fmt.Errorf("%s: %q is no port: want 1 to 65535", name, port)
		}
	}
	if c.MetricsAddr != "" && c.MetricsAddr == c.ListenAddr {
		return fmt.Errorf("METRICS_ADDR: is the same as LISTEN_ADDR: want a port of its own, since /metrics is not for everybody")
	}
	return nil
}

func (c Config) checkAppURL() error {
	u, err := url.Parse(c.AppURL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return fmt.Errorf("APP_URL: %q is no address: want https://id.example.com", c.AppURL)
	}
	if u.Path != "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil || u.Opaque != "" {
		return fmt.Errorf("APP_URL: want scheme and host alone, such as https://id.example.com, without a path")
	}
	if u.Host != strings.ToLower(u.Host) {
		return fmt.Errorf("APP_URL: want the host in lower case, because tokens carry it byte for byte")
	}
	if u.Scheme == "http" && !IsLoopback(u.Hostname()) && !c.AllowInsecureHTTP {
		return fmt.Errorf("APP_URL: %s would send passwords in the clear: want https, or ALLOW_INSECURE_HTTP=true for a closed test network", c.AppURL)
	}
	return nil
}

// checkAudit wants a checkpoint to go where it cannot be changed on its way
// unseen by whoever listens: it is signed, but a password in the address is not.
func (c Config) checkAudit() error {
	if c.AuditCheckpointURL == "" {
		return nil
	}
	u, err := url.Parse(c.AuditCheckpointURL.Reveal())
	if err != nil || u.Host == "" || u.Scheme != "https" && (u.Scheme != "http" || !IsLoopback(u.Hostname())) {
		return fmt.Errorf("AUDIT_CHECKPOINT_URL: want https://hooks.example.com/audit, or http on this machine")
	}
	return nil
}

func (c Config) checkName() error {
	if len([]rune(c.AppName)) > 40 || strings.ContainsFunc(c.AppName, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return fmt.Errorf("APP_NAME: want at most 40 characters in one line")
	}
	return nil
}

func (c Config) checkDatabase() error {
	url := c.DatabaseURL.Reveal()
	switch {
	case strings.HasPrefix(url, "sqlite:") && len(url) > len("sqlite:"):
		return nil
	case strings.HasPrefix(url, "mysql://"):
		if c.SecretKey == "" {
			return fmt.Errorf("SECRET_KEY: must be set with MySQL, the same on every node; the command secret prints a good one")
		}
		return nil
	}
	return fmt.Errorf("DATABASE_URL: want sqlite:PATH or mysql://user:password@tcp(host:3306)/name")
}

func (c Config) checkSecretKey() error {
	if c.SecretKey == "" {
		return nil
	}
	_, err := DecodeSecretKey(c.SecretKey.Reveal())
	return err
}

func (c Config) checkSecretKeyOld() error {
	if c.SecretKeyOld == "" {
		return nil
	}
	old, err := DecodeSecretKey(c.SecretKeyOld.Reveal())
	if err != nil {
		return fmt.Errorf("SECRET_KEY_OLD: want a key that was SECRET_KEY before: 32 random bytes or more in hex or base64")
	}
	if now, err := DecodeSecretKey(c.SecretKey.Reveal()); err == nil && bytes.Equal(now, old) {
		return fmt.Errorf("SECRET_KEY_OLD: is the same as SECRET_KEY: want the one before it, or nothing")
	}
	return nil
}

// DecodeSecretKey reads hex or base64 (standard or URL alphabet, padded or
// not) of at least 32 bytes. It refuses what nobody drew at random: a text, a
// sample, one byte over and over.
func DecodeSecretKey(s string) ([]byte, error) {
	b, err := hex.DecodeString(s)
	for _, enc := range []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding, base64.URLEncoding, base64.RawURLEncoding} {
		if err == nil {
			break
		}
		b, err = enc.DecodeString(s)
	}
	if err != nil || len(b) < 32 {
		return nil, fmt.Errorf("SECRET_KEY: want at least 32 random bytes in hex or base64; the command secret prints a good one")
	}
	seen := map[byte]bool{}
	for _, x := range b {
		seen[x] = true
	}
	// 32 random bytes have fewer than 12 different values once in 10^20 tries.
	if len(seen) < 12 {
		return nil, fmt.Errorf("SECRET_KEY: is a sample, not random; the command secret prints a good one")
	}
	return b, nil
}

func (c Config) checkMail() error {
	if (c.DKIMKey == "") != (c.DKIMSelector == "") {
		return fmt.Errorf("DKIM_SELECTOR: goes with DKIM_KEY or DKIM_KEY_FILE: want both or neither")
	}
	if c.SMTPURL == "" {
		return nil
	}
	u, err := url.Parse(c.SMTPURL.Reveal())
	if err != nil || u.Scheme != "smtp" && u.Scheme != "smtps" || u.Hostname() == "" {
		return fmt.Errorf("SMTP_URL: want smtp://user:password@host:587 or smtps://user:password@host:465")
	}
	if a, err := mail.ParseAddress(c.MailFrom); err != nil || !strings.Contains(a.Address, "@") {
		return fmt.Errorf("MAIL_FROM: want the sender's address, such as id@example.com, because SMTP_URL is set")
	}
	return nil
}

func (c Config) checkLifetimes() error {
	if c.RefreshTokenIdleTTL > c.RefreshTokenTTL {
		return fmt.Errorf("REFRESH_TOKEN_IDLE_TTL: is longer than REFRESH_TOKEN_TTL: want at most %s", c.RefreshTokenTTL)
	}
	if c.SessionIdleTTL > c.SessionAbsoluteTTL {
		return fmt.Errorf("SESSION_IDLE_TTL: is longer than SESSION_ABSOLUTE_TTL: want at most %s", c.SessionAbsoluteTTL)
	}
	return nil
}

// checkLimits refuses to drop, outside a test machine, the caps on guesses that
// NIST SP 800-63B-4 (section 3.2.2) asks for; the caps of mails also bound the
// guesses at the codes in them. Their tag is "needed".
func (c Config) checkLimits() error {
	if IsLoopback(c.URL().Hostname()) {
		return nil
	}
	for f, value := range reflect.ValueOf(c).Fields() {
		limit, ok := value.Interface().(interface{ Off() bool })
		if f.Tag.Get("needed") != "" && ok && limit.Off() {
			return fmt.Errorf("%s: off is for loopback alone: want such as %s", f.Tag.Get("env"), f.Tag.Get("envDefault"))
		}
	}
	return nil
}

// Limit is the rule of a setting by the name of its variable; false is one that
// is no "N/duration".
func (c Config) Limit(setting string) (Limit, bool) {
	for f, value := range reflect.ValueOf(c).Fields() {
		if limit, ok := value.Interface().(Limit); ok && f.Tag.Get("env") == setting {
			return limit, true
		}
	}
	return Limit{}, false
}

// IsLoopback reports whether host is this machine itself.
func IsLoopback(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}

// SQLitePath is the file of the embedded database, "" with MySQL.
func (c Config) SQLitePath() string {
	path, ok := strings.CutPrefix(c.DatabaseURL.Reveal(), "sqlite:")
	if !ok {
		return ""
	}
	return path
}
