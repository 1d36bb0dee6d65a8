package server

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// TestASlowStartSaysWhereTheTimeWent: a quick one is silent at the usual level,
// and a slow one names each of its parts.
func TestASlowStartSaysWhereTheTimeWent(t *testing.T) {
	for took, loud := range map[time.Duration]bool{slowStart / 2: false, 2 * slowStart: true} {
		var out bytes.Buffer
		s := newStages(time.Now().Add(-took))
		s.done("schema")
		s.done("keys")
		s.tell(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelWarn})))
		if got := strings.Contains(out.String(), "parts.schema=") && strings.Contains(out.String(), "parts.keys="); got != loud {
			t.Errorf("after %v the log has %q", took, out.String())
		}
	}
	var none *stages // a command's
	none.done("schema")
	none.tell(slog.New(slog.DiscardHandler))
}
