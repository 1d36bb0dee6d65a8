package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
)

// slotsOf is how many hashes a server computes at once: it has the default.
func slotsOf(*proc) (int, error) { return runtime.GOMAXPROCS(0), nil }

// controller is where the two versions of control groups keep the same things
// (cgroups(7)). The bound is written first, and what may be missing is optional:
// the swap of a kernel without swap accounting.
type controller struct {
	bound, swap, noSwap string // the files, and what turns swap off
	kills               string // the file with the number of processes killed
}

var controllers = []controller{
	{"memory.max", "memory.swap.max", "0", "memory.events"},
	{"memory.limit_in_bytes", "memory.swappiness", "0", "memory.oom_control"},
}

// cage is the control group of one server, or none.
type cage struct {
	folder string
	files  controller
	mb     int
}

// confine puts a server into a control group with a bound of memory, in which
// the kernel kills what takes more. It needs a folder of the memory controller,
// of version 2 or 1, that this user may write:
// GATEHOUSE_CGROUP=/sys/fs/cgroup/bench, or /sys/fs/cgroup/memory. Without it
// nothing is confined, and the row says so; the bound is then only compared with
// what was used. What the process took before is charged elsewhere, and is
// subtracted from the bound.
func confine(pid, mb, before int) (*cage, error) {
	parent := os.Getenv("GATEHOUSE_CGROUP")
	if parent == "" {
		return &cage{mb: mb}, nil
	}
	g := &cage{folder: filepath.Join(parent, fmt.Sprintf("gatehouse-%d", pid)), mb: mb}
	if err := os.Mkdir(g.folder, 0o755); err != nil {
		return nil, err
	}
	if err := g.close(pid, (mb-before)*1e6); err != nil {
		g.leave()
		return nil, err
	}
	return g, nil
}

// close finds out the version by the files of the new group, sets the bound and
// puts the process in.
func (g *cage) close(pid, bound int) error {
	for _, c := range controllers {
		err := g.set(c.bound, strconv.Itoa(bound))
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
			continue // the other version; its files cannot be made
		}
		g.files = c
		if err != nil {
			return err
		}
		if err := g.set(c.swap, c.noSwap); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return g.set("cgroup.procs", strconv.Itoa(pid))
	}
	return fmt.Errorf("%s has no memory controller", g.folder)
}

func (g *cage) set(name, value string) error {
	f, err := os.OpenFile(filepath.Join(g.folder, name), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(value)
	return errors.Join(err, f.Close())
}

// leave removes the group; it is empty by then, or stays.
func (g *cage) leave() {
	if g.folder != "" {
		_ = os.Remove(g.folder)
	}
}

// where says what holds the server, and how many processes the kernel has
// killed in it. Killed is a mistake of ours, and no figure.
func (g *cage) where() (string, error) {
	if g.folder == "" {
		return fmt.Sprintf("GOMEMLIMIT for %d MB, no control group", g.mb), nil
	}
	b, err := os.ReadFile(filepath.Join(g.folder, g.files.kills))
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(b)) {
		if n, ok := strings.CutPrefix(strings.TrimSpace(line), "oom_kill "); ok && n != "0" {
			return "", fmt.Errorf("the kernel killed %s processes in %d MB", n, g.mb)
		}
	}
	return fmt.Sprintf("in a control group of %d MB, nothing killed", g.mb), nil
}
