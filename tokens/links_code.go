package tokens

import (
	"context"

	"gorm.io/gorm"

	"gatehouse/models"
)

// codeRow is what comparing a code needs.
type codeRow struct {
	ID      models.ID
	Subject models.ID
	CodeMAC []byte `gorm:"column:code_mac"`
}

// CheckCode tells whether code is the one that was mailed for this attempt. It
// consumes nothing: Consume does, in the transaction of what the code is for.
//
// A try is reserved by one conditional UPDATE that has committed before the
// comparison, so that any number of guesses at once gets five comparisons and
// not one more. The UPDATE names the code it is reserved for, so that a try
// reserved before a resend is not spent on the code after it. A right code
// gives its try back (security rule 13): what follows it may still fail for
// another reason and be repeated.
func (l *Links) CheckCode(ctx context.Context, kind LinkKind, attempt, code string) (Found, error) {
	hash, ok := hashAttempt(kind, attempt)
	if !ok {
		return Found{}, ErrLink
	}
	digits, ok := parseCode(code)
	if !ok {
		return Found{}, ErrCode // cannot be right, so it tells nothing and costs nothing
	}
	row, err := l.findCode(ctx, kind, hash)
	if err != nil {
		return Found{}, err
	}
	if err := l.reserveTry(ctx, row); err != nil {
		return Found{}, err
	}
	// A code that was mailed before SECRET_KEY changed is still good.
	if !l.deps.Box.Recognises(row.CodeMAC, codePurpose, row.ID.Bytes(), []byte(kind), []byte(digits)) {
		return Found{}, ErrCode
	}
	return Found{row.ID, row.Subject}, l.returnTry(ctx, row)
}

// findCode reads the row causally: on another node than the one that mailed
// the code, a stale row would refuse a right code.
func (l *Links) findCode(ctx context.Context, kind LinkKind, hash []byte) (row codeRow, err error) {
	var found int64
	err = l.deps.DB.CausalRead(ctx, func(tx *gorm.DB) error {
		res := tx.Raw(`SELECT id, subject, code_mac FROM one_time_tokens
 WHERE kind = ? AND attempt_hash = ?`, string(kind), hash).Scan(&row)
		found = res.RowsAffected
		return res.Error
	})
	if err == nil && (found == 0 || len(row.CodeMAC) == 0) {
		err = ErrLink
	}
	return row, err
}

func (l *Links) reserveTry(ctx context.Context, row codeRow) error {
	now := models.At(l.deps.Clock())
	rows, err := l.deps.DB.Exec(ctx, `UPDATE one_time_tokens SET code_tries = code_tries + 1
 WHERE id = ? AND code_mac = ? AND code_tries < ? AND used_at IS NULL AND code_expires_at > ? AND expires_at > ?`,
		row.ID, row.CodeMAC, maxCodeTries, now, now)
	if err == nil && rows == 0 {
		err = ErrLink
	}
	return err
}

func (l *Links) returnTry(ctx context.Context, row codeRow) error {
	_, err := l.deps.DB.Exec(ctx, `UPDATE one_time_tokens SET code_tries = code_tries - 1
 WHERE id = ? AND code_mac = ? AND code_tries > 0`, row.ID, row.CodeMAC)
	return err
}

// DropCode takes its code from a link that was just made: it then has the token
// alone, and typing a code is answered as for one that has ended.
func (l *Links) DropCode(tx *gorm.DB, id models.ID) error {
	return tx.Exec(`UPDATE one_time_tokens SET code_mac = NULL WHERE id = ?`, id).Error
}

const codePurpose = "one_time_tokens/code"

// codeMAC is what the row keeps of a code: a million codes are quickly tried
// against a plain hash, so the hash is keyed with SECRET_KEY, and bound to row
// and kind so that it means nothing anywhere else.
func (l *Links) codeMAC(id models.ID, kind LinkKind, digits string) []byte {
	return l.deps.Box.MAC(codePurpose, id.Bytes(), []byte(kind), []byte(digits))
}
