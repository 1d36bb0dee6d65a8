package database

import (
	"database/sql"
	"errors"
	"strings"

	"gorm.io/gorm"
	"gorm.io/gorm/callbacks"
	"gorm.io/gorm/clause"
	"gorm.io/gorm/logger"
	"gorm.io/gorm/schema"
	"modernc.org/sqlite"
)

// sqliteDialector teaches GORM the SQL of SQLite. It has no Migrator, because
// migrations are plain SQL.
type sqliteDialector struct{ pool *sql.DB }

var errNoMigrator = errors.New("database: migrations are plain SQL, GORM makes no tables")

// Name implements gorm.Dialector.
func (*sqliteDialector) Name() string { return SQLite }

// Initialize implements gorm.Dialector.
func (s *sqliteDialector) Initialize(db *gorm.DB) error {
	db.ConnPool = s.pool
	callbacks.RegisterDefaultCallbacks(db, &callbacks.Config{
		CreateClauses: []string{"INSERT", "VALUES", "ON CONFLICT"},
		UpdateClauses: []string{"UPDATE", "SET", "FROM", "WHERE"},
		DeleteClauses: []string{"DELETE", "FROM", "WHERE"},
	})
	return nil
}

// Migrator implements gorm.Dialector. Nothing of ours calls it.
func (*sqliteDialector) Migrator(*gorm.DB) gorm.Migrator { panic(errNoMigrator) }

// DataTypeOf implements gorm.Dialector. Only a migrator needs types.
func (*sqliteDialector) DataTypeOf(*schema.Field) string { return "" }

// DefaultValueOf implements gorm.Dialector.
func (*sqliteDialector) DefaultValueOf(*schema.Field) clause.Expression {
	return clause.Expr{SQL: "NULL"}
}

// BindVarTo implements gorm.Dialector.
func (*sqliteDialector) BindVarTo(w clause.Writer, _ *gorm.Statement, _ any) { _ = w.WriteByte('?') }

// QuoteTo implements gorm.Dialector. A dot separates table and column; a back
// tick inside a name is doubled.
func (*sqliteDialector) QuoteTo(w clause.Writer, name string) {
	for i, part := range strings.Split(name, ".") {
		if i > 0 {
			_ = w.WriteByte('.')
		}
		if part == "*" {
			_ = w.WriteByte('*')
			continue
		}
		_ = w.WriteByte('`')
		_, _ = w.WriteString(strings.ReplaceAll(part, "`", "``"))
		_ = w.WriteByte('`')
	}
}

// Explain implements gorm.Dialector.
func (*sqliteDialector) Explain(sql string, vars ...any) string {
	return logger.ExplainSQL(sql, nil, `"`, vars...)
}

// SavePoint implements gorm.SavePointerDialectorInterface.
func (*sqliteDialector) SavePoint(tx *gorm.DB, name string) error {
	return tx.Exec("SAVEPOINT " + name).Error
}

// RollbackTo implements gorm.SavePointerDialectorInterface.
func (*sqliteDialector) RollbackTo(tx *gorm.DB, name string) error {
	return tx.Exec("ROLLBACK TO SAVEPOINT " + name).Error
}

// Translate implements gorm.ErrorTranslator.
func (*sqliteDialector) Translate(err error) error {
	if e, ok := errors.AsType[*sqlite.Error](err); ok && isSQLiteDuplicate(e.Code()) {
		return gorm.ErrDuplicatedKey
	}
	return err
}
