package ratelimit

import "net/netip"

// NetworkKey names the network that an address belongs to: an IPv4 address
// stands for itself, an IPv6 address for its /48, because one customer often
// holds that many addresses. Without an address all share one key.
func NetworkKey(ip netip.Addr) string {
	ip = ip.Unmap().WithZone("")
	if !ip.IsValid() {
		return "unknown"
	}
	if ip.Is4() {
		return ip.String()
	}
	return netip.PrefixFrom(ip, 48).Masked().String()
}
