package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/jackc/pgx/v5"
)

// result is what was measured of a layout.
type result struct {
	name        string
	fill        float64 // rows a second of the COPY, with its index in place
	after       time.Duration
	heap, index int64   // bytes
	pages       int     // that a read of 365 points touches, the median
	worst       int     // the most that one did
	latency     float64 // ms in the server, the median
	plan        string  // of the last read, as text
	bytesPerRow float64
}

// read asks for the newest 365 daily points of a series.
const read = "SELECT ts, price, market_cap, volume, missing, source_id, fetched_at FROM points WHERE series_id = %d AND ts >= %d AND ts < %d"

func measure(ctx context.Context, conn *pgx.Conn, l layout, data market, reads int) (r result, err error) {
	r.name = l.name
	if err := exec(ctx, conn, "DROP TABLE IF EXISTS points, plain; CREATE TABLE plain (LIKE charts.points); "+l.table); err != nil {
		return r, err
	}
	began := time.Now()
	n, err := fill(ctx, conn, data, l)
	if err != nil {
		return r, err
	}
	r.fill = float64(n) / time.Since(began).Seconds()
	began = time.Now()
	if l.after != "" {
		if err := exec(ctx, conn, "SET maintenance_work_mem = '256MB'", l.after); err != nil {
			return r, err
		}
		r.after = time.Since(began)
	}
	if err := exec(ctx, conn, "VACUUM ANALYZE points"); err != nil {
		return r, err
	}
	err = conn.QueryRow(ctx, `SELECT sum(pg_relation_size(relid))::bigint, sum(pg_indexes_size(relid))::bigint
		FROM (SELECT relid FROM pg_partition_tree('points') UNION SELECT 'points'::regclass) AS parts`).Scan(&r.heap, &r.index)
	if err != nil {
		return r, err
	}
	r.bytesPerRow = float64(r.heap+r.index) / float64(n)
	err = r.read(ctx, conn, data, reads)
	return r, err
}

func exec(ctx context.Context, conn *pgx.Conn, statements ...string) error {
	for _, s := range statements {
		if _, err := conn.Exec(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

func fill(ctx context.Context, conn *pgx.Conn, data market, l layout) (int64, error) {
	rows := make(chan row, 4096)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		defer close(rows)
		for r := range l.rows(data) {
			select {
			case rows <- r:
			case <-ctx.Done():
				return
			}
		}
	}()
	return conn.CopyFrom(ctx, pgx.Identifier{"points"}, columns, pgx.CopyFromFunc(func() ([]any, error) {
		r, ok := <-rows
		if !ok {
			return nil, nil
		}
		return r.values(), nil
	}))
}

// explained is what EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) says of a statement.
type explained struct {
	Plan struct {
		Rows float64 `json:"Actual Rows"`
		Hit  int     `json:"Shared Hit Blocks"`
		Read int     `json:"Shared Read Blocks"`
	}
	Milliseconds float64 `json:"Execution Time"`
}

func (r *result) read(ctx context.Context, conn *pgx.Conn, data market, reads int) error {
	random := rand.New(rand.NewPCG(1, 1)) //nolint:gosec // the same reads of each layout
	var pages []int
	var latencies []float64
	for range reads {
		series := 2*random.IntN(data.assets) + 1
		statement := fmt.Sprintf(read, series, end-365*int64(day), end)
		var text string
		if err := conn.QueryRow(ctx, "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) "+statement).Scan(&text); err != nil {
			return err
		}
		var e []explained
		if err := json.Unmarshal([]byte(text), &e); err != nil {
			return err
		}
		if len(e) != 1 || e[0].Plan.Rows != 365 {
			return fmt.Errorf("series %d has not 365 points: %s", series, text)
		}
		pages, latencies = append(pages, e[0].Plan.Hit+e[0].Plan.Read), append(latencies, e[0].Milliseconds)
		if len(pages) < reads {
			continue
		}
		lines, err := conn.Query(ctx, "EXPLAIN (ANALYZE, BUFFERS) "+statement)
		if err != nil {
			return err
		}
		plan, err := pgx.CollectRows(lines, pgx.RowTo[string])
		if err != nil {
			return err
		}
		r.plan = strings.Join(plan, "\n") + "\n"
	}
	slices.Sort(pages)
	slices.Sort(latencies)
	r.pages, r.worst, r.latency = pages[len(pages)/2], pages[len(pages)-1], latencies[len(latencies)/2]
	return nil
}

func table(out io.Writer, all []result) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "layout\trows/s\tthen\theap\tindex\tbytes/row\tpages read\tat most\tms\t")
	for _, r := range all {
		fmt.Fprintf(w, "%s\t%.0f\t%s\t%s\t%s\t%.0f\t%d\t%d\t%.2f\t\n", r.name, r.fill, r.after.Round(time.Second),
			humanize.IBytes(uint64(r.heap)), humanize.IBytes(uint64(r.index)), r.bytesPerRow, r.pages, r.worst, r.latency)
	}
	return w.Flush()
}
