package server

import (
	"runtime"

	"gatehouse/config"
	"gatehouse/internal/passwords"
)

// The bounds of a proposal: what PASSWORD_HASH takes, and a quarter of the
// machine's memory for all slots together.
const (
	proposeStepKiB  = 1024
	proposeMostKiB  = 256 * 1024
	proposeMostTime = 16
	memoryShare     = 4
	worthASlot      = 0.95 // fewer slots are proposed when they bring this much
)

// propose looks for the dearest cost that stays within the target while all
// slots are busy, and measures it. Memory comes before passes, because it is
// what makes guessing dear (RFC 9106, section 4).
func (m *benchRun) propose(b *Bench) error {
	m.Step("a cost for the target")
	slots := m.slots()
	target := m.Target.Seconds()
	if m.Rate > 0 {
		target = float64(slots) / m.Rate
	}
	floor := passwords.DefaultParams()
	cost, at := floor, Slots{}
	for budget := m.budget(b, slots, target); ; budget *= 0.85 {
		cost = costWithin(budget, mostMemory(slots))
		var err error
		if at, err = m.hashRate(cost, slots); err != nil {
			return err
		}
		if float64(slots)/at.PerSecond <= target*1.05 || cost == floor {
			break
		}
	}
	took := float64(slots) / at.PerSecond
	b.Proposal = Proposal{
		TargetMS: target * 1000, Cost: config.HashCost(cost).String(), HashMS: took * 1000, PerSecond: at.PerSecond,
		MemoryMB: at.MemoryMB, Concurrency: fewestSlots(b.Slots), Floor: cost == floor && took > target*1.05,
	}
	return nil
}

// budget is how many KiB-passes fit the target, by what was measured.
func (m *benchRun) budget(b *Bench, slots int, target float64) float64 {
	best := b.Slots[len(b.Slots)-1]
	each := float64(min(slots, best.Slots)) / best.PerSecond
	return target / each * float64(m.cost.MemoryKiB) * float64(m.cost.Time)
}

// costWithin spends a budget of KiB-passes, never less than the floor.
func costWithin(budget float64, mostKiB uint32) passwords.Params {
	floor := passwords.DefaultParams()
	memory := min(uint32(budget/2), mostKiB) / proposeStepKiB * proposeStepKiB
	memory = max(memory, floor.MemoryKiB)
	time := min(max(uint32(budget)/memory, floor.Time), proposeMostTime, 1024*1024/memory)
	return passwords.Params{MemoryKiB: memory, Time: time, Threads: 1}
}

// mostMemory is the most memory of one hash, in KiB.
func mostMemory(slots int) uint32 {
	most := uint64(proposeMostKiB)
	if all := machineMemory(); all > 0 {
		most = min(most, all/1024/memoryShare/uint64(slots))
	}
	return uint32(most)
}

// fewestSlots is the least number of slots that brings nearly what the best one
// does; 0 when that is one a processor.
func fewestSlots(list []Slots) int {
	best := 0.0
	for _, s := range list {
		best = max(best, s.PerSecond)
	}
	for _, s := range list {
		if s.PerSecond >= worthASlot*best && s.Slots < runtime.GOMAXPROCS(0) {
			return s.Slots
		}
	}
	return 0
}
