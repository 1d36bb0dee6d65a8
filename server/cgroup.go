package server

import (
	"io/fs"
	"path"
	"strconv"
	"strings"
)

// memoryBound is the memory that the control group of this process may use at
// most, as containers and services set it; 0 when there is no bound. The bound
// of a group holds for all groups in it, so the least of them counts.
func memoryBound(root fs.FS) uint64 {
	groups, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return 0
	}
	var least uint64
	for line := range strings.Lines(string(groups)) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(f) != 3 {
			continue
		}
		switch {
		case f[0] == "0": // version 2 (cgroups(7))
			least = lower(least, boundOf(root, "sys/fs/cgroup", f[2], "memory.max"))
		case f[1] == "memory":
			least = lower(least, boundOf(root, "sys/fs/cgroup/memory", f[2], "memory.limit_in_bytes"))
		}
	}
	return least
}

// boundOf reads the file of a group and of all groups above it. In a container
// the group's own path is often not there and the mount is the group.
func boundOf(root fs.FS, mount, group, name string) (least uint64) {
	dir := path.Join(mount, group)
	if !strings.HasPrefix(dir, mount) { // a group outside of what is mounted
		dir = mount
	}
	for ; ; dir = path.Dir(dir) {
		least = lower(least, number(root, path.Join(dir, name)))
		if dir == mount {
			return least
		}
	}
}

// number reads a file with one number; "max" and what is no number are 0.
func number(root fs.FS, name string) uint64 {
	b, err := fs.ReadFile(root, name)
	if err != nil {
		return 0
	}
	n, err := strconv.ParseUint(strings.TrimSpace(string(b)), 10, 64)
	if err != nil || n >= 1<<60 { // version 1 writes "no bound" as a huge number
		return 0
	}
	return n
}

// lower is the lesser of two bounds, of which 0 is none.
func lower(a, b uint64) uint64 {
	if a == 0 || b > 0 && b < a {
		return b
	}
	return a
}

// totalMemory is the memory of the machine (proc(5)).
func totalMemory(root fs.FS) uint64 {
	b, err := fs.ReadFile(root, "proc/meminfo")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) >= 2 && f[0] == "MemTotal:" {
			kib, _ := strconv.ParseUint(f[1], 10, 64)
			return kib * 1024
		}
	}
	return 0
}
