package main

import (
	"crypto/rand"
	"database/sql"
	"encoding/binary"
	"fmt"
	"path/filepath"
	"time"
)

// measureScale: the same calls with 1,000 and with 1,000,000 users, sessions
// and refresh families in the database.
func measureScale(b *bench) error {
	small, err := b.populated("small", 1_000)
	if err != nil {
		return err
	}
	defer small.stop()
	big, err := b.populated("big", 1_000_000)
	if err != nil {
		return err
	}
	defer big.stop()
	cookies := map[*proc]string{}
	rings := map[*proc]*lines{}
	for _, p := range []*proc{small, big} {
		if cookies[p], err = signedInCookie(p); err != nil {
			return err
		}
		if rings[p], err = families(p, familyCount); err != nil {
			return err
		}
	}
	goal, ok := atMost(1.25)
	for _, m := range []struct {
		what string
		load func(p *proc) (sample, error)
	}{
		{"a signed-in page (session look-up), CPU", func(p *proc) (sample, error) {
			return load(p.Addr, p.pid(), conns, b.d, get(p, "/account/profile", "Cookie: "+cookies[p]))
		}},
		{"a refresh, CPU", func(p *proc) (sample, error) { return rings[p].load(p, b.d) }},
		{"a sign-in, CPU", func(p *proc) (sample, error) {
			body := fmt.Sprintf(`{"username":%q,"password":%q}`, benchEmail, benchPassword)
			return load(p.Addr, p.pid(), 4, b.d, post(p, "/api/v1/login", body))
		}},
	} {
		_, cpu, last, err := b.against(func() (sample, error) { return m.load(big) }, func() (sample, error) { return m.load(small) })
		if err != nil {
			return err
		}
		b.add(newRow("1,000,000 users / 1,000: "+m.what, cpu, figures(last), goal, ok))
	}
	b.add(newRow("start to the first 200 with 1,000,000 users, ms", []float64{float64(big.took.Milliseconds())}, "",
		"at most 2000", func(m float64) bool { return m <= 2000 }))
	return nil
}

// populated makes n users, each with a session and a refresh family, by plain
// SQL, and starts the product on them.
func (b *bench) populated(name string, n int) (*proc, error) {
	p, err := b.fresh(name, "REFRESH_RETRY_WINDOW=1s")
	if err != nil {
		return nil, err
	}
	p.stop()
	data := filepath.Join(b.tmp, name)
	db, err := sql.Open("sqlite", "file:"+filepath.Join(data, "gatehouse.db")+"?_pragma=synchronous(off)&_pragma=journal_mode(wal)")
	if err != nil {
		return nil, err
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	tx, err := db.Begin()
	if err != nil {
		return nil, err
	}
	if err := fillTables(tx, n); err != nil {
		return nil, err
	}
	if err := tx.Commit(); err != nil {
		return nil, err
	}
	if err := db.Close(); err != nil {
		return nil, err
	}
	return b.gh.serve(data, "REFRESH_RETRY_WINDOW=1s")
}

func fillTables(tx *sql.Tx, n int) error {
	users, err := tx.Prepare(`INSERT INTO users (id, email, email_key, email_verified_at, name, locale, password_hash, roles,
		token_epoch, session_epoch, sign_ins, created_at, updated_at) VALUES (?, ?, ?, ?, '', 'en', ?, '', 1, 1, 0, ?, ?)`)
	if err != nil {
		return err
	}
	sessions, err := tx.Prepare(`INSERT INTO sessions (id, user_id, client_id, session_epoch, auth_time, acr, amr, ip, user_agent,
		created_at, last_seen_at, idle_until, absolute_until, ended_why) VALUES (?, ?, 'gatehouse', 1, ?, 'aal1', 'pwd', '127.0.0.1', 'bench', ?, ?, ?, ?, '')`)
	if err != nil {
		return err
	}
	families, err := tx.Prepare(`INSERT INTO refresh_families (id, session_id, user_id, client_id, scope, audience, generation, cur_hash,
		created_at, idle_until, absolute_until, ended_why) VALUES (?, ?, ?, 'gatehouse', 'account', '', 0, ?, ?, ?, ?, '')`)
	if err != nil {
		return err
	}
	now := time.Now()
	at, end := now.UnixMicro(), now.Add(720*time.Hour).UnixMicro()
	const hash = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	for i := range n {
		address := fmt.Sprintf("user%07d@example.com", i)
		user, session, family, secret := benchID(now, i), benchID(now, i), benchID(now, i), make([]byte, 32)
		_, _ = rand.Read(secret)
		if _, err := users.Exec(user, address, []byte(address), at, hash, at, at); err != nil {
			return err
		}
		if _, err := sessions.Exec(session, user, at, at, at, end, end); err != nil {
			return err
		}
		if _, err := families.Exec(family, session, user, secret, at, end, end); err != nil {
			return err
		}
	}
	return nil
}

// benchID is a UUID v7 of an hour ago plus i milliseconds.
func benchID(now time.Time, i int) []byte {
	id := make([]byte, 16)
	_, _ = rand.Read(id)
	var ms [8]byte
	binary.BigEndian.PutUint64(ms[:], uint64(now.Add(-time.Hour).UnixMilli()+int64(i)))
	copy(id[:6], ms[2:])
	id[6] = id[6]&0x0f | 0x70
	id[8] = id[8]&0x3f | 0x80
	return id
}
