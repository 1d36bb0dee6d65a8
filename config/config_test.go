package config

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write .env.example anew")

const goodKey = "SECRET_KEY=000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

func TestExampleFileIsGeneratedFromTheStruct(t *testing.T) {
	const path = "../.env.example"
	if *update {
		if err := os.WriteFile(path, []byte(Example()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != Example() {
		t.Errorf("%s is not what the struct says: run go test ./config -run Example -update", path)
	}
}

func TestNothingSetGivesALoopbackServerWithSQLite(t *testing.T) {
	c, err := load(nil, "absent.env")
	if err != nil {
		t.Fatal(err)
	}
	if c.ListenAddr != "127.0.0.1:5000" || c.AppURL != "http://localhost:5000" || c.SQLitePath() != filepath.Join("data", "gatehouse.db") {
		t.Errorf("defaults are %q %q %q", c.ListenAddr, c.AppURL, c.SQLitePath())
	}
	if c.AccessTokenTTL != 10*time.Minute || c.LimitSignupPerNet != (Limit{20, time.Hour}) {
		t.Errorf("defaults are %v %v", c.AccessTokenTTL, c.LimitSignupPerNet)
	}
}

func TestABadSettingIsOneLineThatNamesTheVariable(t *testing.T) {
	for _, tt := range []struct{ env, want string }{
		{"LISTEN_ADDR=5000", "LISTEN_ADDR: "},
		{"LISTEN_ADDR=localhost:70000", "LISTEN_ADDR: "},
		{"METRICS_ADDR=nonsense", "METRICS_ADDR: "},
		{"METRICS_ADDR=127.0.0.1:5000", "METRICS_ADDR: "},
		{"APP_URL=example.com", "APP_URL: "},
		{"APP_URL=ftp://example.com", "APP_URL: "},
		{"APP_URL=http://id.example.com", "APP_URL: http://id.example.com would send passwords in the clear"},
		{"APP_URL=https://id.example.com/path", "APP_URL: "},
		{"APP_URL=https://ID.example.com", "APP_URL: "},
		{"APP_URL=https://a:b@id.example.com", "APP_URL: "},
		{"ALLOW_INSECURE_HTTP=perhaps", "ALLOW_INSECURE_HTTP: want true or false"},
		{"DATABASE_URL=postgres://x", "DATABASE_URL: "},
		{"DATABASE_URL=sqlite:", "DATABASE_URL: "},
		{"DATABASE_URL=mysql://u@tcp(db)/g", "SECRET_KEY: must be set with MySQL"},
		{"SECRET_KEY=changeme", "SECRET_KEY: "},
		{"SECRET_KEY=" + strings.Repeat("ab", 32), "SECRET_KEY: is a sample"},
		{"SECRET_KEY_OLD=changeme", "SECRET_KEY_OLD: "},
		{"SECRET_KEY_OLD_FILE=/does/not/exist", "SECRET_KEY_OLD_FILE: "},
		{"KEY_ROTATION_EVERY=10ms", "KEY_ROTATION_EVERY: want 1s to 8784h"},
		{"TRUSTED_PROXIES=10.0.0.0/8,elsewhere", `TRUSTED_PROXIES: "elsewhere"`},
		{"TRUSTED_PROXIES=0.0.0.0/0", "TRUSTED_PROXIES: "},
		{"SMTP_URL=http://mail", "SMTP_URL: "},
		{"SMTP_URL=smtp://mail:587", "MAIL_FROM: "},
		{"SIGNUP=maybe", "SIGNUP: "},
		{"EMAIL_VERIFICATION=never", "EMAIL_VERIFICATION: "},
		{"PASSWORD_MIN_LENGTH=4", "PASSWORD_MIN_LENGTH: want 8 to 128"},
		{"PASSWORD_MIN_LENGTH=eight", "PASSWORD_MIN_LENGTH: want a whole number"},
		{"PASSWORD_HASH=bcrypt", "PASSWORD_HASH: want a cost such as argon2id,m=19456,t=2,p=1"},
		{"PASSWORD_HASH=argon2id,m=19456,t=2", "PASSWORD_HASH: want a cost"},
		{"PASSWORD_HASH=argon2id,m=19456,t=2,p=1,x", "PASSWORD_HASH: want a cost"},
		{"PASSWORD_HASH=argon2id,m=019456,t=2,p=1", "PASSWORD_HASH: want a cost"},
		{"PASSWORD_HASH=argon2id,m=19455,t=9,p=1", "PASSWORD_HASH: argon2id,m=19455,t=9,p=1 is cheaper than the floor"},
		{"PASSWORD_HASH=argon2id,m=65536,t=1,p=1", "PASSWORD_HASH: argon2id,m=65536,t=1,p=1 is cheaper than the floor"},
		{"PASSWORD_HASH=argon2id,m=65536,t=3,p=0", "PASSWORD_HASH: argon2id,m=65536,t=3,p=0 is cheaper than the floor"},
		{"PASSWORD_HASH=argon2id,m=262145,t=2,p=1", "PASSWORD_HASH: argon2id,m=262145,t=2,p=1 would take seconds"},
		{"PASSWORD_HASH=argon2id,m=262144,t=5,p=1", "PASSWORD_HASH: argon2id,m=262144,t=5,p=1 would take seconds"},
		{"PASSWORD_HASH=argon2id,m=19456,t=2,p=5", "PASSWORD_HASH: argon2id,m=19456,t=2,p=5 would take seconds"},
		{"ACCESS_TOKEN_TTL=10", "ACCESS_TOKEN_TTL: want a duration"},
		{"ACCESS_TOKEN_TTL=100ms", "ACCESS_TOKEN_TTL: want 1s to 24h"},
		{"REFRESH_TOKEN_IDLE_TTL=721h", "REFRESH_TOKEN_IDLE_TTL: "},
		{"SESSION_IDLE_TTL=721h", "SESSION_IDLE_TTL: "},
		{"SIGNING_ALG=none", "SIGNING_ALG: "},
		{"SIGNING_ALG=HS256", "SIGNING_ALG: "},
		{"TRUSTED_PROXIES=::ffff:0:0/96", "TRUSTED_PROXIES: "},
		{"LIMIT_SIGNUP_PER_NETWORK=lots", "LIMIT_SIGNUP_PER_NETWORK: "},
		{"LIMIT_STREAMS_PER_SERVICE=0", "LIMIT_STREAMS_PER_SERVICE: "},
		{"LIMIT_INSTANCES_PER_SERVICE=5/1h", "LIMIT_INSTANCES_PER_SERVICE: "},
		{"LIMIT_LOGIN_FREE_TRIES=11", "LIMIT_LOGIN_FREE_TRIES: "},
		{"LOG_LEVEL=loud", "LOG_LEVEL: "},
		{"LOG_FORMAT=xml", "LOG_FORMAT: "},
		{"SECRET_KEY_FILE=/does/not/exist", "SECRET_KEY_FILE: "},
	} {
		_, err := load([]string{tt.env}, "absent.env")
		if err == nil {
			t.Errorf("%s was accepted", tt.env)
			continue
		}
		if !strings.HasPrefix(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %q, want one line that begins with %q", tt.env, err, tt.want)
		}
	}
}

func TestLimitsCannotBeSwitchedOffOutsideLoopback(t *testing.T) {
	for _, setting := range []string{"LIMIT_LOGIN_PER_NETWORK=off", "LIMIT_LOGIN_FREE_TRIES=off", "LIMIT_MAIL_PER_ADDRESS=off", "LIMIT_FORGOT_PER_NETWORK=off", "LIMIT_SIGNUP_PASSWORD_PER_LINK=off"} {
		if _, err := load([]string{setting, "APP_URL=https://id.example.com"}, ""); err == nil {
			t.Errorf("%s was accepted on a public address", setting)
		}
		if _, err := load([]string{setting}, ""); err != nil {
			t.Errorf("%s was refused on loopback: %v", setting, err)
		}
	}
	if _, err := load([]string{"LIMIT_WRITES_PER_ACCOUNT=off", "LIMIT_STREAMS_PER_SERVICE=off", "APP_URL=https://id.example.com"}, ""); err != nil {
		t.Errorf("a limit that no guess hangs on has to stay: %v", err)
	}
}

func TestASecretMayComeFromAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	_, value, _ := strings.Cut(goodKey, "=")
	if err := os.WriteFile(path, []byte(value+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := load([]string{"SECRET_KEY_FILE=" + path}, "")
	if err != nil || c.SecretKey.Reveal() != value {
		t.Errorf("got %q, %v", c.SecretKey.Reveal(), err)
	}
	if _, err := load([]string{"SECRET_KEY_FILE=" + path, goodKey}, ""); err == nil {
		t.Error("a secret given twice was accepted")
	}
}

func TestTheOldSecretKeyIsNotTheNewOne(t *testing.T) {
	_, value, _ := strings.Cut(goodKey, "=")
	if _, err := load([]string{goodKey, "SECRET_KEY_OLD=" + strings.ToUpper(value)}, ""); err == nil || !strings.HasPrefix(err.Error(), "SECRET_KEY_OLD: ") {
		t.Errorf("got %v", err)
	}
	if _, err := load([]string{goodKey, "SECRET_KEY_OLD=" + strings.Replace(value, "00", "ff", 1)}, ""); err != nil {
		t.Error(err)
	}
}

func TestTheEnvironmentWinsOverTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), ".env")
	if err := os.WriteFile(path, []byte("SIGNUP=closed\nLOG_LEVEL=warn\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := load([]string{"SIGNUP=invite"}, path)
	if err != nil || c.Signup != "invite" || c.LogLevel != "warn" {
		t.Errorf("got %q %q, %v", c.Signup, c.LogLevel, err)
	}
}

func TestASecretPrintsAsItsPlace(t *testing.T) {
	s := Secret("hunter2")
	if got := s.String() + s.GoString() + s.LogValue().String(); strings.Contains(got, "hunter2") {
		t.Errorf("printed %q", got)
	}
}

func FuzzSettings(f *testing.F) {
	for _, seed := range []string{"20/1h", "off", "10.0.0.0/8,::1", "https://id.example.com", "0/0", "1/9999999999h", "::/0", "\x00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var l Limit
		if l.UnmarshalText([]byte(s)) == nil && !l.Off() && (l.N < 1 || l.Per < time.Second) {
			t.Errorf("%q became the limit %v", s, l)
		}
		var n Networks
		if n.UnmarshalText([]byte(s)) == nil {
			for _, p := range n {
				if p.Bits() == 0 {
					t.Errorf("%q trusts everybody", s)
				}
			}
		}
		if b, err := DecodeSecretKey(s); err == nil && len(b) < 32 {
			t.Errorf("%q became a key of %d bytes", s, len(b))
		}
		c := Config{ListenAddr: "127.0.0.1:5000", AppURL: s}
		c.fillDefaults()
		if c.checkAppURL() == nil && !strings.HasPrefix(c.AppURL, "http") {
			t.Errorf("APP_URL %q was accepted", s)
		}
	})
}
