package handlers_test

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"strings"
	"testing"
)

// hotp makes a code of six digits (RFC 4226, section 5.3) with big numbers and
// text, another way than the product's.
func hotp(seed []byte, step int64) string {
	message := make([]byte, 8)
	big.NewInt(step).FillBytes(message)
	mac := hmac.New(sha1.New, seed)
	mac.Write(message)
	sum := fmt.Sprintf("%x", mac.Sum(nil))
	var at int
	_, _ = fmt.Sscanf(sum[len(sum)-1:], "%x", &at)
	number, _ := new(big.Int).SetString(sum[2*at:2*at+8], 16)
	number.And(number, big.NewInt(0x7fffffff))
	digits := "0000000000" + number.String()
	return digits[len(digits)-6:]
}

// claimsOf reads the payload of a token.
func claimsOf(t testing.TB, token string) (claims map[string]any) {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("%q is no token", token)
	}
	b, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err == nil {
		err = json.Unmarshal(b, &claims)
	}
	if err != nil {
		t.Fatal(err)
	}
	return claims
}

func words(v any) (list []string) {
	some, _ := v.([]any)
	for _, one := range some {
		list = append(list, fmt.Sprint(one))
	}
	return list
}
