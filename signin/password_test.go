package signin

import (
	"context"
	"testing"

	"gatehouse/internal/passwords"
	"gatehouse/models"
)

// Whoever is not there, or has no password, costs a place in the queue of hashes
// like everybody else: a caller who is gone gets none, and hears so in each case.
func TestNobodyCostsAHashAsMuchAsSomebody(t *testing.T) {
	hasher := passwords.New(passwords.Options{Concurrency: 1, Params: passwords.Params{MemoryKiB: 64, Time: 1, Threads: 1}})
	hash, err := hasher.Hash(t.Context(), right)
	if err != nil {
		t.Fatal(err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for name, u := range map[string]*models.User{"nobody": nil, "no password": {}, "somebody": {PasswordHash: hash}} {
		v, err := password{hasher: hasher}.Verify(gone, Offer{User: u, Secret: wrong})
		if err == nil || v.OK {
			t.Errorf("%s: nothing was asked of the queue", name)
		}
		if v, err := (password{hasher: hasher}).Verify(t.Context(), Offer{User: u, Secret: wrong}); err != nil || v.OK {
			t.Errorf("%s: %v %v", name, v.OK, err)
		}
	}
}
