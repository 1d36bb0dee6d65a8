package signin

import (
	"context"
	"net"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"gatehouse/internal/apperr"
	"gatehouse/internal/database"
	"gatehouse/models"
)

// A passkey works for the domain that it was made for, and a browser is asked
// for one domain at a time. After a move, or when passkeys came from a system at
// a domain above ours, somebody who says nothing about themselves has to say one
// thing after all: that their passkey is of the address of before. It tells
// nobody who they are, and which domains there are is the same for everybody.

// errDomain answers a domain that nobody here has passkeys of.
var errDomain = apperr.InvalidField("rp_id", "passkey_domain")

// domainsKept is how long the answer of the database about them is believed.
const domainsKept = time.Minute

// olderDomains are those that a browser on our pages may be asked for besides
// our own (WebAuthn Level 3, sections 5.1.3 and 5.11): what our host and those of
// the related origins lie below. A domain of one label is a registry's. Which of
// the others is one too is the browser's to know, and it refuses them.
func olderDomains(appURL string, related []string) (list []string) {
	_, own := originOf(appURL)
	if own == "" || net.ParseIP(own) != nil {
		return nil
	}
	for _, address := range append([]string{appURL}, related...) {
		u, err := url.Parse(address)
		if err != nil {
			continue
		}
		host := strings.ToLower(u.Hostname())
		if net.ParseIP(host) != nil {
			continue
		}
		for strings.Contains(host, ".") {
			if host != own && !slices.Contains(list, host) {
				list = append(list, host)
			}
			_, host, _ = strings.Cut(host, ".")
		}
	}
	return list
}

// domains remembers which of the older domains somebody has passkeys of.
type domains struct {
	mu    sync.Mutex
	list  []string
	until time.Time
}

// OldDomains are the domains besides ours that people have passkeys of and that
// a browser may be asked for on our pages. Where there can be none, and that is
// nearly everywhere, it costs nothing; elsewhere one look into an index a minute.
func (p *Passkeys) OldDomains(ctx context.Context) ([]string, error) {
	if len(p.rp.older) == 0 {
		return nil, nil
	}
	p.old.mu.Lock()
	defer p.old.mu.Unlock()
	now := p.Clock()
	if now.Before(p.old.until) {
		return p.old.list, nil
	}
	var list []string
	for _, domain := range p.rp.older {
		var one int
		err := p.DB.ReadRow(ctx, `SELECT CASE WHEN EXISTS (SELECT 1 FROM passkeys WHERE rp_id = ?) THEN 1 ELSE 0 END`, domain).Scan(&one)
		if err != nil {
			return nil, database.Unavailable(err)
		}
		if one == 1 {
			list = append(list, domain)
		}
	}
	p.old.list, p.old.until = list, now.Add(domainsKept)
	return list, nil
}

// aloneDomains are the domains whose passkeys open a sign-in by themselves.
func (p *Passkeys) aloneDomains() []string { return append([]string{p.rp.id}, p.rp.older...) }

// askedDomain is the one that a stranger asks for: ours, or one of before.
func (p *Passkeys) askedDomain(ctx context.Context, domain string) (string, error) {
	if domain == "" || domain == p.rp.id {
		return p.rp.id, nil
	}
	old, err := p.OldDomains(ctx)
	if err == nil && !slices.Contains(old, domain) {
		err = errDomain
	}
	return domain, err
}

// domainAmong is the domain to ask somebody for whose passkeys these are: the
// one that was asked for, else ours, else one of before a move.
func (p *Passkeys) domainAmong(list []models.Passkey, domain string) (string, error) {
	found := DomainsOf(list, p.rp.id)
	switch {
	case len(found) == 0:
		return "", ErrNoPasskeys
	case domain == "":
		return found[0], nil
	case !slices.Contains(found, domain):
		return "", errDomain
	}
	return domain, nil
}

// DomainsOf are the domains of somebody's passkeys, each once, ours first.
func DomainsOf(list []models.Passkey, own string) (found []string) {
	for _, k := range list {
		switch {
		case slices.Contains(found, k.RPID):
		case k.RPID == own:
			found = append([]string{own}, found...)
		default:
			found = append(found, k.RPID)
		}
	}
	return found
}
