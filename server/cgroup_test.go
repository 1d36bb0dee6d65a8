package server

import (
	"testing"
	"testing/fstest"
)

func TestTheBoundOfTheControlGroupIsTheLeastOfItsPath(t *testing.T) {
	file := func(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s)} }
	for name, tt := range map[string]struct {
		files fstest.MapFS
		want  uint64
	}{
		"no control groups": {fstest.MapFS{}, 0},
		"version 2": {fstest.MapFS{
			"proc/self/cgroup":                           file("0::/a.slice/b.service\n"),
			"sys/fs/cgroup/a.slice/memory.max":           file("268435456\n"),
			"sys/fs/cgroup/a.slice/b.service/memory.max": file("max\n"),
		}, 256 << 20},
		"version 2, the inner one is less": {fstest.MapFS{
			"proc/self/cgroup":                           file("0::/a.slice/b.service\n"),
			"sys/fs/cgroup/a.slice/memory.max":           file("268435456\n"),
			"sys/fs/cgroup/a.slice/b.service/memory.max": file("134217728\n"),
		}, 128 << 20},
		"version 2 in a container": {fstest.MapFS{
			"proc/self/cgroup": file("0::/../..\n"), "sys/fs/cgroup/memory.max": file("134217728\n"),
		}, 128 << 20},
		"version 1": {fstest.MapFS{
			"proc/self/cgroup": file("9:cpu:/\n4:memory:/docker/x\n0::/\n"),
			"sys/fs/cgroup/memory/docker/x/memory.limit_in_bytes": file("268435456\n"),
			"sys/fs/cgroup/memory/memory.limit_in_bytes":          file("9223372036854771712\n"),
		}, 256 << 20},
		"no bound": {fstest.MapFS{
			"proc/self/cgroup": file("0::/\n"), "sys/fs/cgroup/memory.max": file("max\n"),
		}, 0},
	} {
		if got := memoryBound(tt.files); got != tt.want {
			t.Errorf("%s: %d, want %d", name, got, tt.want)
		}
	}
}

func TestTheMemoryOfTheMachineIsRead(t *testing.T) {
	root := fstest.MapFS{"proc/meminfo": &fstest.MapFile{Data: []byte("MemTotal:       16384256 kB\nMemFree: 1 kB\n")}}
	if got := totalMemory(root); got != 16384256*1024 {
		t.Error(got)
	}
}

func TestAProposalNeverUndercutsTheFloorAndKeepsTheCaps(t *testing.T) {
	for budget := 1.0; budget < 1e9; budget *= 1.7 {
		for _, most := range []uint32{1024, 40 * 1024, proposeMostKiB} {
			p := costWithin(budget, most)
			passes := p.MemoryKiB * p.Time
			if p.MemoryKiB < 19*1024 || p.Time < 2 || p.Threads != 1 || p.MemoryKiB > proposeMostKiB || p.Time > proposeMostTime || passes > 1024*1024 {
				t.Errorf("%.0f KiB-passes, %d KiB: %+v", budget, most, p)
			}
			if float64(passes) > budget && (p.MemoryKiB > 19*1024 || p.Time > 2) {
				t.Errorf("%.0f KiB-passes: %+v costs more", budget, p)
			}
		}
	}
}
