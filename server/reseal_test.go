package server_test

import (
	"encoding/hex"
	"errors"
	"io"
	"testing"

	"gorm.io/gorm"

	"gatehouse/config"
	"gatehouse/internal/secrets"
	"gatehouse/internal/testkit"
	"gatehouse/keys"
	"gatehouse/mail"
	"gatehouse/server"
	"gatehouse/tokens"
)

// settingsFor are those of a server on its own machine.
func settingsFor(t *testing.T, url, key, old string) config.Config {
	return config.Config{
		ListenAddr: "127.0.0.1:5000", AppURL: "http://localhost:5000", AppName: "Gatehouse", DataDir: t.TempDir(),
		DatabaseURL: config.Secret(url), SecretKey: config.Secret(key), SecretKeyOld: config.Secret(old),
		Signup: "open", EmailVerification: "required", PasswordMinLength: 8, SigningAlg: "ES256",
		AccessTokenTTL: 600e9, RefreshTokenTTL: 3600e9, RefreshTokenIdleTTL: 3600e9, RefreshRetryWindow: 30e9,
		SessionIdleTTL: 3600e9, SessionAbsoluteTTL: 3600e9, KeyRotationEvery: 3600e9, LimitLoginFreeTries: 10,
	}
}

func openRooms(t *testing.T, c config.Config) (*server.Rooms, error) {
	r, err := server.OpenRooms(t.Context(), c, io.Discard)
	if err == nil {
		t.Cleanup(func() { _ = r.Close() })
	}
	return r, err
}

func mustOpen(t *testing.T, c config.Config) *server.Rooms {
	t.Helper()
	r, err := openRooms(t, c)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestANewSecretKeyEndsNoSessionAndLosesNoMail(t *testing.T) {
	testkit.EachURL(t, func(t *testing.T, url string) {
		first, second, third := newSecretKey(), newSecretKey(), newSecretKey()
		r := mustOpen(t, settingsFor(t, url, first, ""))
		signer, mac := r.Keys.Signer().KID, r.Keys.MACKey(keys.PurposeRefresh)
		cookie := anonymousWith(t, r, "a message")
		enqueue(t, r)
		for _, wrong := range []config.Config{settingsFor(t, url, second, ""), settingsFor(t, url, second, third)} {
			if _, err := openRooms(t, wrong); !errors.Is(err, keys.ErrSecretKey) {
				t.Errorf("a wrong key: %v", err)
			}
		}
		if _, err := r.Reseal(t.Context()); !errors.Is(err, server.ErrNoOldKey) {
			t.Errorf("without an old key: %v", err)
		}

		both := mustOpen(t, settingsFor(t, url, second, first))
		message(t, both, cookie)
		enqueue(t, both)
		done, err := both.Reseal(t.Context())
		if err != nil || done.Keys != 8 || done.Mails != 1 || done.Sessions != 1 || done.Lost != 0 {
			t.Errorf("resealed %+v, %v", done, err)
		}
		if again, err := both.Reseal(t.Context()); err != nil || again != (server.Resealed{}) {
			t.Errorf("once more: %+v, %v", again, err)
		}

		after := mustOpen(t, settingsFor(t, url, second, ""))
		message(t, after, cookie)
		if after.Keys.Signer().KID != signer || string(after.Keys.MACKey(keys.PurposeRefresh)) != string(mac) {
			t.Error("the keys are others")
		}
		if list, err := after.Mail.Inbox(t.Context()); err != nil || len(list) != 2 {
			t.Errorf("%d mails, %v", len(list), err)
		}
	})
}

func newSecretKey() string { return hex.EncodeToString(secrets.Random(32)) }

func anonymousWith(t *testing.T, r *server.Rooms, data string) string {
	t.Helper()
	started, err := r.Tokens.Sessions.StartAnonymous(t.Context(), []byte(data), tokens.Client{})
	if err != nil {
		t.Fatal(err)
	}
	return started.Cookie.Reveal()
}

// message checks that the session lives and its data is readable.
func message(t *testing.T, r *server.Rooms, cookie string) {
	t.Helper()
	s, err := r.Tokens.Sessions.ByCookie(t.Context(), cookie)
	if err != nil || s == nil || string(s.Data) != "a message" {
		t.Errorf("the session is %+v, %v", s, err)
	}
}

func enqueue(t *testing.T, r *server.Rooms) {
	t.Helper()
	err := r.DB.Write(t.Context(), func(tx *gorm.DB) error {
		return r.Mail.Enqueue(tx, mail.Message{To: "mara@harbour.example", Purpose: mail.VerifyEmail, Code: "123456", Link: "http://localhost:5000/verify?token=x"})
	})
	if err != nil {
		t.Fatal(err)
	}
}
