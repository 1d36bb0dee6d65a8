package server

import (
	"context"
	"crypto/ed25519"
	"errors"
	"net/netip"
	"net/url"
	"slices"
	"sync"
	"time"

	"gatehouse/audit"
	"gatehouse/config"
	"gatehouse/internal/jobs"
	"gatehouse/internal/safehttp"
	"gatehouse/internal/secrets"
)

// checkpointTick is how often it is asked whether a checkpoint is due.
const checkpointTick = 30 * time.Second

// lastCheckpointWait is how long a stop waits for the last checkpoint.
const lastCheckpointWait = 3 * time.Second

// checkpointOptions make the key that signs checkpoints from SECRET_KEY. It is not
// in the ring: whoever has the database could delete it there and have a new one
// made, and a restore ends the ring's keys, while checkpoints must be believed for
// as long as somebody keeps them.
func (r *Rooms) checkpointOptions() audit.CheckpointOptions {
	c := r.Config
	name := c.URL().Host + "/audit"
	var pairs []audit.SigningKey
	for _, seed := range r.Box.Seeds("audit checkpoints") {
		pairs = append(pairs, checkpointKey(name, seed))
	}
	o := audit.CheckpointOptions{
		Key: pairs[0], File: c.AuditCheckpointFile, URL: c.AuditCheckpointURL.Reveal(), Every: c.AuditCheckpointEvery,
		Client: safehttp.New(r.outbound()...), Wall: time.Now, Log: r.Logger,
	}
	for _, old := range pairs[1:] {
		o.Old = append(o.Old, old.PublicKey)
	}
	return o
}

func checkpointKey(name string, seed secrets.Raw) audit.SigningKey {
	private := ed25519.NewKeyFromSeed(seed.RevealBytes())
	return audit.SigningKey{
		PublicKey: audit.PublicKey{Name: name, Key: private.Public().(ed25519.PublicKey)},
		Sign:      func(text []byte) []byte { return ed25519.Sign(private, text) },
	}
}

// outbound are the networks besides the internet to which requests may go: those
// that the operator names, and this machine when the receiver is on it.
func (r *Rooms) outbound() []netip.Prefix {
	allowed := slices.Clone(r.Config.OutboundNetworks)
	if config.IsLoopback(r.checkpointHost()) {
		allowed = append(allowed, safehttp.Loopback...)
	}
	return allowed
}

func (r *Rooms) addCheckpointJobs(runner *jobs.Runner) {
	if !r.Checkpoints.On() {
		return
	}
	every := min(checkpointTick, r.Config.AuditCheckpointEvery)
	runner.Add(jobs.Job{Name: "audit-checkpoint", Every: every, Lease: true, Run: r.Checkpoints.Due})
	runner.Add(jobs.Job{Name: "audit-checkpoint-overdue", Every: every, Run: r.Checkpoints.Overdue})
}

// lastCheckpoint covers what happened until this server stopped. What cannot be
// sent in time waits in the database, and a file that hangs, as one of a network
// can, keeps no server from stopping.
func (r *Rooms) lastCheckpoint(ctx context.Context) {
	if !r.Checkpoints.On() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, lastCheckpointWait)
	defer cancel()
	var last sync.WaitGroup
	last.Go(func() {
		if err := errors.Join(r.Checkpoints.Write(ctx), r.Checkpoints.Send(ctx)); err != nil {
			r.Logger.Error("the last checkpoint of the audit log", "error", err)
		}
	})
	waitAtMost(ctx, &last)
	if ctx.Err() != nil {
		r.Logger.Error("the last checkpoint of the audit log took too long", "waited", lastCheckpointWait.String())
	}
}

func (r *Rooms) checkpointHost() string {
	u, err := url.Parse(r.Config.AuditCheckpointURL.Reveal())
	if err != nil {
		return ""
	}
	return u.Hostname()
}
