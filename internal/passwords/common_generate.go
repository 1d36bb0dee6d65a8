//go:build ignore

// This program packs a JSON list of passwords into common.bin; see README.md.
// It is started by common_generate.sh.
package main

import (
	"crypto/sha256"
	"encoding/json"
	"log"
	"os"
	"slices"
	"strings"

	"golang.org/x/text/unicode/norm"
)

// size is commonLen of common.go.
const size = 6

func main() {
	list, err := os.ReadFile(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	var words []string
	if err := json.Unmarshal(list, &words); err != nil {
		log.Fatal(err)
	}
	var hashes []string
	for _, w := range words {
		sum := sha256.Sum256([]byte(strings.ToLower(norm.NFC.String(w))))
		hashes = append(hashes, string(sum[:size]))
	}
	slices.Sort(hashes)
	hashes = slices.Compact(hashes)
	if err := os.WriteFile(os.Args[2], []byte(strings.Join(hashes, "")), 0o644); err != nil {
		log.Fatal(err)
	}
}
