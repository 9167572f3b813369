package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"
)

// patience is how long a connection may take to come up, unless the URL says connect_timeout, or to show that it is alive
// after it was idle.
const patience = time.Second

// lockClass tells our advisory locks from those of other programs in the same database: "COIN".
const lockClass = 0x434F494E

type postgres struct {
	pool *pgxpool.Pool
	db   *bun.DB
	mode pgx.QueryExecMode // of statements that carry data
}

var errDatabaseURL = errors.New("store: the database URL is not of the form postgres://user:password@host:port/name?sslmode=…")

func openPostgres(databaseURL string) (*postgres, error) {
	// An error of url.Parse has the whole URL in it, and pgx can only guess where the password is in a malformed one:
	// none of that is passed on.
	u, err := url.Parse(databaseURL)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
		return nil, errDatabaseURL
	}
	cfg, err := pgxpool.ParseConfig(databaseURL)
	if err != nil {
		return nil, errDatabaseURL
	}
	if !u.Query().Has("connect_timeout") {
		cfg.ConnConfig.ConnectTimeout = patience
	}
	if cfg.PingTimeout <= 0 || cfg.PingTimeout > patience {
		cfg.PingTimeout = patience
	}
	cfg.ConnConfig.RuntimeParams["timezone"] = "UTC"
	cfg.ConnConfig.RuntimeParams["standard_conforming_strings"] = "on" // Bun quotes texts that way
	if cfg.ConnConfig.RuntimeParams["application_name"] == "" {
		cfg.ConnConfig.RuntimeParams["application_name"] = "coingraph"
	}

	p := &postgres{mode: cfg.ConnConfig.DefaultQueryExecMode}
	// Bun puts values into the text of a statement, so no text occurs twice and preparing one is a wasted round trip.
	cfg.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol
	cfg.ConnConfig.Tracer = pgxTracer{}
	if p.pool, err = pgxpool.NewWithConfig(context.Background(), cfg); err != nil {
		return nil, errDatabaseURL
	}
	p.db = bun.NewDB(stdlib.OpenDBFromPool(p.pool), pgdialect.New())
	return p, nil
}

func (p *postgres) name() string              { return "postgres" }
func (p *postgres) named(query string) string { return query }
func (p *postgres) reads() *bun.DB            { return p.db }
func (p *postgres) writes() *bun.DB           { return p.db }
func (p *postgres) forUpdate() string         { return " FOR UPDATE" }
func (p *postgres) forKeyShare() string       { return " FOR KEY SHARE" }
func (p *postgres) clock() string             { return "(extract(epoch FROM clock_timestamp()) * 1000)::bigint" }

func (p *postgres) close() error {
	err := p.db.Close()
	p.pool.Close()
	return err
}

func (p *postgres) each(ctx context.Context, query string, in batch, row func(scanner) error) error {
	if err := in.check(); err != nil {
		return err
	}
	query = strings.Replace(query, "@rows", unnest(in), 1)
	rows, err := p.pool.Query(ctx, query, p.args(in)...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := row(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

func (p *postgres) change(ctx context.Context, query string, in batch, row func(scanner) error) error {
	return p.each(ctx, query, in, row)
}

func (p *postgres) insert(ctx context.Context, tx bun.Tx, table string, rows batch, onConflict string) error {
	if err := rows.check(); err != nil {
		return err
	}
	values := make([]string, len(rows))
	for i, c := range rows {
		values[i] = c.name
		if _, ok := c.values.([]float64); ok {
			values[i] = "nullif(" + c.name + ", 'NaN')"
		}
	}
	//nolint:gosec // names of ours; what comes from outside is in the arguments
	query := fmt.Sprintf("INSERT INTO %s AS t (%s) SELECT %s FROM %s %s",
		table, rows.names(), strings.Join(values, ", "), unnest(rows), onConflict)
	_, err := tx.Tx.ExecContext(ctx, query, p.args(rows)...)
	return err
}

func (p *postgres) args(b batch) []any {
	args := make([]any, 1, 1+len(b))
	args[0] = p.mode
	for _, c := range b {
		args = append(args, c.values)
	}
	return args
}

// unnest is a batch as a relation, its columns being the statement's parameters.
func unnest(b batch) string {
	params := make([]string, len(b))
	for i, c := range b {
		typ := ""
		switch c.values.(type) {
		case []string:
			typ = "text"
		case []int64, []*int64:
			typ = "bigint"
		case []float64:
			typ = "double precision"
		case [][]byte:
			typ = "bytea"
		}
		params[i] = fmt.Sprintf("$%d::%s[]", i+1, typ)
	}
	return "unnest(" + strings.Join(params, ", ") + ") AS v(" + b.names() + ")"
}

func (p *postgres) lock(ctx context.Context, tx bun.IConn, what advisoryLock) error {
	_, err := tx.ExecContext(ctx, "SELECT pg_advisory_xact_lock(?, ?)", lockClass, int32(what))
	return err
}

func (p *postgres) exists(ctx context.Context, table string) (found bool, err error) {
	err = p.db.NewRaw("SELECT to_regclass(?) IS NOT NULL", table).Scan(ctx, &found)
	return found, err
}

// unavailable goes by SQLSTATE, see https://www.postgresql.org/docs/current/errcodes-appendix.html.
func (p *postgres) unavailable(err error) bool {
	var connecting *pgconn.ConnectError
	if errors.As(err, &connecting) {
		return true
	}
	var reported *pgconn.PgError
	if errors.As(err, &reported) {
		switch reported.Code[:min(2, len(reported.Code))] {
		case "08", // connection exception
			"28", // invalid authorization
			"40", // transaction rollback: serialization failure, deadlock
			"53", // insufficient resources: disk full, too many connections
			"57", // operator intervention: shutdown, statement timeout
			"58": // system error: I/O
			return true
		}
		switch reported.Code {
		case "25006", // read-only transaction: a standby
			"25P03",                            // idle in transaction timeout
			"3D000",                            // no such database
			"3F000", "42P01", "42703", "42P10", // no such schema, table, column, unique constraint: not migrated yet
			"55P03": // lock not available: lock_timeout
			return true
		}
		return false
	}
	var network net.Error
	return errors.As(err, &network) || pgconn.SafeToRetry(err) || pgconn.Timeout(err) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, driver.ErrBadConn) || errors.Is(err, sql.ErrConnDone)
}

func (p *postgres) ddl() ddl {
	return ddl{
		Postgres: true,
		Text:     `text COLLATE "C"`, // by bytes, as Go compares
		Float:    "double precision",
		Bytes:    "bytea",
		SmallInt: "smallint", Int: "integer", BigInt: "bigint",
		SmallIntID: "smallint GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
		IntID:      "integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
		BigIntID:   "bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
		Time:       "timestamptz",
		instant:    "to_timestamp(%s / 1000.0)",
		named:      p.named,
	}
}
