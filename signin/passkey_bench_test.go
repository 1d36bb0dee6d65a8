package signin

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gorm.io/gorm"

	"gatehouse/internal/testkit"
)

// spread runs f for each of n in so many goroutines and tells how long one of
// them took on average.
func spread(n, callers int, f func(i int)) time.Duration {
	var next atomic.Int64
	var wg sync.WaitGroup
	begin := time.Now()
	for range callers {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				f(i)
			}
		})
	}
	wg.Wait()
	return time.Since(begin) / time.Duration(n)
}

// BenchmarkPasskeyFinish measures the finish of a sign-in by a passkey, from the
// answer of the authenticator to the session with its tokens, beside the bare
// check of one signature and one commit of one row on the same database, in the
// same run. One caller alone pays for a commit each time: the goal there is a
// ratio of 1.5 at most. Sixty-four at once share commits: the goal is 1,500 a
// second.
func BenchmarkPasskeyFinish(b *testing.B) {
	b.Run("one caller", func(b *testing.B) { benchFinish(b, 1) })
	b.Run("64 callers", func(b *testing.B) { benchFinish(b, 64) })
}

func benchFinish(b *testing.B, callers int) {
	h := newHouse(b, testkit.DB(b))
	u, a := h.person("ada@example.com", "ada"), h.authenticator()
	a.Count = 0
	h.passkey(u, a)
	answers := make([][]byte, b.N)
	for i := range answers {
		answers[i] = a.Get(h.challenge())
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	digest := sha256.Sum256([]byte("what is signed"))
	signature, err := ecdsa.SignASN1(rand.Reader, key, digest[:])
	if err != nil {
		b.Fatal(err)
	}
	bare := spread(b.N, callers, func(int) {
		if !ecdsa.VerifyASN1(&key.PublicKey, digest[:], signature) {
			b.Error("the signature is wrong")
		}
		err := h.db.Write(h.ctx(), func(tx *gorm.DB) error {
			return tx.Exec(`UPDATE users SET sign_ins = sign_ins + 1 WHERE id = ?`, u.ID).Error
		})
		if err != nil {
			b.Error(err)
		}
	})
	b.ResetTimer()
	ours := spread(b.N, callers, func(i int) {
		if _, err := h.withPasskey(answers[i]); err != nil {
			b.Error(err)
		}
	})
	b.ReportMetric(float64(ours)/float64(bare), "ratio")
	b.ReportMetric(float64(time.Second)/float64(ours), "sign-ins/s")
	b.ReportMetric(float64(time.Second)/float64(bare), "bare/s")
}
