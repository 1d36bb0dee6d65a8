package main

import (
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// measureStart: start-up, memory at rest and size, beside PocketBase.
func measureStart(b *bench) error {
	first, err := b.fresh("start")
	if err != nil {
		return err
	}
	first.stop()
	warm, err := b.startPocketBase("pb-start")
	if err != nil {
		return err
	}
	warm.stop()
	var starts, times, rests []float64
	var note, restNote string
	for range max(b.rounds, 5) {
		theirs, pbRest, err := restOf(b.startPocketBase("pb-start"))
		if err != nil {
			return err
		}
		ours, ghRest, err := restOf(b.gh.serve(filepath.Join(b.tmp, "start")))
		if err != nil {
			return err
		}
		starts = append(starts, float64(ours)/float64(theirs))
		times = append(times, float64(ours.Milliseconds()))
		rests = append(rests, ghRest/pbRest)
		note = fmt.Sprintf("%d ms, against %d ms", ours.Milliseconds(), theirs.Milliseconds())
		restNote = fmt.Sprintf("%.1f MB, against %.1f MB", ghRest, pbRest)
	}
	goal, ok := atMost(1.3)
	b.add(newRow("start to the first 200, migrated database / PocketBase", starts, note, goal, ok))
	b.add(newRow("start to the first 200, ms", times, "", "at most 300", func(m float64) bool { return m <= 300 }))
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
