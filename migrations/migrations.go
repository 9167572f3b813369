// Package migrations holds the SQL that makes and changes the database, for Postgres and SQLite from the same files.
//
// A file is a text/template; package store renders it with the dialect's types and table names and applies the files in
// the order of their numbers, each in one transaction together with its entry in ops.migrations. Hence every file's name
// ends in .tx.up.sql.
//
// Replicas of two versions share a database while an update rolls out, so a migration only adds: what an older binary
// reads and writes stays where it is. Something is taken away one release after the last binary stopped using it.
package migrations

import "embed"

// Files are the migrations.
//
//go:embed *.sql
var Files embed.FS
