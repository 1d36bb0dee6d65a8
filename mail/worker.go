package mail

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"gatehouse/internal/database"
	"gatehouse/models"
)

// The rhythm of the worker.
const (
	pollEvery    = time.Second     // how soon a mail leaves
	firstPause   = 5 * time.Second // after the server itself failed, doubled up to
	longestPause = 5 * time.Minute
	trimEvery    = time.Minute
	countEvery   = 10 * time.Second
	perRound     = 50
)

// Run sends what is due until ctx ends, and trims old rows. One node of a
// cluster does it, by Deps.Mine; should two of them believe to be the one, a
// conditional UPDATE decides who sends a mail.
func (m *Mailer) Run(ctx context.Context) {
	w := m.newWorker()
	defer w.end(ctx)
	if m.NotMine != nil {
		defer m.NotMine(ctx)
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		w.turn(ctx)
		timer.Reset(pollEvery + rand.N(pollEvery/4))
	}
}

// worker is the state of one sender.
type worker struct {
	*Mailer
	talk *conversation
	// done is the last try until it is written down. It is written in the same
	// transaction that claims the next mail, before that one is sent: so at most
	// one mail at a time is neither known to have left nor known to wait.
	done *try
	// pause grows while the server is out of order; resume is its end.
	pause            time.Duration
	resume           time.Time
	trimAt, countAt  time.Time
	warnedOfDatabase bool
}

func (m *Mailer) newWorker() *worker {
	w := &worker{Mailer: m}
	if m.transport != nil {
		w.talk = &conversation{transport: m.transport, clock: m.Clock}
	}
	return w
}

// end writes down what was done and hangs up.
func (w *worker) end(ctx context.Context) {
	ctx, cancel := database.Afterwards(ctx)
	defer cancel()
	if err := w.record(ctx); err != nil {
		w.Log.Warn("mail: the last try can't be written down; the mail may be sent again", "error", err)
	}
	if w.talk != nil {
		w.talk.close()
	}
}

// turn is what happens every second.
func (w *worker) turn(ctx context.Context) {
	err := w.drain(ctx)
	if err == nil {
		err = w.keepHouse(ctx)
	}
	// One line for an outage, not one each second.
	if err != nil && ctx.Err() == nil && !w.warnedOfDatabase {
		w.Log.Warn("mail: the outbox can't be read", "error", err)
	}
	w.warnedOfDatabase = err != nil
}

// drain sends until nothing is due or the server fails.
func (w *worker) drain(ctx context.Context) error {
	for ctx.Err() == nil {
		if w.transport == nil {
			return nil
		}
		if ahead(w.Clock(), w.resume, 2*longestPause) {
			// Still the one that sends, or another node would run into the same wall.
			_, err := w.mine(ctx)
			return err
		}
		n, err := w.round(ctx)
		if errors.Is(err, errServer) {
			w.pause = min(max(2*w.pause, firstPause), longestPause)
			w.resume = w.Clock().Add(w.pause + rand.N(w.pause/4))
			w.Metrics.Mail("server_fault")
			w.Log.Warn("mail: the SMTP server takes no mail, trying again later", "pause", w.pause.String(), "error", err)
			return nil
		}
		if err != nil || n == 0 {
			return err
		}
		w.pause = 0
	}
	return nil
}

// keepHouse counts and trims at their times. The numbers are of the table, so
// every node has them; rows are removed by one.
func (w *worker) keepHouse(ctx context.Context) error {
	now := w.Clock()
	if !ahead(now, w.countAt, countEvery) {
		w.countAt = now.Add(countEvery)
		if err := w.count(ctx); err != nil {
			return err
		}
	}
	if ahead(now, w.trimAt, trimEvery) {
		return nil
	}
	w.trimAt = now.Add(trimEvery)
	if mine, err := w.mine(ctx); err != nil || !mine {
		return err
	}
	return w.Trim(ctx)
}

func (m *Mailer) mine(ctx context.Context) (bool, error) {
	if m.Mine == nil {
		return true, nil
	}
	return m.Mine(ctx)
}

// Deliver sends the mails that are due now and says how many left. It stops at
// the first fault of the server: the others would only meet the same.
func (m *Mailer) Deliver(ctx context.Context) (int, error) {
	if m.transport == nil {
		return 0, nil
	}
	w := m.newWorker()
	defer w.end(ctx)
	return w.round(ctx)
}

// round sends one batch. Who works is asked only when there is work, so that an
// idle cluster writes nothing.
func (w *worker) round(ctx context.Context) (int, error) {
	due, err := w.due(ctx)
	if err != nil || len(due) == 0 {
		return 0, err
	}
	left := 0
	for i := range due {
		if ctx.Err() != nil {
			break // stopping: what is not claimed waits for the next start
		}
		if mine, err := w.mine(ctx); err != nil || !mine {
			return left, errors.Join(err, w.record(ctx))
		}
		sent, err := w.deliver(ctx, &due[i])
		if err != nil {
			return left, errors.Join(err, w.recordAll(ctx))
		}
		left += sent
	}
	// The mail may have left although the program is being stopped: that has to
	// be written down, or it would be sent again.
	return left, w.recordAll(ctx)
}

func (w *worker) recordAll(ctx context.Context) error {
	ctx, cancel := database.Afterwards(ctx)
	defer cancel()
	return w.record(ctx)
}

// ahead reports whether a moment is still to come. One that lies further ahead
// than it was ever set was set before the clock went back: mail must not wait for
// as long as the clock is behind.
func ahead(now, at time.Time, most time.Duration) bool {
	wait := at.Sub(now)
	return wait > 0 && wait <= most
}

// due reads what is to be sent now. A mail whose next time lies further ahead
// than any was ever put off was put off before the clock went back.
func (m *Mailer) due(ctx context.Context) ([]models.OutboxMail, error) {
	var due []models.OutboxMail
	now := m.Clock()
	err := m.DB.Read(ctx).Where("state = ? AND (next_at <= ? OR next_at > ?)", queued, models.At(now), models.At(now.Add(2*longestWait))).
		Order("next_at").Limit(perRound).Find(&due).Error
	return due, database.Unavailable(err)
}

// deliver sends one mail. The connection stands before the mail is claimed, so
// that a server that is away costs a mail nothing but the time.
func (w *worker) deliver(ctx context.Context, row *models.OutboxMail) (int, error) {
	if err := w.talk.ready(ctx); err != nil {
		return 0, errors.Join(w.putOff(ctx, row, err), err)
	}
	mine, err := w.claim(ctx, row)
	if err != nil || !mine {
		return 0, err
	}
	w.done = &try{row: row}
	w.done.answer, w.done.err = w.send(ctx, row)
	if errors.Is(w.done.err, errServer) {
		return 0, w.done.err
	}
	if w.done.err != nil {
		return 0, nil
	}
	return 1, nil
}

func (w *worker) send(ctx context.Context, row *models.OutboxMail) (string, error) {
	c, err := w.open(row)
	if err != nil {
		return "", refusal{why: "its text can't be opened: it was sealed with another SECRET_KEY"}
	}
	body, err := w.transport.message(row, c)
	if err != nil {
		return "", refusal{why: "it can't be written"}
	}
	return w.talk.send(ctx, row, body)
}
