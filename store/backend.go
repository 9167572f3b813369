package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/uptrace/bun"
)

// backend is what differs between the databases.
type backend interface {
	name() string
	// named puts the tables' names as this database spells them into a statement or a single name.
	named(query string) string
	// reads is for statements that change nothing, writes for all others.
	reads() *bun.DB
	writes() *bun.DB
	// each runs a statement that changes nothing, in which @rows stands for the batch as a relation v, and calls row for each
	// of its results.
	each(ctx context.Context, query string, in batch, row func(scanner) error) error
	// change is each for a statement that changes rows and is a transaction of its own.
	change(ctx context.Context, query string, in batch, row func(scanner) error) error
	// insert adds the rows of a batch to a table, whose alias is t in the clause for conflicts.
	insert(ctx context.Context, tx bun.Tx, table string, rows batch, onConflict string) error
	// bulk is [Store.write] for a transaction that may add many rows at once.
	bulk(ctx context.Context, fn func(ctx context.Context, tx bulkTx) error) error
	// lock waits until no other transaction holds the same lock, and holds it until this one ends.
	lock(ctx context.Context, tx bun.IConn, what advisoryLock) error
	// exists tells whether there is such a table.
	exists(ctx context.Context, table string) (bool, error)
	// forUpdate ends a SELECT that locks its rows for the rest of the transaction.
	forUpdate() string
	// forKeyShare ends a SELECT whose rows keep their keys for the rest of the transaction.
	forKeyShare() string
	// clock is an expression of the database's time in Unix ms.
	clock() string
	// unavailable tells whether an error means that the database cannot serve now, rather than that we made a mistake.
	unavailable(err error) bool
	pools() []Pool
	ddl() ddl
	close() error
}

// bulkTx is a transaction that can add many rows at once.
type bulkTx struct {
	bun.Tx
	// fill adds rows, of which none may be there yet, the fastest way that the database has.
	fill func(ctx context.Context, table string, rows batch) error
}

// scanner is a row of a result.
type scanner interface{ Scan(dest ...any) error }

// advisoryLock names something that one transaction does at a time.
type advisoryLock int32

const (
	lockMigrations advisoryLock = iota + 1
	lockLog
	lockQuota
	lockJobs
)

// names is the one place that decides how SQLite, which has no schemas in a file, spells a table's name.
func names() *strings.Replacer {
	var pairs []string
	for _, schema := range []string{"catalog", "prices", "charts", "onchain", "ops", "access"} {
		pairs = append(pairs, schema+".", schema+"_")
	}
	return strings.NewReplacer(pairs...)
}

// batch is rows by column. All columns are of the same length.
type batch []column

// column has a []string, []int64, []*int64, []float64 or [][]byte as values; nil and NaN are null.
type column struct {
	name   string
	values any
}

func (b batch) names() string {
	names := make([]string, len(b))
	for i, c := range b {
		names[i] = c.name
	}
	return strings.Join(names, ", ")
}

// rows is how many rows there are.
func (b batch) rows() int {
	if len(b) == 0 {
		return 0
	}
	switch values := b[0].values.(type) {
	case []string:
		return len(values)
	case []int64:
		return len(values)
	case []*int64:
		return len(values)
	case []float64:
		return len(values)
	case [][]byte:
		return len(values)
	}
	return 0
}

// row is one row.
func (b batch) row(i int) []any {
	row := make([]any, len(b))
	for j, c := range b {
		switch values := c.values.(type) {
		case []string:
			row[j] = values[i]
		case []int64:
			row[j] = values[i]
		case []*int64:
			row[j] = values[i]
		case []float64:
			row[j] = values[i]
		case [][]byte:
			row[j] = values[i]
		}
	}
	return row
}

// of collects a column's values out of rows.
func of[R, V any](rows []R, value func(*R) V) []V {
	values := make([]V, len(rows))
	for i := range rows {
		values[i] = value(&rows[i])
	}
	return values
}

var errText = errors.New("text with a NUL byte or invalid UTF-8")

// check refuses texts that Postgres cannot hold, on both databases and before they are asked.
func (b batch) check() error {
	for _, c := range b {
		texts, _ := c.values.([]string)
		for _, s := range texts {
			if !storable(s) {
				return fmt.Errorf("%s %q: %w", c.name, s, errText)
			}
		}
	}
	return nil
}

// storable tells whether Postgres can hold a text. One that it cannot hold, no row has.
func storable(s string) bool {
	return strings.IndexByte(s, 0) < 0 && utf8.ValidString(s)
}
