package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"time"

	"gatehouse/verify"
)

const (
	liveEndings = 1_000_000
	batchOf     = 500
	// perSecond endings are what following is measured at.
	perSecond = 200
)

// measureEnded: what the memory of endings costs the check, and what following
// the log costs a node and a service.
func measureEnded(b *bench) error {
	if err := measureCheckBesideEndings(b); err != nil {
		return err
	}
	return measureFollowing(b)
}

func measureCheckBesideEndings(b *bench) error {
	none, err := b.fresh("endednone")
	if err != nil {
		return err
	}
	defer none.stop()
	first, err := b.fresh("endedall")
	if err != nil {
		return err
	}
	first.stop()
	data := filepath.Join(b.tmp, "endedall")
	if err := fillLog(filepath.Join(data, "gatehouse.db"), liveEndings); err != nil {
		return err
	}
	all, err := b.gh.serve(data)
	if err != nil {
		return err
	}
	defer all.stop()
	if err := waitReady(all); err != nil {
		return err
	}
	loads := map[*proc]func() (sample, error){}
	for _, p := range []*proc{none, all} {
		t, err := signIn(p, "/api/v1/login", "username", benchEmail)
		if err != nil {
			return err
		}
		loads[p] = b.loadOf(p, get(p, "/auth", "Authorization: Bearer "+t.Access))
	}
	rate, cpu, last, err := b.against(loads[all], loads[none])
	if err != nil {
		return err
	}
	goal, ok := atLeast(0.97)
	b.add(newRow("/auth with 1,000,000 live endings / with none, throughput", rate, figures(last), goal, ok))
	goal, ok = seen()
	b.add(newRow("the same, CPU a request", cpu, "", goal, ok))
	with, _, err := memory(all.pid())
	if err != nil {
		return err
	}
	without, _, err := memory(none.pid())
	if err != nil {
		return err
	}
	goal, ok = atMost(100)
	b.add(newRow("memory of 1,000,000 live endings, MB", []float64{with - without}, fmt.Sprintf("%.0f MB, against %.0f MB", with, without), goal, ok))
	return nil
}

func waitReady(p *proc) error {
	for begin := time.Now(); time.Since(begin) < time.Minute; time.Sleep(50 * time.Millisecond) {
		if status, _, err := call(http.MethodGet, "http://"+p.Addr+"/readyz", ""); err == nil && status == http.StatusOK {
			return nil
		}
	}
	return fmt.Errorf("%s is not ready:\n%s", p.Addr, p.log.String())
}

// fillLog writes n ended sessions as sealed batches, linked as the product
// links them.
func fillLog(path string, n int) error {
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=synchronous(off)&_pragma=journal_mode(wal)")
	if err != nil {
		return err
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	tx, err := db.Begin()
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	var log []byte
	var seq uint64
	if err := tx.QueryRow("SELECT log_id, (SELECT COUNT(*) FROM revocation_batches) FROM deployment").Scan(&log, &seq); err != nil {
		return err
	}
	if seq != 0 {
		return errors.New("the log is not empty")
	}
	now := time.Now()
	until := uint64(now.Add(time.Hour).UnixMicro())
	hash := make([]byte, sha256.Size)
	for range n / batchOf {
		seq++
		body := []byte{1}
		for range batchOf {
			id := make([]byte, 16)
			_, _ = rand.Read(id)
			body = append(binary.BigEndian.AppendUint64(append(body, 1), until), id...)
		}
		_, err := tx.Exec("INSERT INTO revocation_batches (seq, prev_hash, body, want_ack, sealed_at) VALUES (?, ?, ?, 0, ?)", seq, hash, body, now.UnixMicro())
		if err != nil {
			return err
		}
		h := sha256.New()
		h.Write([]byte("gatehouse/revocation-batch/v1\x00"))
		h.Write(log)
		h.Write(binary.BigEndian.AppendUint64(nil, seq))
		h.Write(hash)
		h.Write([]byte{0})
		h.Write(body)
		hash = h.Sum(nil)
	}
	return tx.Commit()
}

var secretOf = regexp.MustCompile(`gh_sk_[0-9A-Za-z]+`)

// measureFollowing writes endings into the outbox from outside, as another node
// does, and reads what that costs a node, which polls and seals them, and a
// service, which follows the node's feed. What both take while nothing ends is
// part of the cost of the service, and taken off that of the node.
func measureFollowing(b *bench) error {
	gh, err := b.fresh("following")
	if err != nil {
		return err
	}
	defer gh.stop()
	data := filepath.Join(b.tmp, "following")
	out, err := b.gh.run("", data, nil, "service", "add", "bench")
	if err != nil {
		return err
	}
	service, err := anchor("follower", "FOLLOW="+gh.URL, "FOLLOW_SECRET="+secretOf.FindString(out))
	if err != nil {
		return err
	}
	defer service.stop()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(data, "gatehouse.db")+"?_pragma=busy_timeout(5000)")
	if err != nil {
		return err
	}
	defer db.Close()
	length := max(b.d, 5*time.Second)
	var node, follower []float64
	for range b.rounds {
		rest, _, err := shares(gh, service, length, func() error { return nil })
		if err != nil {
			return err
		}
		before, err := entriesOf(service)
		if err != nil {
			return err
		}
		written := 0
		busy, of, err := shares(gh, service, length, func() error {
			written += perSecond / 10
			return endSome(db, perSecond/10)
		})
		if err != nil {
			return err
		}
		time.Sleep(time.Second)
		if after, err := entriesOf(service); err != nil || after-before != written {
			return fmt.Errorf("%d endings were written and the service holds %d more: %w", written, after-before, err)
		}
		node, follower = append(node, busy-rest), append(follower, of)
	}
	goal, ok := atMost(5)
	b.add(newRow(fmt.Sprintf("following %d endings a second: a node, percent of a processor", perSecond), node, "without what it takes at rest", goal, ok))
	goal, ok = atMost(1)
	b.add(newRow(fmt.Sprintf("following %d endings a second: a service, percent of a processor", perSecond), follower, "", goal, ok))
	return nil
}

// shares calls tick ten times a second and returns how much of one processor
// the two took, in percent.
func shares(gh, service *proc, d time.Duration, tick func() error) (node, follower float64, err error) {
	var before, after [2]time.Duration
	read := func(to *[2]time.Duration) error {
		for i, p := range []*proc{gh, service} {
			used, err := cpuTime(p.pid())
			if err != nil {
				return err
			}
			to[i] = used
		}
		return nil
	}
	if err := read(&before); err != nil {
		return 0, 0, err
	}
	begin := time.Now()
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for time.Since(begin) < d {
		<-ticker.C
		if err := tick(); err != nil {
			return 0, 0, err
		}
	}
	took := time.Since(begin)
	err = read(&after)
	return 100 * float64(after[0]-before[0]) / float64(took), 100 * float64(after[1]-before[1]) / float64(took), err
}

func endSome(db *sql.DB, n int) error {
	tx, err := db.Begin()
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	until := time.Now().Add(time.Hour)
	for i := range n {
		target := make([]byte, 16)
		_, _ = rand.Read(target)
		_, err := tx.Exec("INSERT INTO revocation_outbox (id, kind, target, epoch, until_at, want_ack) VALUES (?, 'sid', ?, 0, ?, 0)",
			benchID(time.Now().Add(time.Hour), i), target, until.UnixMicro())
		if err != nil {
			return err
		}
	}
	return tx.Commit()
}

// follow is the anchor "follower": a service that follows the feed and does
// nothing else. It answers how many endings it holds.
func follow() (http.HandlerFunc, error) {
	v, err := verify.New(verify.Options{Issuer: os.Getenv("FOLLOW"), Service: os.Getenv("FOLLOW_SECRET")})
	if err != nil {
		return nil, err
	}
	for begin := time.Now(); v.Ready() != nil; time.Sleep(10 * time.Millisecond) {
		if time.Since(begin) > 30*time.Second {
			return nil, fmt.Errorf("no view: %w", errors.Join(v.Stats().LastFault, context.DeadlineExceeded))
		}
	}
	return func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, strconv.FormatInt(v.Stats().Entries, 10))
	}, nil
}

func entriesOf(service *proc) (int, error) {
	_, body, err := call(http.MethodGet, "http://"+service.Addr+"/held", "")
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(string(body))
}
