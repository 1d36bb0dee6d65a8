//go:build ignore

// This program packs lists of passwords into common.bin; see README.md. It is
// started by common_generate.sh with the file to write and the lists, the most
// trusted first: a JSON list, or text with one password a line, the most
// frequent first.
package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"log"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// The same as commonLen and CommonCount of common.go, and the shortest
// password that can be set anywhere: no shorter one is ever looked up.
const (
	size     = 5
	count    = 120_000
	shortest = 8
)

func main() {
	seen := map[string]bool{}
	for _, name := range os.Args[2:] {
		for _, word := range read(name) {
			word = strings.ToLower(norm.NFC.String(word))
			if len(seen) < count && utf8.RuneCountInString(word) >= shortest {
				sum := sha256.Sum256([]byte(word))
				seen[string(sum[:size])] = true
			}
		}
	}
	if len(seen) != count {
		log.Fatalf("the lists give %d passwords, %d are wanted", len(seen), count)
	}
	hashes := make([]string, 0, count)
	for hash := range seen {
		hashes = append(hashes, hash)
	}
	slices.Sort(hashes)
	out := []byte(strings.Join(hashes, ""))
	if err := os.WriteFile(os.Args[1], out, 0o644); err != nil {
		log.Fatal(err)
	}
	log.Printf("%d passwords, SHA-256 %x", count, sha256.Sum256(out))
}

func read(name string) (words []string) {
	list, err := os.ReadFile(name)
	if err != nil {
		log.Fatal(err)
	}
	if bytes.HasPrefix(list, []byte("[")) {
		if err := json.Unmarshal(list, &words); err != nil {
			log.Fatal(err)
		}
		return words
	}
	return strings.Split(strings.TrimSuffix(string(list), "\n"), "\n")
}
