package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/sqlitedialect"
	sqlitedriver "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/coingraph/coingraph/migrations"
	"github.com/coingraph/coingraph/telemetry"
)

// fileName is the database within the data directory.
const fileName = "coingraph.db"

// busyTimeout is for how long a connection waits for another one's lock.
const busyTimeout = 5 * time.Second

type sqlite struct {
	reader, writer *bun.DB
	names          *strings.Replacer
}

func openSQLite(dir string) (*sqlite, error) {
	if dir == "" {
		return nil, errors.New("store: no data directory")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("store: data directory: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("store: data directory: %w", err)
	}
	file := filepath.ToSlash(filepath.Join(dir, fileName))
	open := func(params url.Values, conns int) (*bun.DB, error) {
		params.Set("_busy_timeout", strconv.FormatInt(busyTimeout.Milliseconds(), 10))
		params.Set("_journal_mode", "WAL")
		params.Set("_synchronous", "NORMAL")
		params.Set("_dqs", "false")
		params.Set("_defensive", "true")
		params.Set("_timezone", "UTC")
		params.Set("_time_format", "sqlite")
		connector, err := sqlitedriver.NewConnector((&url.URL{Scheme: "file", Path: file, RawQuery: params.Encode()}).String())
		if err != nil {
			return nil, fmt.Errorf("store: %w", err)
		}
		db := sql.OpenDB(patient{connector})
		db.SetMaxOpenConns(conns)
		db.SetMaxIdleConns(conns)
		return bun.NewDB(db, sqlitedialect.New()).WithQueryHook(bunTracer{}), nil
	}
	writer, err := open(url.Values{"_txlock": {"immediate"}}, 1)
	if err != nil {
		return nil, err
	}
	reader, err := open(url.Values{"_query_only": {"true"}}, max(4, runtime.NumCPU()))
	if err != nil {
		return nil, err
	}
	return &sqlite{reader: reader, writer: writer, names: names()}, nil
}

// patient opens connections however many are opened at once. The first one to a new file turns on the write-ahead log,
// for which SQLite makes a writer of a reader; while another connection does the same it refuses that at once, whatever
// the busy timeout, because two that wait for each other would wait for ever
// (https://www.sqlite.org/c3ref/busy_handler.html).
type patient struct{ driver.Connector }

func (p patient) Connect(ctx context.Context) (driver.Conn, error) {
	until := time.Now().Add(busyTimeout)
	for {
		conn, err := p.Connector.Connect(ctx)
		if code(err) != sqlite3.SQLITE_BUSY || time.Now().After(until) {
			return conn, err
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(time.Millisecond + rand.N(10*time.Millisecond)): //nolint:gosec // so that two do not meet again, guards nothing
		}
	}
}

// code is SQLite's primary result code, 0 if the error is not one of SQLite's.
func code(err error) int {
	if reported, ok := errors.AsType[*sqlitedriver.Error](err); ok {
		return reported.Code() & 0xff
	}
	return 0
}

func (s *sqlite) name() string              { return "sqlite" }
func (s *sqlite) named(query string) string { return s.names.Replace(query) }
func (s *sqlite) reads() *bun.DB            { return s.reader }
func (s *sqlite) writes() *bun.DB           { return s.writer }
func (s *sqlite) forUpdate() string         { return "" }
func (s *sqlite) forKeyShare() string       { return "" }
func (s *sqlite) clock() string             { return "CAST(unixepoch('subsec') * 1000 AS INTEGER)" }

func (s *sqlite) close() error {
	// The writer is last: the last connection to close folds the write-ahead log into the file, which a reader may not.
	return errors.Join(s.reader.Close(), s.writer.Close())
}

func (s *sqlite) each(ctx context.Context, query string, in batch, row func(scanner) error) error {
	return s.run(ctx, s.reader, query, in, row)
}

func (s *sqlite) change(ctx context.Context, query string, in batch, row func(scanner) error) error {
	return s.run(ctx, s.writer, query, in, row)
}

// run gives the batch to the statement as one JSON text, which knows no limit to the number of parameters.
func (s *sqlite) run(ctx context.Context, db *bun.DB, query string, in batch, row func(scanner) error) (err error) {
	if err := in.check(); err != nil {
		return err
	}
	values := make([]string, len(in))
	for i, c := range in {
		values[i] = fmt.Sprintf("value->>%d AS %s", i, c.name)
	}
	tuples := make([][]any, in.rows())
	for i := range tuples {
		tuples[i] = in.row(i)
	}
	data, err := json.Marshal(tuples)
	if err != nil {
		return err
	}
	var args []any
	if len(in) > 0 {
		query = strings.Replace(query, "@rows", "(SELECT "+strings.Join(values, ", ")+" FROM json_each(?)) AS v", 1)
		args = []any{string(data)}
	}
	ctx, span := telemetry.StartSpan(ctx, "sql", "db.system.name", "sqlite", "db.operation.name", verb(query))
	defer func() { span.End(err) }()
	rows, err := db.DB.QueryContext(ctx, s.named(query), args...)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		if err := row(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

func (s *sqlite) insert(ctx context.Context, tx bun.Tx, table string, rows batch, onConflict string) error {
	if err := rows.check(); err != nil {
		return err
	}
	stmt, err := tx.Tx.PrepareContext(ctx, fmt.Sprintf("INSERT INTO %s AS t (%s) VALUES (?%s) %s",
		s.named(table), rows.names(), strings.Repeat(", ?", len(rows)-1), onConflict))
	if err != nil {
		return err
	}
	defer func() { _ = stmt.Close() }()
	for i := range rows.rows() {
		if _, err := stmt.ExecContext(ctx, rows.row(i)...); err != nil {
			return err
		}
	}
	return nil
}

func (s *sqlite) bulk(ctx context.Context, fn func(ctx context.Context, tx bulkTx) error) error {
	return s.writer.RunInTx(ctx, readCommitted(), func(ctx context.Context, tx bun.Tx) error {
		return fn(ctx, bulkTx{tx, func(ctx context.Context, table string, rows batch) error { return s.insert(ctx, tx, table, rows, "") }})
	})
}

// lock has nothing to do: transactions that write are immediate, so there is only one.
func (s *sqlite) lock(context.Context, bun.IConn, advisoryLock) error { return nil }

// unavailable goes by result code, see https://www.sqlite.org/rescode.html.
func (s *sqlite) unavailable(err error) bool {
	switch code(err) {
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL, sqlite3.SQLITE_INTERRUPT,
		sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR,
		sqlite3.SQLITE_FULL, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return true
	case sqlite3.SQLITE_ERROR:
		return s.pending() // there is no code for a table that is not there yet
	}
	return false
}

// pending tells whether migrations are lacking, as far as that can be told.
func (s *sqlite) pending() bool {
	steps, err := migrations.Files.ReadDir(".")
	if err != nil {
		return false
	}
	begun, err := s.exists(context.Background(), "ops.migrations")
	if err != nil || !begun {
		return err == nil
	}
	applied, err := s.reader.NewSelect().TableExpr(s.named("ops.migrations")).Count(context.Background())
	return err == nil && int(applied) < len(steps)
}

func (s *sqlite) exists(ctx context.Context, table string) (bool, error) {
	return s.reader.NewSelect().TableExpr("sqlite_schema").Where("name = ?", s.named(table)).Exists(ctx)
}

func (s *sqlite) ddl() ddl {
	return ddl{
		Text:     "TEXT",
		Bytes:    "BLOB",
		Float:    "ANY", // a column of type REAL would keep -0 as 0
		Time:     "TIMESTAMP",
		SmallInt: "INTEGER", Int: "INTEGER", BigInt: "INTEGER",
		SmallIntID: "INTEGER PRIMARY KEY",
		IntID:      "INTEGER PRIMARY KEY",
		BigIntID:   "INTEGER PRIMARY KEY AUTOINCREMENT", // never an id again that a deleted row had
		Keyed:      "STRICT, WITHOUT ROWID",
		Plain:      "STRICT",
		instant:    "strftime('%%Y-%%m-%%dT%%H:%%M:%%fZ', %s / 1000.0, 'unixepoch')",
		named:      s.named,
	}
}
