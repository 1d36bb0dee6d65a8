package tokens

import "gatehouse/verify"

// applyTo adds the entry to what is refused on this node.
func (e Entry) applyTo(set *verify.Ended, batch int64) {
	set.Add(entryCode(e.Kind), e.Target, e.Epoch, batch)
}

// snapshotBody writes everything that is in the set in the form of a batch
// body, and counts it.
//
// The set does not keep until when a token lives: who holds the entries
// forgets them when the floor of the log passes them, never by a clock.
func snapshotBody(set *verify.Ended) (body []byte, n int) {
	body = append(make([]byte, 0, 1+25*set.Size()), bodyVersion)
	set.Each(func(kind byte, target []byte, epoch int64) {
		body, n = appendEntry(body, Entry{Kind: entryCodes[kind], Target: target, Epoch: epoch}), n+1
	})
	return body, n
}
