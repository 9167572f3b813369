package store

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/uptrace/bun"
)

// bulk fills with COPY, which the driver offers on its own connection only: hence one is held for the whole transaction.
func (p *postgres) bulk(ctx context.Context, fn func(ctx context.Context, tx bulkTx) error) error {
	conn, err := p.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }() // gives it back to the pool
	return conn.RunInTx(ctx, readCommitted(), func(ctx context.Context, tx bun.Tx) error {
		return fn(ctx, bulkTx{tx, func(ctx context.Context, table string, rows batch) error {
			if err := rows.check(); err != nil {
				return err
			}
			return conn.Raw(func(driverConn any) error {
				own, ok := driverConn.(*stdlib.Conn)
				if !ok {
					return fmt.Errorf("a connection of type %T cannot COPY", driverConn)
				}
				columns := make([]string, len(rows))
				for i, c := range rows {
					columns[i] = c.name
				}
				_, err := own.Conn().CopyFrom(ctx, pgx.Identifier(strings.Split(table, ".")), columns, &copyRows{batch: rows, values: make([]any, len(rows)), at: -1})
				return err
			})
		}})
	})
}

// copyRows gives a batch to COPY.
type copyRows struct {
	batch  batch
	values []any
	at     int
}

func (r *copyRows) Next() bool {
	r.at++
	return r.at < r.batch.rows()
}

func (r *copyRows) Values() ([]any, error) {
	for i, c := range r.batch {
		switch values := c.values.(type) {
		case []string:
			r.values[i] = values[r.at]
		case []int64:
			r.values[i] = values[r.at]
		case []*int64:
			r.values[i] = values[r.at]
		case []float64:
			r.values[i] = values[r.at]
			if values[r.at] != values[r.at] {
				r.values[i] = nil
			}
		}
	}
	return r.values, nil
}

func (*copyRows) Err() error { return nil }
