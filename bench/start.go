package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// measureStart: start-up, memory at rest and size, beside PocketBase.
func measureStart(b *bench) error {
	peer := filepath.Join(b.tmp, "pocketbase")
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", peer, "./peers/pocketbase")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	startPeer := func() (*proc, error) {
		return start("/hello", func(port int) *exec.Cmd {
			return exec.Command(peer, "serve", fmt.Sprintf("--http=127.0.0.1:%d", port), "--dir", filepath.Join(b.tmp, "pb"))
		})
	}
	first, err := b.fresh("start")
	if err != nil {
		return err
	}
	first.stop()
	warm, err := startPeer()
	if err != nil {
		return err
	}
	warm.stop()
	var starts, rests []float64
	var note, restNote string
	for range max(b.rounds, 5) {
		theirs, pbRest, err := restOf(startPeer())
		if err != nil {
			return err
		}
		ours, ghRest, err := restOf(b.gh.serve(filepath.Join(b.tmp, "start")))
		if err != nil {
			return err
		}
		starts = append(starts, float64(ours)/float64(theirs))
		rests = append(rests, ghRest/pbRest)
		note = fmt.Sprintf("%d ms, against %d ms", ours.Milliseconds(), theirs.Milliseconds())
		restNote = fmt.Sprintf("%.1f MB, against %.1f MB", ghRest, pbRest)
	}
	goal, ok := atMost(1.3)
	b.add(newRow("start to the first 200, migrated database / PocketBase", starts, note, goal, ok))
	b.add(newRow("memory at rest / PocketBase", rests, restNote, goal, ok))
	info, err := os.Stat(b.gh.binary)
	if err != nil {
		return err
	}
	mib := float64(info.Size()) / (1 << 20)
	b.add(newRow("stripped binary, MiB", []float64{mib}, "", "at most 34", func(m float64) bool { return m <= 34 }))
	return nil
}

// restOf tells how long a start took, and the memory two seconds later.
func restOf(p *proc, err error) (time.Duration, float64, error) {
	if err != nil {
		return 0, 0, err
	}
	defer p.stop()
	time.Sleep(2 * time.Second)
	now, _, err := memory(p.pid())
	return p.took, now, err
}
