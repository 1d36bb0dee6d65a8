package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// slotsOf is how many hashes a server computes at once: it has the default.
func slotsOf(*proc) (int, error) { return runtime.GOMAXPROCS(0), nil }

// confine puts a server into a control group with a bound of memory, in which
// the kernel kills what takes more. It needs a folder of a version 2 hierarchy
// that this user may write and that has the memory controller:
// GATEHOUSE_CGROUP=/sys/fs/cgroup/bench. Without it nothing is confined, and
// the row says so; the bound is then only compared with what was used.
func confine(pid, mb int) (leave func(), where string, err error) {
	parent := os.Getenv("GATEHOUSE_CGROUP")
	if parent == "" {
		return func() {}, fmt.Sprintf("GOMEMLIMIT for %d MB, no control group", mb), nil
	}
	group := filepath.Join(parent, fmt.Sprintf("gatehouse-%d", pid))
	if err := os.Mkdir(group, 0o755); err != nil {
		return nil, "", err
	}
	leave = func() { _ = os.Remove(group) } // it is empty by then, or stays
	for _, set := range [][2]string{
		{"memory.max", fmt.Sprint(mb * 1e6)}, {"memory.swap.max", "0"}, {"cgroup.procs", fmt.Sprint(pid)},
	} {
		err := os.WriteFile(filepath.Join(group, set[0]), []byte(set[1]), 0o644)
		if err != nil && !(set[0] == "memory.swap.max" && os.IsNotExist(err)) {
			leave()
			return nil, "", fmt.Errorf("%s: %w", strings.Join(set[:], "="), err)
		}
	}
	return leave, fmt.Sprintf("in a control group of %d MB", mb), nil
}
