package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/coingraph/coingraph/market"
	"github.com/coingraph/coingraph/store"
)

// storedSeries is a series whose points are put into the database.
type storedSeries struct {
	asset    string
	currency market.Currency
}

// migrate makes the tables.
func migrate(ctx context.Context, databaseURL string) error {
	s, err := store.Open(store.Options{DatabaseURL: databaseURL})
	if err != nil {
		return err
	}
	return errors.Join(s.Migrate(ctx), s.Close())
}

// empty takes all charts and prices out of the database. fill vacuums the points, so that nothing else need do so while reads
// are measured. They are logged: a checkpoint does not write the pages of an unlogged table, and then readers have to.
func (s *postgresServer) empty(ctx context.Context) error {
	_, err := s.conn.Exec(ctx, "TRUNCATE charts.points, charts.coverage, charts.tails, charts.series, prices.latest RESTART IDENTITY; "+
		"ALTER TABLE charts.points SET (autovacuum_enabled = off)")
	return err
}

// forgetLog drops what gateways have logged until now.
func (s *postgresServer) forgetLog(ctx context.Context) error {
	_, err := s.conn.Exec(ctx, "TRUNCATE ops.log_segments")
	return err
}

// logged is how many bytes a line of the log has, and what is stored of it, compressed.
func (s *postgresServer) logged(ctx context.Context) (line, stored float64, err error) {
	err = s.conn.QueryRow(ctx, "SELECT sum(bytes)::float8 / sum(lines)::float8, sum(octet_length(data))::float8 / sum(lines)::float8 FROM ops.log_segments").Scan(&line, &stored)
	return line, stored, err
}

// fill puts so many points of each series into the database, day by day, as years of refreshes do, and gives the size of the
// table of points with its index. The points go on for a while after now, so that a run which sees the next one become due
// need not buy it.
func (s *postgresServer) fill(ctx context.Context, series []storedSeries, stored span) (bytes int64, err error) {
	const source = "coingecko" // whom the gateways ask, so that they take what is stored for known
	var sourceID int16
	err = s.conn.QueryRow(ctx, "INSERT INTO charts.sources (name) VALUES ($1) ON CONFLICT (name) DO UPDATE SET name = excluded.name RETURNING id", source).Scan(&sourceID)
	if err != nil {
		return 0, err
	}
	interval := stored.interval.String()
	_, err = s.conn.CopyFrom(ctx, pgx.Identifier{"charts", "series"}, []string{"asset", "currency", "interval"},
		pgx.CopyFromSlice(len(series), func(i int) ([]any, error) { return []any{series[i].asset, string(series[i].currency), interval}, nil }))
	if err != nil {
		return 0, err
	}
	rows, err := s.conn.Query(ctx, "SELECT id FROM charts.series WHERE interval = $1 ORDER BY id", interval)
	if err != nil {
		return 0, err
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[int32])
	if err != nil {
		return 0, err
	}
	if len(ids) != len(series) {
		return 0, fmt.Errorf("%d series in the table, not %d", len(ids), len(series))
	}

	step, now := stored.interval.Step(), time.Now().UnixMilli()
	end := stored.interval.Floor(now) + 3*step // the instant after the last point
	first := end - int64(stored.points()+3)*step
	next, stop := iter.Pull2(dayByDay(ids, first, end, step))
	defer stop()
	_, err = s.conn.CopyFrom(ctx, pgx.Identifier{"charts", "points"},
		[]string{"ts", "fetched_at", "price", "market_cap", "volume", "series_id", "source_id", "missing"},
		pgx.CopyFromFunc(func() ([]any, error) {
			id, ts, ok := next()
			if !ok {
				return nil, nil
			}
			x := float64(ts%9973)/7 + float64(id) // takes all of its 8 bytes, as a market's does
			return []any{ts, now, x, x * 19e6, x * 1e5, id, sourceID, int16(0)}, nil
		}))
	if err != nil {
		return 0, err
	}
	_, err = s.conn.Exec(ctx, `INSERT INTO charts.coverage (series_id, from_ts, to_ts, provider, fetched_at, due_at, tries, hole)
		SELECT id, $2, $3, $4, $5, 0, 0, '' FROM charts.series WHERE interval = $1`, interval, first, end, source, now)
	if err != nil {
		return 0, err
	}
	if _, err := s.conn.Exec(ctx, "VACUUM ANALYZE charts.points, charts.series, charts.coverage"); err != nil {
		return 0, err
	}
	_, _ = s.conn.Exec(ctx, "CHECKPOINT") // writes all pages now, not when reads need their room; not all users may
	err = s.conn.QueryRow(ctx, "SELECT pg_total_relation_size('charts.points')").Scan(&bytes)
	return bytes, err
}

// dayByDay are the ids of series with the instants of their points from first to before end: a day of each series, then the
// next day.
func dayByDay(ids []int32, first, end, step int64) iter.Seq2[int32, int64] {
	return func(yield func(int32, int64) bool) {
		day := market.Daily.Step()
		for begin := first; begin < end; begin += day {
			for _, id := range ids {
				for ts := begin; ts < min(begin+day, end); ts += step {
					if !yield(id, ts) {
						return
					}
				}
			}
		}
	}
}
