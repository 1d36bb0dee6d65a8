package mail

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"errors"
	"regexp"

	"github.com/emersion/go-msgauth/dkim"
	gomail "github.com/wneessen/go-mail"
)

var (
	errDKIMKey      = errors.New("DKIM_KEY: want a private key in PEM: RSA of at least 2048 bits, or Ed25519")
	errDKIMSelector = errors.New("DKIM_SELECTOR: want the name under _domainkey where the public key is, such as gatehouse2026")

	// A selector is made of DNS labels (RFC 6376, section 3.1).
	selector = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*$`)
)

// smallestRSA is what signers should use (RFC 8301, section 3.2).
const smallestRSA = 2048

// signed are the headers that a signature covers (RFC 6376, section 5.4.1).
// Those named twice can't be added to by whoever carries the mail (section
// 8.15): a second From or Subject would be shown instead of ours.
var signed = []string{
	"From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type", "Content-Language", "Auto-Submitted",
}

var signedTwice = []string{"From", "To", "Cc", "Reply-To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type"}

// newSigner signs for the domain of MAIL_FROM, so that DMARC finds the two
// aligned (RFC 7489, section 3.1.1): rsa-sha256 (RFC 6376) or ed25519-sha256
// (RFC 8463), by the kind of key.
func newSigner(domain, name, keyPEM string) (*dkim.SignOptions, error) {
	if !selector.MatchString(name) || len(name) > 200 {
		return nil, errDKIMSelector
	}
	key, err := gomail.PrivKeyFromPEM([]byte(keyPEM))
	if err != nil {
		return nil, errDKIMKey // the parser's words could hold a piece of the key
	}
	if k, ok := key.(*rsa.PrivateKey); ok && k.N.BitLen() < smallestRSA {
		return nil, errDKIMKey
	}
	return &dkim.SignOptions{
		Domain: domain, Selector: name, Signer: key, Hash: crypto.SHA256,
		HeaderCanonicalization: dkim.CanonicalizationRelaxed, BodyCanonicalization: dkim.CanonicalizationRelaxed,
		HeaderKeys: append(append([]string{}, signed...), signedTwice...),
	}, nil
}

// signed puts a signature before a mail. The signer of the mail library is not
// used: it breaks the list of headers in the middle of a name, and then no
// receiver believes it.
func (t *transport) signed(mail []byte) ([]byte, error) {
	if t.sign == nil {
		return mail, nil
	}
	var out bytes.Buffer
	err := dkim.Sign(&out, bytes.NewReader(mail), t.sign)
	return out.Bytes(), err
}
