package accounts

import (
	"strings"

	"gorm.io/gorm"

	"gatehouse/internal/database"
)

// chunks are the numbers of rows that one INSERT takes. There are few of them,
// because each is a statement of its own that stays prepared.
var chunks = []int{128, 16, 1}

const (
	manyUsersHead = ` INTO users (id, username, username_key, email, email_key, email_verified_at, name, locale,
 password_hash, password_changed_at, roles, token_epoch, session_epoch, sign_ins, disabled_at, created_at, updated_at) VALUES `
	manyUsersRow  = `(?, ?, ?, ?, ?, ?, ?, '', ?, ?, ?, 0, 0, 0, ?, ?, ?)`
	manyIDsHead   = ` INTO external_ids (user_id, external_id) VALUES `
	manyIDsRow    = `(?, ?)`
	manyUsersArgs = 13
)

// statements are the INSERTs of a dialect for each chunk.
type statements struct{ users, ids map[int]string }

// A row that cannot be stored undoes the whole transaction anyway, so SQLite
// need not copy every page it touches to be able to undo one statement.
var insertsOf = map[string]statements{
	database.SQLite: newStatements("INSERT OR FAIL"),
	database.MySQL:  newStatements("INSERT"),
}

func newStatements(verb string) statements {
	return statements{manySQL(verb+manyUsersHead, manyUsersRow), manySQL(verb+manyIDsHead, manyIDsRow)}
}

func manySQL(head, row string) map[int]string {
	out := map[int]string{}
	for _, n := range chunks {
		out[n] = head + strings.Repeat(row+", ", n-1) + row
	}
	return out
}

// insertMany claims the names of all rows, or of none: the unique keys decide.
func insertMany(tx *gorm.DB, into statements, rows []*row) error {
	args := make([]any, 0, chunks[0]*manyUsersArgs)
	err := inChunks(rows, func(part []*row) error {
		args = args[:0]
		for _, r := range part {
			u := r.user
			args = append(args, u.ID, u.Username, u.UsernameKey, u.Email, u.EmailKey, u.EmailVerifiedAt, u.Name,
				u.PasswordHash, u.PasswordChangedAt, string(u.Roles), u.DisabledAt, u.CreatedAt, u.UpdatedAt)
		}
		_, err := database.Exec(tx, into.users[len(part)], args...)
		return err
	})
	if err != nil {
		return err
	}
	external := make([]*row, 0, len(rows))
	for _, r := range rows {
		if r.external != nil {
			external = append(external, r)
		}
	}
	return inChunks(external, func(part []*row) error {
		args = args[:0]
		for _, r := range part {
			args = append(args, r.user.ID, r.external)
		}
		_, err := database.Exec(tx, into.ids[len(part)], args...)
		return err
	})
}

// inChunks calls with as many rows at once as a statement takes.
func inChunks(rows []*row, call func([]*row) error) error {
	for _, n := range chunks {
		for len(rows) >= n {
			if err := call(rows[:n]); err != nil {
				return err
			}
			rows = rows[n:]
		}
	}
	return nil
}
