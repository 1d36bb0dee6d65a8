package verify

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"testing"
	"time"
)

// BenchmarkRawSignatureCheck is what first sight is measured against.
func BenchmarkRawSignatureCheck(b *testing.B) {
	token := golden(b, "ES256")
	t, _ := split(token)
	r, s := splitSignature(b, token)
	pub := fixedKey(b, "ES256").Public.(*ecdsa.PublicKey)
	b.ReportAllocs()
	for b.Loop() {
		sum := sha256.Sum256([]byte(t.signed))
		if !ecdsa.Verify(pub, sum[:], r, s) {
			b.Fatal("the signature does not verify")
		}
	}
}

// BenchmarkFirstSight is the whole check of a token that is not remembered.
func BenchmarkFirstSight(b *testing.B) {
	for _, alg := range []string{"ES256", "EdDSA", "RS256"} {
		b.Run(alg, func(b *testing.B) {
			v, _ := newVerifier(b)
			token := golden(b, alg)
			b.ReportAllocs()
			for b.Loop() {
				p, key, err := v.check(b.Context(), token)
				if err != nil {
					b.Fatal(err)
				}
				v.cache.put(token, p, key, 0)
			}
		})
	}
}

// BenchmarkRemembered is the check of a token seen before.
func BenchmarkRemembered(b *testing.B) {
	// The time is fixed, but read as dearly as in production.
	v, _ := newVerifier(b, func(o *Options) {
		o.Revocations = &revoked{}
		o.Clock = func() time.Time { _ = time.Now(); return issuedAt }
	})
	token := golden(b, "ES256")
	mustVerify(b, v, token)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := v.Verify(b.Context(), token); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

// BenchmarkParse is what the strict reading alone costs.
func BenchmarkParse(b *testing.B) {
	t, _ := split(golden(b, "ES256"))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := parseClaims(t.payload); err != nil {
			b.Fatal(err)
		}
	}
}
