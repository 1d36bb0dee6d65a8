package accounts

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net/url"
	"strconv"

	"gorm.io/gorm"

	"gatehouse/accounts/moving"
	"gatehouse/audit"
	"gatehouse/internal/apperr"
	"gatehouse/internal/database"
	"gatehouse/models"
	"gatehouse/tokens"
)

// importBatch is how many rows one transaction takes. The keys of a file come in
// no order, so that every row touches a page of each index; a page that many rows
// of a transaction touch is written once, and the disk is flushed once. With more
// rows the pages no longer fit in memory (database.Bulk), and a server that runs
// beside would wait for longer than a quarter of a second.
const importBatch = 4000

// Import is one file to take in.
type Import struct {
	Source moving.Source
	// DryRun writes nothing and counts what would happen.
	DryRun bool
	// Verified takes every address as verified, for systems whose exports do
	// not say.
	Verified bool
	// Refused is told each row that is not taken, in the order of the file but
	// for rows of one batch; nil is nobody.
	Refused func(*moving.RowError)
	By      tokens.Client
}

// Imported is what became of a file.
type Imported struct {
	Rows    int64 `json:"rows"`
	Created int64 `json:"created"`
	// Present are rows whose account was there already. It was left as it is.
	Present int64 `json:"already_there"`
	Refused int64 `json:"refused"`
	// Weak are accounts whose password has to be changed at the next sign-in.
	Weak int64 `json:"password_change_required"`
	// NoPassword are accounts without a password: a reset sets the first.
	NoPassword int64 `json:"without_password"`
	// Factors are accounts with a second factor.
	Factors int64 `json:"with_second_factor"`
	// Lost counts what the file holds and cannot be carried.
	Lost map[string]int64 `json:"lost"`
}

// importer is one run.
type importer struct {
	*Service
	in   Import
	done Imported
	rpID string
	// rows remembers which row an account came from, by eight random bytes of
	// its id, so that a refusal can name both rows. It is all that grows with
	// the file: some thirty bytes a row.
	rows map[uint64]uint32
	// careful is set after a batch met somebody who is there: the next one
	// looks first, so that a repeated import does not write in vain.
	careful bool
}

// Import takes in a file, batch by batch. It can be stopped at any moment and
// run again: accounts that are there, by id, external id, or for rows that have
// neither by address, are left as they are.
func (s *Service) Import(ctx context.Context, in Import) (Imported, error) {
	m := &importer{Service: s, in: in, done: Imported{Lost: map[string]int64{}}, rows: map[uint64]uint32{}}
	if u, err := url.Parse(s.Config.BaseURL); err == nil {
		m.rpID = u.Hostname()
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for b := range m.read(ctx) {
		if b.err == nil {
			b.err = m.take(ctx, b)
		}
		if b.err != nil {
			return m.done, b.err
		}
	}
	return m.done, ctx.Err()
}

// batch is rows that were read together.
type batch struct {
	rows    []*row
	refused []*moving.RowError
	err     error // why the reading cannot go on
}

// row is one person of a file, as it will be stored.
type row struct {
	from     *moving.Record
	user     *models.User
	external []byte
	factors  Factors
	refused  *moving.RowError
}

// read reads and checks one batch ahead of the writer: both cost about as much
// as the storing, and more batches would only fill the memory.
func (m *importer) read(ctx context.Context) <-chan *batch {
	batches := make(chan *batch)
	go func() {
		defer close(batches)
		for more := true; more; {
			b := &batch{rows: make([]*row, 0, importBatch)}
			more = m.fill(b)
			select {
			case batches <- b:
			case <-ctx.Done():
				return
			}
		}
	}()
	return batches
}

// fill reads up to a batch of rows; false is the end of the file.
func (m *importer) fill(b *batch) (more bool) {
	for len(b.rows)+len(b.refused) < importBatch {
		record, err := m.in.Source.Next()
		refused, isRow := errors.AsType[*moving.RowError](err)
		switch {
		case err == io.EOF:
			return false
		case isRow:
			b.refused = append(b.refused, refused)
		case err != nil:
			b.err = err
			return false
		default:
			r := &row{from: record}
			m.prepare(r)
			b.rows = append(b.rows, r)
		}
	}
	return true
}

// take stores a batch and counts what became of it.
func (m *importer) take(ctx context.Context, b *batch) error {
	m.done.Rows += int64(len(b.rows) + len(b.refused))
	for _, wrong := range b.refused {
		m.refuse(wrong)
	}
	open := m.apart(b.rows)
	if len(open) == 0 {
		return nil
	}
	if !m.careful && !m.in.DryRun {
		err := m.store(ctx, open)
		if err == nil || !database.IsDuplicate(err) {
			return m.count(open, err)
		}
	}
	return m.takeCarefully(ctx, open)
}

// takeCarefully looks who is there before it stores the others. A sign-up may
// take a name in between; then it looks again.
func (m *importer) takeCarefully(ctx context.Context, open []*row) error {
	for range 5 {
		there, err := m.there(ctx, open)
		if err != nil {
			return err
		}
		before := len(open)
		open = m.sort(open, there)
		m.careful = len(open) < before
		if len(open) == 0 {
			return nil
		}
		if m.in.DryRun {
			return m.count(open, nil)
		}
		if err := m.store(ctx, open); !database.IsDuplicate(err) {
			return m.count(open, err)
		}
	}
	return apperr.NotNow(0, errors.New("the same names are taken again and again by others"))
}

// store writes rows in one transaction, with one record of it.
func (m *importer) store(ctx context.Context, rows []*row) error {
	return m.DB.Write(ctx, func(tx *gorm.DB) error {
		if err := insertMany(tx, insertsOf[m.DB.Dialect()], rows); err != nil {
			return err
		}
		if err := m.unreserved(tx, rows); err != nil {
			return err
		}
		var factors []Factors
		for _, r := range rows {
			if !r.factors.Empty() {
				factors = append(factors, r.factors)
			}
			if err := m.noteOwner(tx, r.user.Roles); err != nil {
				return err
			}
		}
		if len(factors) > 0 {
			if err := m.Factors.Import(tx, factors); err != nil {
				return err
			}
		}
		e := event(audit.UsersImported, models.ID{}, m.in.By)
		e.Detail = map[string]string{
			"accounts": strconv.Itoa(len(rows)), "first_row": strconv.FormatInt(rows[0].from.Row, 10),
			"last_row": strconv.FormatInt(rows[len(rows)-1].from.Row, 10),
		}
		return m.Audit.Append(tx, e)
	})
}

// count notes what was created, or would be.
func (m *importer) count(rows []*row, err error) error {
	if err != nil {
		return err
	}
	for _, r := range rows {
		m.done.Created++
		m.remember(r.user.ID, r.from.Row)
		if r.user.PasswordHash == "" {
			m.done.NoPassword++
		}
		if weak(r.user.PasswordHash) {
			m.done.Weak++
		}
		if r.factors.TOTP != nil || len(r.factors.Passkeys) > 0 {
			m.done.Factors++
		}
		for _, what := range r.from.Lost {
			m.done.Lost[what]++
		}
	}
	return nil
}

func (m *importer) refuse(wrong *moving.RowError) {
	m.done.Refused++
	if m.in.Refused != nil {
		m.in.Refused(wrong)
	}
}

func short(id models.ID) uint64 { return binary.BigEndian.Uint64(id[8:]) }

func (m *importer) remember(id models.ID, row int64) { m.rows[short(id)] = uint32(row) }
