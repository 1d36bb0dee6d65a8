package server

import (
	"time"

	"gatehouse/config"
	"gatehouse/internal/ratelimit"
	"gatehouse/internal/work"
)

// maxLimitedKeys bounds the memory of the limits in memory: about 10 MB.
const maxLimitedKeys = 100_000

// limits gives every row of the table of limits the rule of its setting.
func limits(c config.Config, clock func() time.Time) *ratelimit.Limits {
	rules := map[ratelimit.Name]ratelimit.Rule{}
	for _, row := range ratelimit.Table {
		if limit, ok := c.Limit(row.Setting); ok {
			rules[row.Name] = rule(limit)
		}
	}
	return ratelimit.NewLimits(ratelimit.New(clock, maxLimitedKeys), rules)
}

func rule(l config.Limit) ratelimit.Rule { return ratelimit.Rule{N: l.N, Per: l.Per} }

// gate asks strangers for work while this node is under pressure.
func (r *Rooms) gate() *work.Gate {
	if r.Config.ProofOfWork == "off" {
		return nil
	}
	from := r.Config.ProofOfWorkFrom
	return work.New(r.DB, r.Box, r.Clock, &work.Pressure{Clock: r.Clock, Queue: r.Passwords.Strangers, From: from.N, Per: from.Per})
}
