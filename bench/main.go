// Command bench measures the product against anchors started by the same
// command, interleaved in rounds, and prints one table of ratios.
//
// The load generator shares the processors with the servers, so CPU
// microseconds per request (of the server's process alone) is the figure to
// trust; throughput stands beside it.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"time"
)

const (
	benchPassword = "correct-horse-bench"
	benchEmail    = "bench@example.com"
)

var (
	rounds    = flag.Int("rounds", 3, "rounds of each measurement, at least 3 for the table to mean something")
	length    = flag.Duration("for", 3*time.Second, "length of one measurement")
	profile   = flag.String("profile", "", "write a CPU profile of this process, in which sight and mysql run")
	only      = flag.String("only", "", "run only the part of this name: check, sight, pages, hash, refresh, audit, ended, peers, start, scale, families, mysql, storm, idle, soak")
	soakFor   = flag.Duration("soak", 2*time.Hour, "length of the part soak, which runs only with -only soak")
	manyCount = flag.Int("families", 10_000_000, "how many refresh families the part families has; they take about 350 bytes each in the temporary folder")
)

// bench is what the parts share.
type bench struct {
	tmp    string
	gh     gatehouse
	rows   []row
	rounds int
	d      time.Duration
}

func main() {
	if len(os.Args) == 4 && os.Args[1] == "anchor" {
		exit(runAnchor(os.Args[2], os.Args[3]))
	}
	if len(os.Args) == 4 && os.Args[1] == "watch" {
		exit(runWatch(os.Args[2], os.Args[3]))
	}
	flag.Parse()
	if *profile != "" {
		f, err := os.Create(*profile)
		if err == nil {
			err = pprof.StartCPUProfile(f)
		}
		if err != nil {
			exit(err)
		}
		defer f.Close()
		err = run()
		pprof.StopCPUProfile()
		exit(err)
	}
	exit(run())
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func run() error {
	tmp, err := os.MkdirTemp("", "gatehouse-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	b := &bench{tmp: tmp, rounds: *rounds, d: *length}
	if b.gh, err = buildGatehouse(tmp, "gatehouse"); err != nil {
		return err
	}
	for _, part := range []struct {
		name string
		run  func(*bench) error
	}{
		{"check", measureChecks}, {"sight", measureSight}, {"pages", measurePages}, {"hash", measureSignIn},
		{"refresh", measureRefresh}, {"audit", measureAudit}, {"ended", measureEnded}, {"peers", measurePeers},
		{"start", measureStart}, {"scale", measureScale}, {"families", measureFamilies}, {"mysql", measureMySQL}, {"storm", measureStorm}, {"idle", measureIdle},
		{"soak", measureSoak},
	} {
		if *only != part.name && (*only != "" || part.name == "soak") {
			continue // the soak takes as long as it is told to, and is asked for by name
		}
		fmt.Fprintf(os.Stderr, "measuring %s ...\n", part.name)
		if err := part.run(b); err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
	}
	fmt.Printf("%s, %s, %d processors, %d rounds of %s\n\n", cpuName(), runtime.Version(), runtime.NumCPU(), b.rounds, b.d)
	printTable(os.Stdout, b.rows)
	return nil
}

func (b *bench) add(r row) { b.rows = append(b.rows, r) }

// fresh starts the product on an empty folder with one user in it.
func (b *bench) fresh(name string, env ...string) (*proc, error) {
	data := filepath.Join(b.tmp, name)
	if _, err := b.gh.run(benchPassword+"\n", data, env, "user", "add", benchEmail, "--role", "owner", "--password-stdin"); err != nil {
		return nil, err
	}
	return b.gh.serve(data, env...)
}

// against measures ours and an anchor's in turns and returns the ratios of
// throughput and of CPU time a request.
func (b *bench) against(ours, theirs func() (sample, error)) (rate, cpu []float64, last [2]sample, err error) {
	for range b.rounds {
		a, err := theirs()
		if err != nil {
			return nil, nil, last, err
		}
		o, err := ours()
		if err != nil {
			return nil, nil, last, err
		}
		rate = append(rate, o.perSecond/a.perSecond)
		cpu = append(cpu, o.cpuMicros/a.cpuMicros)
		last = [2]sample{o, a}
		if o.failed > 0 {
			return nil, nil, last, fmt.Errorf("%d of our answers were refusals", o.failed)
		}
	}
	return rate, cpu, last, nil
}

func figures(last [2]sample) string {
	return fmt.Sprintf("%.0f/s and %.1f us, against %.0f/s and %.1f us", last[0].perSecond, last[0].cpuMicros, last[1].perSecond, last[1].cpuMicros)
}

func cpuName() string {
	out, err := exec.Command("sh", "-c", "grep -m1 'model name' /proc/cpuinfo | cut -d: -f2").Output()
	if err != nil {
		return runtime.GOARCH
	}
	return string(trim(out))
}

func trim(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\n') {
		b = b[1:]
	}
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == '\n') {
		b = b[:len(b)-1]
	}
	return b
}
