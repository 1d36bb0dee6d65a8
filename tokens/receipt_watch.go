package tokens

import (
	"bytes"
	"context"
	"sync"
	"time"

	"gorm.io/gorm"

	"gatehouse/internal/database"
	"gatehouse/models"
)

const (
	// listsEvery is how old the lists of nodes and followers may be while
	// somebody waits: who has left is not waited for.
	listsEvery = time.Second
	// gather is how long acks that come together wait for each other.
	gather = 3 * time.Millisecond
)

// watch reads for everybody on this node who waits for a receipt: one reader,
// at most one reading every 50 ms, and none without a waiter.
type watch struct {
	log     *Log
	mu      sync.Mutex
	waiting int
	reader  *reader
}

func newWatch(l *Log) *watch { return &watch{log: l} }

// reader is one run of the shared reading.
type reader struct {
	log  *Log
	stop context.CancelFunc
	ask  chan struct{}
	news bell

	mu    sync.Mutex
	began int // readings of the lists that have begun
	need  int // the reading that somebody wants
	scene *scene

	// What follows is the goroutine's own.
	listed    time.Time
	lists     int
	nodes     []peer
	followers []peer
	rows      map[models.ID]keptRow
}

// keptRow is the row of a node and what it says, dated when it was first read.
type keptRow struct {
	row    models.NodeAck
	report *report
}

// join begins to wait. It answers the number of the first reading of the lists
// that begins after this call.
func (w *watch) join() (*reader, int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.waiting++; w.waiting == 1 {
		ctx, stop := context.WithCancel(context.Background())
		w.reader = &reader{log: w.log, stop: stop, ask: make(chan struct{}, 1), rows: map[models.ID]keptRow{}}
		go w.reader.run(ctx)
	}
	r := w.reader
	r.mu.Lock()
	defer r.mu.Unlock()
	r.need = r.began + 1
	select {
	case r.ask <- struct{}{}:
	default: // it will look anyway
	}
	return r, r.need
}

func (w *watch) leave() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.waiting--; w.waiting == 0 {
		w.reader.stop()
		w.reader = nil
	}
}

// run reads until the last waiter has left. Between two readings it listens to
// the followers of this node.
func (r *reader) run(ctx context.Context) {
	timer := time.NewTimer(ackEvery)
	defer timer.Stop()
	for free := true; ; {
		changed := r.log.known.bell.next()
		if free && r.due() {
			free = false
			if err := r.log.bounded(ctx, r.read); err != nil && ctx.Err() == nil {
				r.log.log.Warn("reading what other nodes have applied failed", "error", err)
			}
			timer.Reset(ackEvery)
		}
		r.show()
		select {
		case <-ctx.Done():
			return
		case <-r.ask:
		case <-changed:
			time.Sleep(gather)
		case <-timer.C:
			free = true
			timer.Reset(ackEvery)
		}
	}
}

// due says whether there is anything to read: lists that somebody wants or
// that are old, and rows when there are other nodes.
func (r *reader) due() bool { return r.listsDue() || r.others() }

func (r *reader) listsDue() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.need > r.began || elapsed(r.listed, r.log.local()) >= listsEvery
}

func (r *reader) others() bool {
	self := r.log.id()
	for _, n := range r.nodes {
		if n.ID != self {
			return true
		}
	}
	return false
}

func (r *reader) read(ctx context.Context) error {
	if r.listsDue() {
		if err := r.readLists(ctx); err != nil {
			return err
		}
	}
	if !r.others() {
		return nil
	}
	var rows []models.NodeAck
	if err := r.log.db.Read(ctx).Raw("SELECT node_id, name, log_id, seq, body FROM node_acks").Scan(&rows).Error; err != nil {
		return database.Unavailable(err)
	}
	r.keep(rows)
	return nil
}

const followersSQL = `SELECT f.id, COALESCE(s.name, '') AS name, f.mode, f.bound
 FROM followers f LEFT JOIN services s ON s.id = f.service_id ORDER BY f.id`

const nodesSQL = `SELECT n.id, COALESCE(a.name, '') AS name FROM nodes n LEFT JOIN node_acks a ON a.node_id = n.id ORDER BY n.id`

// readLists reads who there is, so that everybody is in it who registered
// before the reading began; who registers later is not ready before it has read
// everything that was sealed.
func (r *reader) readLists(ctx context.Context) error {
	r.mu.Lock()
	r.began++
	lists := r.began
	r.mu.Unlock()
	now := r.log.local()
	var nodes, followers []peer
	err := r.log.db.CausalRead(ctx, func(c *gorm.DB) error {
		if err := c.Raw(nodesSQL).Scan(&nodes).Error; err != nil {
			return err
		}
		return c.Raw(followersSQL).Scan(&followers).Error
	})
	if err != nil {
		r.mu.Lock()
		r.need = max(r.need, lists+1) // for who waits for this one
		r.mu.Unlock()
		return database.Unavailable(err)
	}
	for i := range nodes {
		nodes[i].Mode, nodes[i].Bound = ModeRefuse, NodeBound.Microseconds()
	}
	r.nodes, r.followers, r.lists, r.listed = r.withSelf(nodes), followers, lists, now
	return nil
}

// withSelf counts this process even when its row was deleted under it.
func (r *reader) withSelf(nodes []peer) []peer {
	self := r.log.id()
	if self.IsZero() {
		return nodes
	}
	for _, n := range nodes {
		if n.ID == self {
			return nodes
		}
	}
	return append(nodes, peer{ID: self, Name: r.log.name, Mode: ModeRefuse, Bound: NodeBound.Microseconds()})
}

// keep takes in the rows. One that has not changed keeps the time when it was
// first read: what it says of silence has grown since.
func (r *reader) keep(rows []models.NodeAck) {
	now := r.log.local()
	next := make(map[models.ID]keptRow, len(rows))
	for _, row := range rows {
		was, ok := r.rows[row.NodeID]
		if ok && was.row.LogID == row.LogID && was.row.Seq == row.Seq && bytes.Equal(was.row.Body, row.Body) {
			next[row.NodeID] = was
			continue
		}
		if len(row.Body) == 0 {
			continue // it has had nothing to say yet
		}
		one, err := decodeReport(&row)
		if err != nil {
			r.log.log.Warn("the row of a node cannot be read", "node", row.NodeID, "error", err)
			continue
		}
		one.at = now
		next[row.NodeID] = keptRow{row, one}
	}
	r.rows = next
}

// show publishes what is known now. This node speaks for itself.
func (r *reader) show() {
	l := r.log
	self, now := l.id(), l.local()
	at, _ := l.position()
	s := &scene{now: now, self: self, logID: at.logID, nodes: r.nodes, followers: r.followers, lists: r.lists}
	if self.IsZero() {
		s.logID = l.logID // a command, which is alone with it
	} else {
		s.reports = append(s.reports, l.known.report(self, now))
	}
	for id, k := range r.rows {
		if id != self {
			s.reports = append(s.reports, k.report)
		}
	}
	r.mu.Lock()
	r.scene = s
	r.mu.Unlock()
	r.news.ring()
}

// now is the newest scene, with lists of that reading or a later one, and what
// rings at the next.
func (r *reader) now(lists int) (*scene, <-chan struct{}) {
	next := r.news.next()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.scene == nil || r.scene.lists < lists {
		return nil, next
	}
	return r.scene, next
}
