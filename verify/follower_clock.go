package verify

import "time"

// issuerTime is what the issuer's clock said when we asked.
type issuerTime struct {
	unix int64
	at   instant
}

// judging makes of our own clock the one that the times in tokens are judged by.
// Where ours is off by more than the leeway, the issuer's counts, which every
// signed answer tells: it is the one that wrote these times. Otherwise a service
// whose clock goes back would accept tokens that have expired, also those whose
// endings are forgotten because they have, and one whose clock is off would refuse
// everybody. When there has been no answer for longer than the bound, the later of
// both counts, so that nothing comes back.
func (f *follower) judging(own func() instant) func() instant {
	return func() instant {
		now := own()
		last := f.tells.Load()
		if last == nil {
			return now
		}
		theirs := last.unix + int64((now.mono-last.at.mono)/time.Second)
		switch off := theirs - now.unix; {
		case now.since(last.at) > f.bound:
			now.unix = max(now.unix, theirs)
		case off > int64(leeway/time.Second), off < -int64(leeway/time.Second):
			now.unix = theirs
		}
		return now
	}
}
