package tokens

import (
	"context"
	"time"

	"gatehouse/internal/apperr"
	"gatehouse/internal/database"
	"gatehouse/internal/ratelimit"
	"gatehouse/models"
)

// TakeSecret reserves one try of a secret that is asked for beside a link, such as
// the password of a sign-up, by a statement that has committed before the secret is
// compared. Its row count is the verdict, so that of any number of tries at once,
// on all nodes together and after a restart, only those are looked at that the rule
// has room for (security rule 13).
//
// The row holds the time at which all tries so far are paid for: a try costs its
// share of the rule's time, and no more than the rule's time may be owed. A renewed
// link goes on owing.
func (l *Links) TakeSecret(ctx context.Context, id models.ID, rule ratelimit.Rule) error {
	if rule.Off() {
		return nil
	}
	share, now := share(rule), l.deps.Clock().UnixMicro()
	room := now + share*int64(rule.N-1)
	rows, err := l.deps.DB.Exec(ctx, `UPDATE one_time_tokens
 SET secret_until = CASE WHEN secret_until < ? THEN ? ELSE secret_until END + ?
 WHERE id = ? AND used_at IS NULL AND secret_until <= ?`, now, now, share, id, room)
	if err == nil && rows == 0 {
		err = apperr.Throttle("too_many_attempts", max(time.Duration(share)*time.Microsecond, time.Second))
	}
	return err
}

// ReturnSecret gives back a try whose secret was not compared, because the queue of
// hashes was full or the caller went away, and that of a right one.
func (l *Links) ReturnSecret(ctx context.Context, id models.ID, rule ratelimit.Rule) error {
	if rule.Off() {
		return nil
	}
	ctx, cancel := database.Afterwards(ctx)
	defer cancel()
	_, err := l.deps.DB.Exec(ctx, `UPDATE one_time_tokens SET secret_until = secret_until - ?
 WHERE id = ? AND secret_until > 0`, share(rule), id)
	return err
}

// share is what a try costs, in microseconds.
func share(rule ratelimit.Rule) int64 { return rule.Per.Microseconds() / int64(rule.N) }
