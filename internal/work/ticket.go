package work

import (
	"context"
	"strconv"
	"strings"
	"time"

	"gatehouse/internal/secrets"
)

const (
	ticketVersion = "ghw1"
	// slot is how often one network may pass by waiting: one stranger in 20
	// seconds, who has waited between one and two slots, or longer where others
	// of the network wait, too.
	slot = 20 * time.Second
	// mostSlots is how far ahead a network can have slots. Who comes after that
	// is told to come back.
	mostSlots = 6
)

// ticket is the promise of one pass from the beginning of its slot on.
type ticket struct {
	slot int64 // the number of the slot since 1970
	tag  []byte
}

// newTicket gives the network of a the next slot that nobody has. A slot is one
// unique row, so that a network which asks many times at once, on many nodes,
// gets as many slots one after the other and no pass sooner. "" is none free.
func (g *Gate) newTicket(ctx context.Context, a Ask) (text string, good time.Time, err error) {
	first := g.clock().Unix()/int64(slot/time.Second) + 2
	for s := first; s < first+mostSlots; s++ {
		taken, err := g.spend(ctx, g.slotID(a, "slot", s), slotBegin(s).Add(challengeLife))
		if err != nil {
			return "", time.Time{}, err
		}
		if taken {
			head := ticketVersion + "." + strconv.FormatInt(s, 10)
			return head + "." + text64.EncodeToString(g.tag(a, head)), slotBegin(s), nil
		}
	}
	return "", time.Time{}, nil
}

func slotBegin(s int64) time.Time { return time.Unix(s*int64(slot/time.Second), 0) }

// slotID is the key of a row about a slot of a network.
func (g *Gate) slotID(a Ask, what string, s int64) []byte {
	return g.box.MAC("work/"+what, []byte(a.Network), []byte(strconv.FormatInt(s, 10)))[:nonceSize]
}

func parseTicket(s string) (t ticket, ok bool) {
	parts := strings.Split(s, ".")
	if len(parts) != 3 || parts[0] != ticketVersion || !decimal(parts[1], 12) {
		return ticket{}, false
	}
	t.slot, _ = strconv.ParseInt(parts[1], 10, 64)
	tag, err := text64.DecodeString(parts[2])
	t.tag = tag
	return t, err == nil && len(tag) == tagSize
}

// wait is how long a ticket has to wait still; ok is false for what is no
// ticket of ours for this purpose and holder, one whose time is over, or one that
// waits longer than any: the clock has gone back since, and nobody waits for that.
func (g *Gate) wait(a Ask, t ticket) (left time.Duration, ok bool) {
	head := ticketVersion + "." + strconv.FormatInt(t.slot, 10)
	if !secrets.Equal(t.tag, g.tag(a, head)) {
		return 0, false
	}
	left = slotBegin(t.slot).Sub(g.clock())
	if left <= -challengeLife || left > (mostSlots+2)*slot+apart {
		return 0, false
	}
	return max(left, 0), true
}
