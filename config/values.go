package config

import (
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Limit is "N/duration": at most N in that time. The zero Limit is "off".
type Limit struct {
	N   int
	Per time.Duration
}

// Off reports whether nothing is limited.
func (l Limit) Off() bool { return l.N == 0 }

// String is the inverse of UnmarshalText.
func (l Limit) String() string {
	if l.Off() {
		return "off"
	}
	return fmt.Sprintf("%d/%s", l.N, l.Per)
}

// UnmarshalText reads "20/1h" or "off".
func (l *Limit) UnmarshalText(b []byte) error {
	s := string(b)
	if s == "off" {
		*l = Limit{}
		return nil
	}
	count, per, _ := strings.Cut(s, "/")
	n, errN := strconv.Atoi(count)
	d, errD := time.ParseDuration(per)
	if errN != nil || errD != nil || n < 1 || n > 1_000_000 || d < time.Second || d > 24*time.Hour {
		return fmt.Errorf("want a count and a duration such as 20/1h (1 to 1000000, 1s to 24h), or off")
	}
	*l = Limit{N: n, Per: d}
	return nil
}

// Networks is a list of CIDR prefixes, separated by commas.
type Networks []netip.Prefix

// UnmarshalText reads "10.0.0.0/8,fd00::/8"; a bare address is that one host.
func (n *Networks) UnmarshalText(b []byte) error {
	var list Networks
	for word := range strings.SplitSeq(string(b), ",") {
		word = strings.TrimSpace(word)
		if word == "" {
			continue
		}
		p, err := parseNetwork(word)
		if err != nil {
			return err
		}
		list = append(list, p)
	}
	*n = list
	return nil
}

func parseNetwork(word string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(word); err == nil && addr.Zone() == "" {
		return netip.PrefixFrom(addr.Unmap(), addr.Unmap().BitLen()), nil
	}
	p, err := netip.ParsePrefix(word)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("%q is no network: want CIDR such as 10.0.0.0/8, separated by commas", word)
	}
	if p.Addr().Is4In6() && p.Bits() >= 96 { // the same network in its own form, by which peers are compared
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	if p.Bits() == 0 {
		// Believing the header from everywhere lets anybody choose his address.
		return netip.Prefix{}, fmt.Errorf("%q is every address: name the networks of your proxies alone", word)
	}
	return p.Masked(), nil
}

// Origins is a list of addresses of pages, separated by commas.
type Origins []string

// UnmarshalText reads "https://a.example,https://b.example".
func (o *Origins) UnmarshalText(b []byte) error {
	var list Origins
	for word := range strings.SplitSeq(string(b), ",") {
		word = strings.TrimSuffix(strings.TrimSpace(word), "/")
		if word == "" {
			continue
		}
		u, err := url.Parse(word)
		if err != nil || u.Scheme != "https" || u.Host == "" || word != "https://"+u.Host || u.Host != strings.ToLower(u.Host) {
			return fmt.Errorf("%q is no origin: want https and a host in lower case, such as https://id.example.com, separated by commas", word)
		}
		list = append(list, word)
	}
	*o = list
	return nil
}

// Tries is how many tries are free, 1 to 10 (NIST SP 800-63B-4, section 3.2.2
// asks for a cap); NoDelay is "off".
type Tries int

// NoDelay lets every try be judged at once.
const NoDelay Tries = -1

// Off reports whether every try is judged at once.
func (t Tries) Off() bool { return t == NoDelay }

// UnmarshalText reads a number or "off".
func (t *Tries) UnmarshalText(b []byte) error {
	if string(b) == "off" {
		*t = NoDelay
		return nil
	}
	n, err := strconv.Atoi(string(b))
	if err != nil || n < 1 || n > 10 {
		return fmt.Errorf("want 1 to 10, or off")
	}
	*t = Tries(n)
	return nil
}

// Count is how many of something there may be at once; 0 is "off".
type Count int

// UnmarshalText reads a number or "off".
func (c *Count) UnmarshalText(b []byte) error {
	if string(b) == "off" {
		*c = 0
		return nil
	}
	n, err := strconv.Atoi(string(b))
	if err != nil || n < 1 || n > 1_000_000 {
		return fmt.Errorf("want a number from 1 to 1000000, or off")
	}
	*c = Count(n)
	return nil
}

// HashCost is the cost of new password hashes: argon2id with memory, passes and
// lanes (RFC 9106, section 3.1).
type HashCost struct {
	MemoryKiB, Time uint32
	Threads         uint8
}

// The floor is what OWASP asks for (Password Storage Cheat Sheet) and the
// default; the caps keep one hash within a quarter of a gigabyte and about a
// second, or a typing mistake would stop all sign-ins.
const (
	leastHashKiB, mostHashKiB     = 19 * 1024, 256 * 1024
	leastHashTime, mostHashTime   = 2, 16
	mostHashLanes, mostHashPasses = 4, 1024 * 1024
)

// String is the inverse of UnmarshalText.
func (h HashCost) String() string {
	return fmt.Sprintf("argon2id,m=%d,t=%d,p=%d", h.MemoryKiB, h.Time, h.Threads)
}

// UnmarshalText reads "argon2id,m=19456,t=2,p=1", in this order.
func (h *HashCost) UnmarshalText(b []byte) error {
	var cost HashCost
	_, err := fmt.Sscanf(string(b), "argon2id,m=%d,t=%d,p=%d", &cost.MemoryKiB, &cost.Time, &cost.Threads)
	if err != nil || cost.String() != string(b) {
		return fmt.Errorf("want a cost such as argon2id,m=19456,t=2,p=1")
	}
	passes := uint64(cost.MemoryKiB) * uint64(cost.Time)
	switch {
	case cost.MemoryKiB < leastHashKiB || cost.Time < leastHashTime || cost.Threads < 1:
		return fmt.Errorf("%s is cheaper than the floor: want at least m=%d, t=%d, p=1", cost, leastHashKiB, leastHashTime)
	case cost.MemoryKiB > mostHashKiB || cost.Time > mostHashTime || cost.Threads > mostHashLanes || passes > mostHashPasses:
		return fmt.Errorf("%s would take seconds: want at most m=%d, t=%d, p=%d and m times t at most %d",
			cost, mostHashKiB, mostHashTime, mostHashLanes, mostHashPasses)
	}
	*h = cost
	return nil
}
