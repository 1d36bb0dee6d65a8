package testkit

import (
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
)

// EnvProve names the folder into which the proofs write what they found. While
// it is set they run in their long form, as make prove does; otherwise in the
// short one, as a part of make test.
const EnvProve = "GATEHOUSE_PROVE"

// EnvSeed gives the proofs the seed of an earlier run.
const EnvSeed = "GATEHOUSE_PROVE_SEED"

// EnvGalera names the nodes of a Galera cluster for proofs: DSNs, one for each
// node, separated by spaces.
const EnvGalera = "GATEHOUSE_TEST_GALERA"

// Proving reports whether the long forms of the proofs run.
func Proving() bool { return os.Getenv(EnvProve) != "" }

// Sized is the bound of a proof in its short or its long form.
func Sized[T any](short, long T) T {
	if Proving() {
		return long
	}
	return short
}

// Seed is the seed of a proof's chances. It is logged, and EnvSeed repeats it.
func Seed(t testing.TB) uint64 {
	t.Helper()
	seed := rand.Uint64()
	if text := os.Getenv(EnvSeed); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("%s: %v", EnvSeed, err)
		}
	}
	t.Logf("seed %d (%s repeats it)", seed, EnvSeed)
	return seed
}

// Finding is one row of docs/proofs/RESULTS.md.
type Finding struct {
	Proof string    `json:"proof"` // the letter in docs/proofs/README.md
	Case  string    `json:"case"`
	Tried string    `json:"tried"` // with counts
	Found string    `json:"found"`
	Seed  uint64    `json:"seed,omitempty"`
	Holds bool      `json:"holds"`
	At    time.Time `json:"at"`
}

// Found logs what a proof found; the long form also keeps it for the table.
func Found(t testing.TB, f Finding) {
	t.Helper()
	f.Holds = !t.Failed()
	t.Logf("%s, %s: %s: %s", f.Proof, f.Case, f.Tried, f.Found)
	if err := Keep(os.Getenv(EnvProve), f); err != nil {
		t.Fatal(err)
	}
}

// Keep writes a finding into a folder for the table; "" keeps none.
func Keep(folder string, f Finding) error {
	if folder == "" {
		return nil
	}
	f.At = time.Now().UTC()
	b, err := json.Marshal(f)
	if err != nil {
		return err
	}
	name := fmt.Sprintf("%s-%x.json", f.Proof, sha256.Sum256([]byte(f.Case)))
	return os.WriteFile(filepath.Join(folder, name), b, 0o600)
}

// GaleraURLs makes an empty database on the cluster of EnvGalera, drops it with
// the test, and names it as each node has it. In its short form a proof on
// Galera is skipped; the long form fails without a cluster, because a proof
// that silently did not run proves nothing.
func GaleraURLs(t testing.TB) []string {
	t.Helper()
	nodes := strings.Fields(os.Getenv(EnvGalera))
	if len(nodes) == 0 {
		if Proving() {
			t.Fatalf("%s is not set: the proof on a Galera cluster did NOT run", EnvGalera)
		}
		t.Skip("on Galera in the long form only: make prove")
	}
	name := fmt.Sprintf("gatehouse_proof_%016x", rand.Uint64())
	run(t, nodes[0], "CREATE DATABASE "+name)
	t.Cleanup(func() { run(t, nodes[0], "DROP DATABASE "+name) })
	urls := make([]string, len(nodes))
	for i, dsn := range nodes {
		cfg, err := mysql.ParseDSN(dsn)
		if err != nil {
			t.Fatal(err)
		}
		cfg.DBName = name
		urls[i] = "mysql://" + cfg.FormatDSN()
		waitForDatabase(t, dsn, name)
	}
	return urls
}

// waitForDatabase waits until a node knows a database made on another one.
func waitForDatabase(t testing.TB, dsn, name string) {
	t.Helper()
	pool, err := sql.Open("mysql", dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	var n int
	for deadline := time.Now().Add(10 * time.Second); n == 0; time.Sleep(10 * time.Millisecond) {
		if err := pool.QueryRow("SELECT COUNT(*) FROM information_schema.schemata WHERE schema_name = ?", name).Scan(&n); err != nil {
			t.Fatal(err)
		}
		if time.Now().After(deadline) {
			t.Fatal("a database did not reach every node of the cluster")
		}
	}
}
