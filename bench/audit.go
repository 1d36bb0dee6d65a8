package main

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// measureAudit: refreshes over HTTP by a server that records them and by one that
// was built without it, in turns. The seal of the rows is a part of what they cost.
func measureAudit(b *bench) error {
	silent, err := buildUnrecorded(b.tmp)
	if err != nil {
		return err
	}
	if err := b.auditShare("SQLite", silent, func(string) string { return "" }); err != nil {
		return err
	}
	server := strings.TrimSuffix(os.Getenv("GATEHOUSE_TEST_MYSQL"), "/")
	if server == "" {
		return nil
	}
	admin, err := sql.Open("mysql", server+"/")
	if err != nil {
		return err
	}
	defer admin.Close()
	for _, name := range []string{"recorded", "unrecorded"} {
		if _, err := admin.Exec("CREATE DATABASE gatehouse_bench_" + name); err != nil {
			return err
		}
		defer func() { _, _ = admin.Exec("DROP DATABASE gatehouse_bench_" + name) }()
	}
	return b.auditShare("MariaDB", silent, func(name string) string { return "mysql://" + server + "/gatehouse_bench_" + name })
}

// recording is how the function begins that makes the audit row of a refresh.
const recording = "func (r *Refresh) lines(a attempt) ([]audit.Line, error) {\n"

// buildUnrecorded builds the product without the audit rows of refreshes. One file
// is exchanged for this build alone (go build -overlay), so that the product has no
// switch by which somebody could stop the record.
func buildUnrecorded(tmp string) (gatehouse, error) {
	file, err := filepath.Abs("../tokens/refresh.go")
	if err != nil {
		return gatehouse{}, err
	}
	source, err := os.ReadFile(file)
	if err != nil {
		return gatehouse{}, err
	}
	before, after, found := strings.Cut(string(source), recording)
	if !found {
		return gatehouse{}, fmt.Errorf("%s has no %q: say in bench/audit.go where the row is made now", file, recording)
	}
	changed, overlay := filepath.Join(tmp, "refresh.go"), filepath.Join(tmp, "overlay.json")
	if err := os.WriteFile(changed, []byte(before+recording+"\treturn nil, nil\n"+after), 0o600); err != nil {
		return gatehouse{}, err
	}
	exchange, err := json.Marshal(map[string]map[string]string{"Replace": {file: changed}})
	if err != nil {
		return gatehouse{}, err
	}
	if err := os.WriteFile(overlay, exchange, 0o600); err != nil {
		return gatehouse{}, err
	}
	return buildGatehouse(tmp, "unrecorded", "-overlay", overlay)
}

func (b *bench) auditShare(database string, silent gatehouse, url func(name string) string) error {
	var servers [2]*proc
	var rings [2]*lines
	for i, name := range []string{"recorded", "unrecorded"} {
		env := []string{"REFRESH_RETRY_WINDOW=1s"}
		if u := url(name); u != "" {
			env = append(env, "DATABASE_URL="+u, benchSecret)
		}
		of := *b
		if i == 1 {
			of.gh = silent
		}
		p, err := of.fresh(database+"-"+name, env...)
		if err != nil {
			return err
		}
		defer p.stop()
		// Twice as many as elsewhere: without its row a refresh is so fast that the
		// bound on rotations of one family would answer.
		if rings[i], err = families(p, 2*familyCount); err != nil {
			return err
		}
		servers[i] = p
	}
	rate, cpu, last, err := b.against(
		func() (sample, error) { return rings[0].load(servers[0], b.d) },
		func() (sample, error) { return rings[1].load(servers[1], b.d) })
	if err != nil {
		return err
	}
	goal, ok := atLeast(0.95)
	b.add(newRow(fmt.Sprintf("%s: refresh with its audit row / without, throughput", database), rate, figures(last), goal, ok))
	goal, ok = seen()
	b.add(newRow("the same, CPU a request", cpu, "", goal, ok))
	return nil
}
