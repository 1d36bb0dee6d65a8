// Package models holds the rows of the database as GORM structs, one table
// family per file, and the plain-SQL migrations that make their tables.
//
// It owns the shape of the data and nothing else: it never queries. Each
// table belongs to exactly one room, named in the comment of its struct, and
// only that room reads and writes it.
//
// Three habits hold for every table:
//
//   - Ids are UUID v7 stored as 16 bytes ([ID]).
//   - Times are UTC microseconds since 1970 in a BIGINT ([Time]), so that they
//     compare right in SQL on every database; NULL is "never".
//   - What is looked up (names, addresses, hashes) is bytes in a binary column,
//     so that no collation can make two different keys equal.
package models
