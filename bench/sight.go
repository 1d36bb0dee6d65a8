package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"math/big"
	"time"

	"gatehouse/verify"
)

// sighted is how many tokens are checked in one round of measureSight.
const sighted = 2000

// benchToken is a signed token in its parts, as the bare check wants them.
type benchToken struct {
	text, signed string
	r, s         *big.Int
}

// measureSight: the whole check of ES256 tokens that are new to the verifier
// against the bare signature check, and the check of the same tokens again. All
// run in this process, and what is compared is its CPU time.
func measureSight(b *bench) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	list := make([]benchToken, sighted)
	for i := range list {
		if list[i], err = signToken(key, i); err != nil {
			return err
		}
	}
	var first, again []float64
	var note string
	for range max(b.rounds, 5) {
		bare := bareChecks(&key.PublicKey, list)
		v, err := benchVerifier(&key.PublicKey)
		if err != nil {
			return err
		}
		sight, err := checkAll(v, list)
		if err != nil {
			return err
		}
		hit, err := checkAll(v, list)
		if err != nil {
			return err
		}
		first, again = append(first, sight/bare), append(again, hit)
		note = fmt.Sprintf("%.1f us, against %.1f us", sight, bare)
	}
	goal, ok := atMost(1.10)
	b.add(newRow("first sight of an ES256 token / raw signature check", first, note, goal, ok))
	b.add(newRow("a token seen before, us", again, "", "at most 1", func(m float64) bool { return m <= 1 }))
	return nil
}

func benchVerifier(key *ecdsa.PublicKey) (*verify.Verifier, error) {
	set := verify.NewKeySet()
	if err := set.Set([]verify.Key{{KID: "bench", Alg: "ES256", Public: key}}); err != nil {
		return nil, err
	}
	return verify.New(verify.Options{Issuer: "http://localhost", Keys: set})
}

// bareChecks is crypto/ecdsa and nothing else, in microseconds a token.
func bareChecks(key *ecdsa.PublicKey, list []benchToken) float64 {
	begin := ownCPU()
	for _, t := range list {
		sum := sha256.Sum256([]byte(t.signed))
		if !ecdsa.Verify(key, sum[:], t.r, t.s) {
			panic("a signature of ours does not verify")
		}
	}
	return micros(begin, len(list))
}

func checkAll(v *verify.Verifier, list []benchToken) (float64, error) {
	ctx := context.Background()
	begin := ownCPU()
	for _, t := range list {
		if _, err := v.Verify(ctx, t.text); err != nil {
			return 0, err
		}
	}
	return micros(begin, len(list)), nil
}

func micros(begin time.Duration, n int) float64 {
	return float64((ownCPU() - begin).Nanoseconds()) / 1000 / float64(n)
}

// signToken makes a token as the product does, number i of many.
func signToken(key *ecdsa.PrivateKey, i int) (t benchToken, err error) {
	part := base64.RawURLEncoding.EncodeToString
	now := time.Now().Unix()
	claims := fmt.Sprintf(`{"iss":"http://localhost","aud":["http://localhost"],"sub":"01900000-0000-7000-8000-%012d",`+
		`"sid":"01900000-0000-7000-8000-%012d","jti":"01900000-0000-7000-8000-%012d","client_id":"gatehouse","scope":"account",`+
		`"roles":["owner"],"amr":["pwd"],"acr":"aal1","epoch":1,"auth_time":%d,"iat":%d,"exp":%d}`, i, i, i, now, now, now+600)
	t.signed = part([]byte(`{"alg":"ES256","kid":"bench","typ":"at+jwt"}`)) + "." + part([]byte(claims))
	sum := sha256.Sum256([]byte(t.signed))
	if t.r, t.s, err = ecdsa.Sign(rand.Reader, key, sum[:]); err != nil {
		return t, err
	}
	signature := make([]byte, 64)
	t.r.FillBytes(signature[:32])
	t.s.FillBytes(signature[32:])
	t.text = t.signed + "." + part(signature)
	return t, nil
}
