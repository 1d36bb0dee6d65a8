package tokens

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"math/bits"
	"runtime/debug"
	"slices"
	"strings"
	"sync"

	"gorm.io/gorm"

	"gatehouse/audit"
	"gatehouse/internal/database"
	"gatehouse/models"
)

// On SQLite the database's one writer groups transactions by itself. On MySQL
// each would cost four round trips and a place in the log of its own, so that
// rotations which arrive while others are being written share one transaction.
// They can, because none can undo another: a rotation that lost its race changes
// no row, and that is its whole outcome.
const (
	// maxGroup rotations share a transaction at most, which keeps it short. Groups
	// have 1, 2, 4 ... members, so that there are few statements to prepare.
	maxGroup = 32
	// maxGroups are written at once: more than one, so that a group that waits
	// for a row which somebody holds does not hold up everybody else.
	maxGroups = 4
)

// rotation is an exchange that waits for its transaction.
type rotation struct {
	exchange
	row   *familyRow
	token refreshToken
	lines []audit.Line
	done  chan struct{}
	won   bool
	err   error
}

// rotations gathers them. A lone one is written at once; nobody waits for more.
type rotations struct {
	refresh *Refresh
	mu      sync.Mutex
	waiting []*rotation
	running int
}

// commit writes the rotation and says whether it won its race.
func (g *rotations) commit(ctx context.Context, n *rotation) (won bool, err error) {
	n.done = make(chan struct{})
	g.mu.Lock()
	g.waiting = append(g.waiting, n)
	start := g.running < maxGroups
	if start {
		g.running++
	}
	g.mu.Unlock()
	if start {
		go g.run()
	}
	select {
	case <-n.done:
	case <-ctx.Done():
		if g.leave(n) {
			return false, database.Unavailable(ctx.Err())
		}
		<-n.done // it was begun, so its outcome is told as it is
	}
	return n.won, n.err
}

// leave takes a rotation out of the queue, unless its group has begun.
func (g *rotations) leave(n *rotation) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	i := slices.Index(g.waiting, n)
	if i >= 0 {
		g.waiting = slices.Delete(g.waiting, i, i+1)
	}
	return i >= 0
}

func (g *rotations) run() {
	for group := g.next(); group != nil; group = g.next() {
		g.write(group)
		for _, n := range group {
			close(n.done)
		}
	}
}

// next takes the oldest that wait, a power of two of them.
func (g *rotations) next() []*rotation {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.waiting) == 0 {
		g.running--
		return nil
	}
	n := min(maxGroup, 1<<(bits.Len(uint(len(g.waiting)))-1))
	group := slices.Clone(g.waiting[:n])
	g.waiting = slices.Delete(g.waiting, 0, n)
	return group
}

// write gives every member its outcome. The transaction carries nobody's
// context: a client that goes away must not undo what belongs to others.
func (g *rotations) write(group []*rotation) {
	var err error
	defer func() {
		if p := recover(); p != nil { // in its own goroutine it would end the server
			g.refresh.log.Error("writing refreshes panicked", "panic", p, "stack", string(debug.Stack()))
			err = fmt.Errorf("tokens: writing refreshes panicked: %v", p)
		}
		for _, n := range group {
			n.won, n.err = n.won && err == nil, err
		}
	}()
	err = g.refresh.db.Write(context.Background(), func(tx *gorm.DB) error { return writeRotations(tx, group) })
}

// writeRotations changes the rows of the families that still are as they were
// read, and writes the audit rows of those. It may run twice.
func writeRotations(tx *gorm.DB, group []*rotation) error {
	for _, n := range group {
		n.won = false
	}
	first := firstOfEach(group)
	rows, err := database.Exec(tx, rotateManySQL(len(first)), rotateManyArgs(first)...)
	if err != nil {
		return err
	}
	won := first
	if rows != int64(len(first)) {
		if won, err = winners(tx, first); err != nil {
			return err
		}
	}
	if len(won) == 0 {
		return nil
	}
	lines := make([]audit.Line, 0, len(won))
	for _, n := range won {
		n.won, lines = true, append(lines, n.lines...)
	}
	if err := touchMany(tx, won); err != nil {
		return err
	}
	return audit.AppendAll(tx, lines)
}

// firstOfEach leaves one rotation of each family, in the order of their ids, so
// that two groups take locks in the same order. Of two tabs with the same token
// in one group the later has lost, and looks again.
func firstOfEach(group []*rotation) []*rotation {
	byID := func(a, b *rotation) int { return bytes.Compare(a.row.ID[:], b.row.ID[:]) }
	first := slices.Clone(group)
	slices.SortStableFunc(first, byID)
	return slices.CompactFunc(first, func(a, b *rotation) bool { return byID(a, b) == 0 })
}

// rotateManySQL is rotateSQL for many rows. The join begins with the ids: an IN
// list may become a scan of the table, which waits for the locks of strangers.
// BINARY(n) fixes the type of a parameter, and would fill up what is shorter,
// hence the digits of recent, of which there are at most 2,042 (maxRotations).
func rotateManySQL(n int) string {
	const one = `SELECT CAST(? AS BINARY(16)) AS id, CAST(? AS SIGNED) AS generation, CAST(? AS BINARY(32)) AS cur_hash,
 CAST(? AS BINARY(32)) AS next_hash, CAST(? AS CHAR(2100) CHARACTER SET latin1) AS recent, CAST(? AS SIGNED) AS idle_until`
	return `UPDATE (` + one + strings.Repeat(" UNION ALL "+one, n-1) + `) k STRAIGHT_JOIN refresh_families f ON f.id = k.id
 SET f.generation = f.generation + 1, f.cur_hash = k.next_hash, f.recent = UNHEX(k.recent), f.idle_until = k.idle_until
 WHERE f.generation = k.generation AND f.cur_hash = k.cur_hash AND f.ended_at IS NULL`
}

func rotateManyArgs(group []*rotation) []any {
	args := make([]any, 0, 6*len(group))
	for _, n := range group {
		args = append(args, n.row.ID, n.token.generation, n.token.hash[:], n.next.hash[:], hex.EncodeToString(n.recent), n.idle)
	}
	return args
}

// winners are those whose row has become what they wanted. Nobody else can have
// written that hash: it hangs on a salt that was drawn for this exchange.
func winners(tx *gorm.DB, group []*rotation) ([]*rotation, error) {
	ids := make([]any, len(group))
	for i, n := range group {
		ids[i] = n.row.ID
	}
	var found []struct {
		ID      models.ID
		CurHash []byte
	}
	query := "SELECT id, cur_hash FROM refresh_families WHERE id IN ( ?" + strings.Repeat(", ?", len(ids)-1) + ")"
	if err := tx.Raw(query, ids...).Scan(&found).Error; err != nil {
		return nil, err
	}
	now := map[models.ID][]byte{}
	for _, f := range found {
		now[f.ID] = f.CurHash
	}
	return slices.DeleteFunc(slices.Clone(group), func(n *rotation) bool {
		return !bytes.Equal(now[n.row.ID], n.next.hash[:])
	}), nil
}

// touchMany is touchSQL for the sessions of which it is due. The last one is
// repeated up to a power of two, again for the sake of few statements.
func touchMany(tx *gorm.DB, group []*rotation) error {
	var ids []any
	var now models.Time
	for _, n := range group {
		if n.touchDue {
			ids, now = append(ids, n.row.SessionID), n.now
		}
	}
	if len(ids) == 0 {
		return nil
	}
	for bits.OnesCount(uint(len(ids))) > 1 {
		ids = append(ids, ids[len(ids)-1])
	}
	query := "UPDATE (SELECT CAST(? AS BINARY(16)) AS id" + strings.Repeat(" UNION ALL SELECT CAST(? AS BINARY(16))", len(ids)-1) +
		`) k STRAIGHT_JOIN sessions s ON s.id = k.id SET s.last_seen_at = ? WHERE s.last_seen_at < ? AND s.ended_at IS NULL`
	_, err := database.Exec(tx, query, append(ids, now, now)...)
	return err
}
