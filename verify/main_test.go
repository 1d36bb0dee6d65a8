package verify_test

import (
	"fmt"
	"os"
	"testing"

	"gatehouse/internal/testserver"
)

// TestMain tells at the end what was done with several nodes, if it was.
func TestMain(m *testing.M) {
	code := m.Run()
	if err := testserver.Report("verify", code == 0); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}
