package server

import (
	"context"
	"log/slog"
	"time"
)

// slowStart is how long a start may take before the log says of itself, without
// LOG_LEVEL=debug, where the time went. Half of what is promised: whoever waits
// for a node that comes late should not have to start it again to learn why.
const slowStart = time.Second

// stages notes how long each part of a start took. Commands build the same
// rooms and note nothing: a nil *stages is of use to them.
type stages struct {
	began, last time.Time
	parts       []any
}

func newStages(now time.Time) *stages { return &stages{began: now, last: now} }

// done ends a part.
func (s *stages) done(name string) {
	if s == nil {
		return
	}
	now := time.Now()
	s.parts = append(s.parts, slog.Duration(name, now.Sub(s.last)))
	s.last = now
}

// tell writes the parts down, loudly when the start was slow.
func (s *stages) tell(log *slog.Logger) {
	if s == nil {
		return
	}
	took, level := s.last.Sub(s.began), slog.LevelDebug
	if took >= slowStart {
		level = slog.LevelWarn
	}
	log.Log(context.Background(), level, "started", slog.Duration("took", took), slog.Group("parts", s.parts...))
}
