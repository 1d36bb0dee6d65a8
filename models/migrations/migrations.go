// Package migrations embeds the plain-SQL migrations, one folder per dialect.
// Each file has an up and a down part and can be run again after it stopped
// half way, because MySQL commits every CREATE TABLE at once.
package migrations

import "embed"

// Files holds sqlite/*.sql and mysql/*.sql.
//
//go:embed sqlite/*.sql mysql/*.sql
var Files embed.FS
