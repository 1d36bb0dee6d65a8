package mail

import (
	"context"
	"crypto/x509"
	"net"
	"strings"
	"testing"

	"gatehouse/internal/testkit"
)

// zone is a resolver with a few records; "down" answers nothing.
type zone map[string][]string

func (z zone) LookupTXT(_ context.Context, name string) ([]string, error) {
	if z["down"] != nil {
		return nil, &net.DNSError{Err: "connection refused", Name: name}
	}
	if list := z[strings.TrimSuffix(name, ".")]; list != nil {
		return list, nil
	}
	return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
}

func (z zone) LookupNS(_ context.Context, name string) ([]*net.NS, error) {
	if z["cut off"] != nil || name != "." {
		return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
	}
	return []*net.NS{{Host: "a.root-servers.net."}}, nil
}

func levels(list []Finding) string {
	var out []string
	for _, f := range list {
		out = append(out, f.Check+" "+f.Level)
		if f.Level != OK && f.Todo == "" || f.Text == "" {
			out = append(out, "(and nobody says what to do)")
		}
	}
	return strings.Join(out, ", ")
}

func TestTheDomainOfTheSenderIsChecked(t *testing.T) {
	_, pem, record := dkimPair(t, "ed25519")
	_, _, other := dkimPair(t, "ed25519")
	spf, dmarc := []string{"google-site=x", "v=spf1 include:mail.example -all"}, []string{"v=DMARC1; p=reject"}
	const at = "gh1._domainkey.harbour.example"
	for name, c := range map[string]struct {
		zone   zone
		signed bool
		want   string
	}{
		"all is well": {zone{"harbour.example": spf, at: {record}, "_dmarc.harbour.example": dmarc}, true, "spf ok, dkim ok, dmarc ok"},
		// A record of a top-level domain is not ours, and is not asked for.
		"the policy is of the top-level domain": {zone{"harbour.example": spf, at: {record}, "_dmarc.example": dmarc}, true, "spf ok, dkim ok, dmarc warn"},
		"nothing is there":                      {zone{}, true, "spf warn, dkim fail, dmarc warn"},
		"another key":                           {zone{"harbour.example": spf, at: {other}, "_dmarc.harbour.example": dmarc}, true, "spf ok, dkim fail, dmarc ok"},
		"the key was taken back":                {zone{"harbour.example": spf, at: {"v=DKIM1; p="}, "_dmarc.harbour.example": dmarc}, true, "spf ok, dkim fail, dmarc ok"},
		"two policies":                          {zone{"harbour.example": {"v=spf1 -all", "v=spf1 ~all"}, at: {record}, "_dmarc.harbour.example": {dmarc[0], dmarc[0]}}, true, "spf fail, dkim ok, dmarc fail"},
		"everybody may send":                    {zone{"harbour.example": {"v=spf1 +all"}, "_dmarc.harbour.example": dmarc}, false, "spf warn, dkim warn, dmarc ok"},
		"the resolver is cut off":               {zone{"cut off": {""}}, true, "spf ok, dkim ok, dmarc ok"},
		"nobody can be asked":                   {zone{"down": {""}}, true, "spf ok, dkim ok, dmarc ok"},
	} {
		f := newFixture(t, testkit.DB(t), func(d *Deps) {
			d.SMTPURL, d.From = "smtp://mail.example", "login@harbour.example"
			if c.signed {
				d.DKIMKey, d.DKIMSelector = pem, "gh1"
			}
		})
		got := levels(f.CheckDomain(t.Context(), c.zone))
		if got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

func TestTheCheckOfTheServerSendsNothing(t *testing.T) {
	p := openPostOffice(t, "starttls")
	f := sender(t, testkit.DB(t), p, "smtp", "me:hunter2@")
	f.enqueue(confirm("mara@harbour.example"))
	got := f.CheckServer(t.Context())
	if got.Level != OK || !strings.Contains(got.Text, "TLS 1.3, signed in as me") || len(p.got()) != 0 {
		t.Errorf("%+v", got)
	}
	f.clock.Advance(p.until.Add(-certificateSoon / 2).Sub(f.clock.Now()))
	if got := f.CheckServer(t.Context()); got.Level != Warn || got.Todo == "" {
		t.Errorf("a certificate that ends soon: %+v", got)
	}
}

func TestTheCheckOfTheServerSaysWhatToDo(t *testing.T) {
	for name, of := range map[string]struct {
		open func(t *testing.T) fixture
		todo string
	}{
		"wrong password": {func(t *testing.T) fixture {
			return sender(t, testkit.DB(t), openPostOffice(t, "starttls"), "smtp", "me:wrong-horse@")
		}, "user and password"},
		"wrong certificate": {func(t *testing.T) fixture {
			f := sender(t, testkit.DB(t), openPostOffice(t, "implicit"), "smtps", "")
			f.transport.tls.RootCAs = x509.NewCertPool()
			return f
		}, "certificate"},
		"a password in the clear": {func(t *testing.T) fixture {
			return sender(t, testkit.DB(t), openPostOffice(t, ""), "smtp", "me:wrong-horse@")
		}, "port with TLS"},
	} {
		got := of.open(t).CheckServer(t.Context())
		if got.Level != Fail || !strings.Contains(got.Todo, of.todo) || strings.Contains(got.Text, "horse") {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestWithoutASettingTheCheckSaysWhatFollows(t *testing.T) {
	f := newFixture(t, testkit.DB(t), nil)
	if got := f.CheckServer(t.Context()); got.Level != OK || f.CheckDomain(t.Context(), zone{}) != nil {
		t.Errorf("%+v", got)
	}
	f = newFixture(t, testkit.DB(t), func(d *Deps) { d.Dev = false })
	if got := f.CheckServer(t.Context()); got.Level != Warn || got.Todo == "" {
		t.Errorf("%+v", got)
	}
}
