package store

import (
	"context"
	"database/sql"
	"log/slog"
	"sync/atomic"

	"github.com/uptrace/bun"

	"github.com/coingraph/coingraph/audit"
	"github.com/coingraph/coingraph/auth"
	"github.com/coingraph/coingraph/bill"
	"github.com/coingraph/coingraph/jobs"
	"github.com/coingraph/coingraph/limit/quota"
	"github.com/coingraph/coingraph/market"
)

var (
	_ market.Store  = (*Store)(nil)
	_ audit.Store   = (*Store)(nil)
	_ auth.KeyStore = (*Store)(nil)
	_ quota.Store   = (*Store)(nil)
	_ bill.Store    = (*Store)(nil)
	_ jobs.Store    = (*Store)(nil)
)

// Options say where the data is.
type Options struct {
	DatabaseURL string       // postgres://…; empty: SQLite in DataDir
	DataDir     string       // made if it is not there
	Replica     string       // this process's name in audit entries
	Log         *slog.Logger // nil: no log
}

// Store is a database of market data, log segments, API keys, quotas, the bill and jobs. Its methods are safe for concurrent use; their errors are
// those that the interfaces name, faults of kind StoreUnavailable, the context's own, or, for what should not happen,
// anything else.
type Store struct {
	backend
	log     *slog.Logger
	replica string
	closed  *atomic.Bool
	fence   *jobs.Lease // without which nothing is written; nil: anybody may
}

// Open makes a store without reaching for the database, which may be down: each call connects when it has to. The error
// is about the options alone and never holds the password.
func Open(o Options) (*Store, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	var b backend
	var err error
	if o.DatabaseURL == "" {
		b, err = openSQLite(o.DataDir)
	} else {
		b, err = openPostgres(o.DatabaseURL)
	}
	if err != nil {
		return nil, err
	}
	return &Store{backend: b, log: o.Log, replica: o.Replica, closed: new(atomic.Bool)}, nil
}

// Name is "postgres" or "sqlite".
func (s *Store) Name() string { return s.name() }

// Ping tells whether the database answers.
func (s *Store) Ping(ctx context.Context) error {
	return s.fault(ctx, "ping", s.reads().PingContext(ctx))
}

// Close ends all connections. Calls after it fail with StoreUnavailable.
func (s *Store) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	return s.close()
}

// Fenced is the same database for the holder of a lease: each transaction that writes fails with jobs.ErrFenced unless the
// lease still has its holder and epoch when it commits. It is closed with the store it was made of.
func (s *Store) Fenced(l jobs.Lease) *Store {
	fenced := *s
	fenced.fence = &l
	return &fenced
}

// write runs fn in a transaction. On SQLite it is the only one that writes; on Postgres it is READ COMMITTED, so that a
// statement after a lock sees what the lock's last holder committed.
func (s *Store) write(ctx context.Context, fn func(ctx context.Context, tx bun.Tx) error) error {
	return s.writes().RunInTx(ctx, readCommitted(), func(ctx context.Context, tx bun.Tx) error {
		if s.fence != nil {
			if err := s.checkLease(ctx, tx, *s.fence); err != nil {
				return err
			}
		}
		return fn(ctx, tx)
	})
}

// bulk is write for many rows.
func (s *Store) bulk(ctx context.Context, fn func(ctx context.Context, tx bulkTx) error) error {
	return s.backend.bulk(ctx, func(ctx context.Context, tx bulkTx) error {
		if s.fence != nil {
			if err := s.checkLease(ctx, tx.Tx, *s.fence); err != nil {
				return err
			}
		}
		return fn(ctx, tx)
	})
}

func readCommitted() *sql.TxOptions { return &sql.TxOptions{Isolation: sql.LevelReadCommitted} }
