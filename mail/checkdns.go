package mail

import (
	"context"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"net"
	"strings"
)

// CheckDomain looks whether receivers will believe mail from MAIL_FROM's
// domain: SPF, DKIM and DMARC. Without a resolver nothing is said against it.
func (m *Mailer) CheckDomain(ctx context.Context, r Resolver) []Finding {
	if m.transport == nil {
		return nil
	}
	domain := m.transport.domain()
	if !works(ctx, r) {
		return []Finding{unknown("spf"), unknown("dkim"), unknown("dmarc")}
	}
	return []Finding{checkSPF(ctx, r, domain), m.checkDKIM(ctx, r, domain), checkDMARC(ctx, r, domain)}
}

// works reports whether the resolver knows the root of DNS. One that is closed
// off from it says of every name that it does not exist, which is not true.
func works(ctx context.Context, r Resolver) bool {
	ctx, cancel := context.WithTimeout(ctx, dnsTimeout)
	defer cancel()
	list, err := r.LookupNS(ctx, ".")
	return err == nil && len(list) > 0
}

// records are the TXT records of a name that begin with a tag. known is false
// when nobody could be asked.
func records(ctx context.Context, r Resolver, name, tag string) (list []string, known bool) {
	ctx, cancel := context.WithTimeout(ctx, dnsTimeout)
	defer cancel()
	// The dot at the end keeps the search list of this machine out of it.
	all, err := r.LookupTXT(ctx, name+".")
	if e, ok := errors.AsType[*net.DNSError](err); ok && e.IsNotFound {
		return nil, true
	}
	if err != nil {
		return nil, false
	}
	for _, txt := range all {
		if strings.HasPrefix(strings.ToLower(strings.TrimSpace(txt)), tag) {
			list = append(list, strings.TrimSpace(txt))
		}
	}
	return list, true
}

func unknown(check string) Finding {
	return Finding{check, OK, "no resolver: not checked", ""}
}

// checkSPF reads the policy for senders (RFC 7208, sections 4.5 and 5.1).
func checkSPF(ctx context.Context, r Resolver, domain string) Finding {
	list, known := records(ctx, r, domain, "v=spf1")
	switch {
	case !known:
		return unknown("spf")
	case len(list) == 0:
		return Finding{"spf", Warn, domain + " has no SPF record", "add a TXT record to " + domain + ` such as "v=spf1 include:YOUR-MAIL-PROVIDER -all"`}
	case len(list) > 1:
		return Finding{"spf", Fail, domain + " has more than one SPF record, which counts as none", "join them into one TXT record"}
	}
	for term := range strings.FieldsSeq(strings.ToLower(list[0])) {
		if term == "+all" || term == "all" {
			return Finding{"spf", Warn, "the SPF record of " + domain + " lets everybody send", `end it with "-all" or "~all"`}
		}
	}
	return Finding{"spf", OK, domain + ": " + oneLine(list[0]), ""}
}

// checkDKIM compares the published key with ours (RFC 6376, section 3.6.1).
func (m *Mailer) checkDKIM(ctx context.Context, r Resolver, domain string) Finding {
	sign := m.transport.sign
	if sign == nil {
		return Finding{"dkim", Warn, "mails are not signed here", "set DKIM_KEY_FILE and DKIM_SELECTOR, unless your SMTP server signs for " + domain}
	}
	name, want := sign.Selector+"._domainkey."+domain, m.dkimRecord()
	todo := "set the TXT record of " + name + " to: " + want
	ctx, cancel := context.WithTimeout(ctx, dnsTimeout)
	defer cancel()
	all, err := r.LookupTXT(ctx, name+".")
	if e, ok := errors.AsType[*net.DNSError](err); err != nil && (!ok || !e.IsNotFound) {
		return unknown("dkim")
	}
	for _, txt := range all {
		switch tags := dkimTags(txt); {
		case tags["p"] == "":
		case dkimKey(tags["p"]) == dkimKey(dkimTags(want)["p"]):
			return Finding{"dkim", OK, name + " is the key that signs", ""}
		default:
			return Finding{"dkim", Fail, name + " is another key than DKIM_KEY: receivers take our signatures for forged", todo}
		}
	}
	return Finding{"dkim", Fail, name + " is not published: receivers can't check our signatures", todo}
}

func dkimTags(txt string) map[string]string {
	tags := map[string]string{}
	for part := range strings.SplitSeq(txt, ";") {
		name, value, _ := strings.Cut(part, "=")
		tags[strings.TrimSpace(name)] = strings.Join(strings.Fields(value), "")
	}
	return tags
}

// dkimKey makes the two usual forms of an RSA key one: RFC 6376 has a
// SubjectPublicKeyInfo in mind, its erratum 3017 found bare keys in use.
func dkimKey(p string) string {
	der, err := base64.StdEncoding.DecodeString(p)
	if err != nil {
		return p
	}
	if key, err := x509.ParsePKCS1PublicKey(der); err == nil {
		if spki, err := x509.MarshalPKIXPublicKey(key); err == nil {
			return string(spki)
		}
	}
	return string(der)
}

// dkimRecord is what the operator publishes: an Ed25519 key is bare (RFC 8463,
// section 4.2).
func (m *Mailer) dkimRecord() string {
	switch key := m.transport.sign.Signer.Public().(type) {
	case ed25519.PublicKey:
		return "v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(key)
	case *rsa.PublicKey:
		if spki, err := x509.MarshalPKIXPublicKey(key); err == nil {
			return "v=DKIM1; k=rsa; p=" + base64.StdEncoding.EncodeToString(spki)
		}
	}
	return ""
}

// checkDMARC asks for the policy of the domain and of those above it (RFC 7489,
// section 6.6.3). The list of public suffixes is not asked: a suffix has no
// policy for us.
func checkDMARC(ctx context.Context, r Resolver, domain string) Finding {
	for at := domain; strings.Contains(at, "."); _, at, _ = strings.Cut(at, ".") {
		list, known := records(ctx, r, "_dmarc."+at, "v=dmarc1")
		if !known {
			return unknown("dmarc")
		}
		if len(list) == 1 {
			return Finding{"dmarc", OK, "_dmarc." + at + ": " + oneLine(list[0]), ""}
		}
		if len(list) > 1 {
			return Finding{"dmarc", Fail, "_dmarc." + at + " has more than one record, which counts as none", "leave one"}
		}
	}
	return Finding{"dmarc", Warn, domain + " has no DMARC record", "add a TXT record to _dmarc." + domain + ` such as "v=DMARC1; p=quarantine"`}
}
