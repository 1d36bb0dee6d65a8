package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestTheCommandsDoWhatTheirScriptsSay runs testdata/script/*.txtar, each in an
// empty folder, with the built program on the path.
func TestTheCommandsDoWhatTheirScriptsSay(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "script"),
		Setup: func(env *testscript.Env) error {
			env.Setenv("PATH", filepath.Dir(binary)+string(os.PathListSeparator)+env.Getenv("PATH"))
			env.Setenv("LISTEN_ADDR", fmt.Sprintf("127.0.0.1:%d", freePort(t)))
			return nil
		},
	})
}
