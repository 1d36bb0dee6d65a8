package mail

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/emersion/go-msgauth/dkim"

	"gatehouse/internal/testkit"
)

// dkimPair makes a key, its PEM and the record that publishes it.
func dkimPair(t *testing.T, kind string) (crypto.Signer, string, string) {
	t.Helper()
	var key crypto.Signer
	var err error
	if kind == "rsa" {
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	} else {
		_, key, err = ed25519.GenerateKey(rand.Reader)
	}
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	text := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	f := newFixture(t, testkit.DB(t), func(d *Deps) {
		d.SMTPURL, d.From, d.DKIMKey, d.DKIMSelector = "smtp://mail.example", "login@harbour.example", text, "gh1"
	})
	return key, text, f.dkimRecord()
}

// signedMail is a mail as an SMTP server got it.
func signedMail(t *testing.T, key string) string {
	p := openPostOffice(t, "starttls")
	f := newFixture(t, testkit.DB(t), func(d *Deps) {
		d.SMTPURL, d.From, d.DKIMKey, d.DKIMSelector = "smtp://"+p.address, "Gatehouse <login@harbour.example>", key, "gh1"
	})
	f.transport.tls.RootCAs = p.roots
	m := confirm("mara@harbour.example")
	m.Locale = "de"
	f.enqueue(m)
	deliver(t, f)
	return p.got()[0].body
}

func verified(t *testing.T, mail, record string) error {
	t.Helper()
	list, err := dkim.VerifyWithOptions(strings.NewReader(mail), &dkim.VerifyOptions{LookupTXT: func(name string) ([]string, error) {
		if name != "gh1._domainkey.harbour.example" {
			t.Errorf("the key is looked for at %s", name)
		}
		return []string{record}, nil
	}})
	if err != nil || len(list) != 1 {
		t.Fatalf("%v, %d signatures in\n%s", err, len(list), mail)
	}
	if list[0].Domain != "harbour.example" {
		t.Errorf("it signs for %s", list[0].Domain)
	}
	return list[0].Err
}

func TestASignedMailIsBelievedAndAChangedOneIsNot(t *testing.T) {
	for _, kind := range []string{"rsa", "ed25519"} {
		t.Run(kind, func(t *testing.T) {
			_, key, record := dkimPair(t, kind)
			mail := signedMail(t, key)
			if err := verified(t, mail, record); err != nil {
				t.Fatalf("%v\n%s", err, mail)
			}
			for what, changed := range map[string]string{
				"the text":          strings.Replace(mail, "418 207", "418 208", 1),
				"the sender":        strings.Replace(mail, "login@harbour.example>", "other@harbour.example>", 1),
				"a second subject":  "Subject: evil\r\n" + mail,
				"a second sender":   "From: evil@harbour.example\r\n" + mail,
				"an answer address": "Reply-To: evil@harbour.example\r\n" + mail,
				"one line more":     mail + "evil\r\n",
			} {
				if changed == mail {
					t.Fatalf("%s was not changed", what)
				}
				if verified(t, changed, record) == nil {
					t.Errorf("the signature holds with %s changed", what)
				}
			}
			_, _, other := dkimPair(t, kind)
			if verified(t, mail, other) == nil {
				t.Error("another key verifies it")
			}
		})
	}
}

// TestAnotherProgramBelievesTheSignature asks dkimpy, which shares no code with
// either Go library. It is skipped where Python or dkimpy is missing.
func TestAnotherProgramBelievesTheSignature(t *testing.T) {
	const python = "/usr/bin/python3"
	if exec.Command(python, "-c", "import dkim, nacl").Run() != nil {
		t.Skip("no dkimpy")
	}
	for _, kind := range []string{"rsa", "ed25519"} {
		_, key, record := dkimPair(t, kind)
		path := filepath.Join(t.TempDir(), "mail")
		if err := os.WriteFile(path, []byte(signedMail(t, key)), 0o600); err != nil {
			t.Fatal(err)
		}
		const program = `import dkim, sys
mail = open(sys.argv[1], "rb").read()
ok = dkim.verify(mail, dnsfunc=lambda name, timeout=5: sys.argv[2].encode())
bad = dkim.verify(mail.replace(b"418", b"419"), dnsfunc=lambda name, timeout=5: sys.argv[2].encode())
print(ok, bad)`
		out, err := exec.Command(python, "-c", program, path, record).CombinedOutput()
		if err != nil || strings.TrimSpace(string(out)) != "True False" {
			t.Errorf("%s: %v\n%s", kind, err, out)
		}
	}
}

func TestAKeyThatIsNoneStopsTheStart(t *testing.T) {
	_, good, _ := dkimPair(t, "ed25519")
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	short := string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(weak)}))
	for name, c := range map[string]struct{ key, selector string }{
		"no PEM":            {"MIIEvQIBADAN", "gh1"},
		"a short key":       {short, "gh1"},
		"no selector":       {good, ""},
		"a broken selector": {good, "gh1; v=DKIM1"},
		"a line break":      {good, "gh1\r\nBcc: x"},
		"a public key":      {"-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA\n-----END PUBLIC KEY-----", "gh1"},
	} {
		_, err := New(Deps{SMTPURL: "smtp://mail.example", From: "login@harbour.example", DKIMKey: c.key, DKIMSelector: c.selector, Clock: testkit.NewClock().Now})
		if err == nil || !strings.HasPrefix(err.Error(), "DKIM_") || strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), "MII") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
