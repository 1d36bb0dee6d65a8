package signin

import (
	"crypto/hmac"
	"crypto/sha1"
	"fmt"
	"math/big"
	"testing"
	"time"

	"gatehouse/tokens"
)

type tokensProof = tokens.Proof

// independentCode makes a code of 6 digits with big numbers and strings: another
// way than the product's, so that one mistake is not made twice.
func independentCode(seed []byte, step int64) string {
	message := make([]byte, 8)
	big.NewInt(step).FillBytes(message)
	mac := hmac.New(sha1.New, seed)
	mac.Write(message)
	sum := fmt.Sprintf("%x", mac.Sum(nil))
	var at int
	fmt.Sscanf(sum[len(sum)-1:], "%x", &at)
	number, _ := new(big.Int).SetString(sum[2*at:2*at+8], 16)
	number.And(number, big.NewInt(0x7fffffff))
	digits := fmt.Sprintf("%010s", number.String())
	return digits[len(digits)-6:]
}

// RFC 4226, appendix D.
func TestRFC4226AppendixD(t *testing.T) {
	for step, want := range []string{"755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489"} {
		if got := usual.code([]byte("12345678901234567890"), int64(step)); got != want {
			t.Errorf("count %d: %s, want %s", step, got, want)
		}
		if got := independentCode([]byte("12345678901234567890"), int64(step)); got != want {
			t.Errorf("count %d: the test itself makes %s, want %s", step, got, want)
		}
	}
}

// RFC 6238, appendix B; the seeds of SHA256 and SHA512 are as long as their
// output, as its errata 2866 says.
func TestRFC6238AppendixB(t *testing.T) {
	const seed = "1234567890123456789012345678901234567890123456789012345678901234"
	for _, c := range []struct {
		at                   int64
		sha1, sha256, sha512 string
	}{
		{59, "94287082", "46119246", "90693936"},
		{1111111109, "07081804", "68084774", "25091201"},
		{1111111111, "14050471", "67062674", "99943326"},
		{1234567890, "89005924", "91819424", "93441116"},
		{2000000000, "69279037", "90698825", "38618901"},
		{20000000000, "65353130", "77737706", "47863826"},
	} {
		for algorithm, want := range map[string]string{"SHA1": c.sha1, "SHA256": c.sha256, "SHA512": c.sha512} {
			p := parameters{algorithm, 8, 30}
			length := map[string]int{"SHA1": 20, "SHA256": 32, "SHA512": 64}[algorithm]
			if got := p.code([]byte(seed[:length]), p.stepAt(time.Unix(c.at, 0))); got != want {
				t.Errorf("%s at %d: %s, want %s", algorithm, c.at, got, want)
			}
		}
	}
}
