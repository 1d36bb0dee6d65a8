package mail

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"gatehouse/internal/database"
	"gatehouse/internal/testkit"
)

// stage is a server that plays a script: for each command that begins with a
// word it says the next of the answers listed for it. An answer "hang up" ends
// the connection, "be silent" says nothing more, "talk" never stops.
type stage struct {
	t      *testing.T
	mu     sync.Mutex
	script map[string][]string
	// met counts connections, finished the mails that were taken.
	met, finished int
}

func openStage(t *testing.T, script map[string][]string) (*stage, string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &stage{t: t, script: script}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer c.Close()
				// A test that ends ends the silence.
				_ = c.SetDeadline(time.Now().Add(20 * time.Second))
				s.play(c)
			})
		}
	})
	t.Cleanup(func() { _ = l.Close(); all.Wait() })
	return s, l.Addr().String()
}

// next is the answer to a command; the last one is repeated.
func (s *stage) next(word, usual string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := s.script[word]
	if len(list) == 0 {
		return usual
	}
	if len(list) > 1 {
		s.script[word] = list[1:]
	}
	return list[0]
}

func (s *stage) play(c net.Conn) {
	s.mu.Lock()
	s.met++
	s.mu.Unlock()
	if !say(c, s.next("greeting", "220 stage ESMTP")) {
		return
	}
	usual := map[string]string{"EHLO": "250-stage\r\n250 8BITMIME", "DATA": "354 go on", "QUIT": "221 bye"}
	in := bufio.NewReader(c)
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		word, _, _ := strings.Cut(strings.TrimRight(line, "\r\n"), " ")
		answer := s.next(word, usual[word])
		if answer == "" {
			answer = "250 fine"
		}
		if !say(c, answer) || word == "QUIT" {
			return
		}
		if word == "DATA" && strings.HasPrefix(answer, "354") && !s.take(c, in) {
			return
		}
	}
}

func (s *stage) take(c net.Conn, in *bufio.Reader) bool {
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return false
		}
		if line != ".\r\n" {
			continue
		}
		answer := s.next("dot", "250 2.0.0 queued as 7")
		if strings.HasPrefix(answer, "250") {
			s.mu.Lock()
			s.finished++
			s.mu.Unlock()
		}
		return say(c, answer)
	}
}

func say(c net.Conn, answer string) bool {
	switch answer {
	case "hang up":
		return false
	case "be silent":
		_, _ = io.Copy(io.Discard, c)
		return false
	case "talk":
		for {
			if _, err := io.WriteString(c, strings.Repeat("250-x", 1000)); err != nil {
				return false
			}
		}
	}
	_, err := io.WriteString(c, answer+"\r\n")
	return err == nil
}

// TestEveryBadServerIsOutlived plays each kind of bad server and checks what
// becomes of two mails, the first of which meets the fault.
func TestEveryBadServerIsOutlived(t *testing.T) {
	for name, c := range map[string]struct {
		script map[string][]string
		fault  bool   // of the server: the round ends
		first  string // the state of the first mail afterwards
		second string
		later  string // the state of both when the server has come to itself
	}{
		"it hangs up at once":               {map[string][]string{"greeting": {"hang up", "220 ok"}}, true, queued, queued, sent},
		"it refuses at once":                {map[string][]string{"greeting": {"554 go away", "220 ok"}}, true, queued, queued, sent},
		"it is busy":                        {map[string][]string{"greeting": {"421 too busy", "220 ok"}}, true, queued, queued, sent},
		"it speaks garbage":                 {map[string][]string{"greeting": {"\x00\xff\x00HTTP/1.1 200 OK", "220 ok"}}, true, queued, queued, sent},
		"it talks without end":              {map[string][]string{"EHLO": {"talk", "250 stage"}}, true, queued, queued, sent},
		"it hangs up at EHLO":               {map[string][]string{"EHLO": {"hang up", "250 stage"}, "HELO": {"hang up"}}, true, queued, queued, sent},
		"it refuses the sender for good":    {map[string][]string{"MAIL": {"553 who are you", "250 ok"}}, true, queued, queued, sent},
		"it refuses the sender for now":     {map[string][]string{"MAIL": {"451 wait", "250 ok"}}, true, queued, queued, sent},
		"it puts one recipient off":         {map[string][]string{"RCPT": {"451 greylisted", "250 ok"}}, false, queued, sent, sent},
		"it refuses one recipient":          {map[string][]string{"RCPT": {"550 no such person", "250 ok"}}, false, failed, sent, ""},
		"it hangs up at the recipient":      {map[string][]string{"RCPT": {"hang up", "250 ok"}}, true, queued, queued, sent},
		"it says goodbye at the recipient":  {map[string][]string{"RCPT": {"421 closing", "250 ok"}}, true, queued, queued, sent},
		"it speaks garbage at the end":      {map[string][]string{"dot": {"okay!", "250 ok"}}, true, queued, queued, sent},
		"it puts the mail off at the end":   {map[string][]string{"dot": {"452 full", "250 ok"}}, false, queued, sent, sent},
		"it refuses the mail at the end":    {map[string][]string{"dot": {"554 5.7.1 spam", "250 ok"}}, false, failed, sent, ""},
		"it hangs up after the last line":   {map[string][]string{"dot": {"hang up", "250 ok"}}, true, queued, queued, sent},
		"it talks without end at the end":   {map[string][]string{"dot": {"talk", "250 ok"}}, true, queued, queued, sent},
		"it refuses to be reset":            {map[string][]string{"RCPT": {"550 no", "250 ok"}, "RSET": {"hang up"}}, false, failed, sent, ""},
		"it answers with codes of no class": {map[string][]string{"RCPT": {"999 what", "250 ok"}}, true, queued, queued, sent},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, address := openStage(t, c.script)
			f := newFixture(t, testkit.DB(t), func(d *Deps) { d.SMTPURL, d.From = "smtp://"+address, "login@harbour.example" })
			f.enqueue(confirm("mara@harbour.example"))
			f.clock.Advance(time.Millisecond)
			f.enqueue(confirm("jonas@harbour.example"))
			_, err := f.Deliver(t.Context())
			if errors.Is(err, errServer) != c.fault {
				t.Errorf("the round ended with %v", err)
			}
			rows := f.rows()
			if rows[0].State != c.first || rows[1].State != c.second {
				t.Errorf("%s (%q), %s", rows[0].State, rows[0].LastError, rows[1].State)
			}
			if c.later == "" {
				return
			}
			if rows[0].LastError == "" {
				t.Error("nobody can see why it waits")
			}
			f.clock.Advance(firstDelay * 2)
			if _, err := f.Deliver(t.Context()); err != nil {
				t.Error(err)
			}
			for _, row := range f.rows() {
				if row.State != c.later || row.Answer == "" {
					t.Errorf("later it is %s (%q, %q)", row.State, row.LastError, row.Answer)
				}
			}
			if s.finished != 2 {
				t.Errorf("%d mails were taken, want each once", s.finished)
			}
		})
	}
}

// While no server takes mail, only the first of the queue is tried; the others
// must not leave days later, with codes that ended long ago.
func TestMailsWhoseTimeIsOverFailWithoutATry(t *testing.T) {
	testkit.EachDB(t, func(t *testing.T, db *database.DB) {
		f := newFixture(t, db, func(d *Deps) { d.SMTPURL, d.From = "smtp://localhost:1", "login@harbour.example" })
		for range trimBatch + 3 {
			f.enqueue(confirm("mara@harbour.example"))
		}
		claimed := f.rows()[0]
		f.clock.Advance(giveUpAfter - time.Second)
		if err := f.Trim(t.Context()); err != nil || f.rows()[5].State != queued {
			t.Fatal(err, f.rows()[5].State)
		}
		if mine, err := f.newWorker().claim(t.Context(), &claimed); !mine || err != nil {
			t.Fatal(mine, err)
		}
		f.clock.Advance(time.Second)
		if err := f.Trim(t.Context()); err != nil {
			t.Fatal(err)
		}
		for i, row := range f.rows() {
			if want := map[bool]string{true: queued, false: failed}[i == 0]; row.State != want {
				t.Fatalf("mail %d is %s, want %s", i, row.State, want)
			}
		}
	})
}

// The worker keeps its connection from mail to mail and opens another when the
// server has ended it meanwhile, without a mark on the mail.
func TestOneConnectionCarriesManyMails(t *testing.T) {
	s, address := openStage(t, map[string][]string{"MAIL": {"250 ok", "250 ok", "250 ok", "421 idle for too long", "250 ok"}})
	f := newFixture(t, testkit.DB(t), func(d *Deps) { d.SMTPURL, d.From = "smtp://"+address, "login@harbour.example" })
	for i := range 6 {
		f.enqueue(confirm(fmt.Sprintf("m%d@harbour.example", i)))
	}
	if n := deliver(t, f); n != 6 || s.met != 2 {
		t.Errorf("%d left over %d connections", n, s.met)
	}
	for _, row := range f.rows() {
		if row.State != sent || row.Attempts != 1 {
			t.Errorf("%s after %d tries: %s", row.State, row.Attempts, row.LastError)
		}
	}
}

// A silent server holds the worker, and nobody else: requests write their mails
// as ever, and the worker can be stopped while it waits for a greeting.
func TestASilentServerSlowsNobody(t *testing.T) {
	_, address := openStage(t, map[string][]string{"greeting": {"be silent"}})
	f := newFixture(t, testkit.DB(t), func(d *Deps) { d.SMTPURL, d.From = "smtp://"+address, "login@harbour.example" })
	f.enqueue(confirm("mara@harbour.example"))
	ctx, stop := context.WithCancel(t.Context())
	var done sync.WaitGroup
	done.Go(func() { f.Run(ctx) })
	begin := time.Now()
	for i := range 50 {
		f.enqueue(confirm(fmt.Sprintf("m%d@harbour.example", i)))
	}
	stop()
	done.Wait()
	if took := time.Since(begin); took > dialTimeout/3 {
		t.Errorf("50 mails and a stop took %s", took)
	}
	for _, row := range f.rows() {
		if row.State != queued {
			t.Errorf("%s is %s", row.Recipient, row.State)
		}
	}
}

func FuzzNoServerBreaksTheConversation(f *testing.F) {
	for _, s := range []string{"220 hi", "220-", "\r\n", "421 4.3.2 no", "220 ok\r\n250-x\r\n250 AUTH PLAIN\r\n250 ok\r\n550 no", "250", "220 \xff\r\n\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, script string) {
		here, there := net.Pipe()
		go func() {
			go func() { _, _ = io.Copy(io.Discard, there) }()
			_, _ = io.WriteString(there, script)
			_ = there.Close()
		}()
		tr, err := newTransport("smtp://localhost:25", "login@harbour.example")
		if err != nil {
			t.Fatal(err)
		}
		client, err := tr.greet(t.Context(), here)
		if err != nil {
			return
		}
		talk := &conversation{transport: tr, clock: time.Now, client: client}
		answer, err := talk.say("mara@harbour.example", []byte("Subject: x\r\n\r\nx\r\n"))
		if strings.ContainsAny(answer, "\r\n\x00") || len(answer) > 1024 {
			t.Errorf("the answer is %q, %v", answer, err)
		}
		_ = here.Close()
	})
}
