// Command scale measures layouts of the table of points: how fast it fills, how large it is, and what a read of 365 points of
// one series costs, in time and in pages. It makes a database of its own, fills the same rows into each layout with COPY, one
// layout after the other, prints a table, and drops the database.
//
// The rows are those of n ÷ 5810 assets with 10 years of daily and 90 days of hourly points each. They come in one of two
// orders: series by series, as a backfill writes them, or day by day, as years of daily refreshes do: each day one daily row of
// each asset, and in the last 90 days a block of 24 hourly ones.
//
// It needs DATABASE_URL or TEST_DATABASE_URL, whose user may create databases: scripts/test go run ./cmd/scale. With the
// default of 20 million rows it takes some 4 GB of disk and, on two busy cores, half an hour.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/coingraph/coingraph/store"
)

type options struct {
	databaseURL string
	rows        int
	reads       int
	layouts     []string // names; none: all
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	o := options{databaseURL: cmp.Or(os.Getenv("DATABASE_URL"), os.Getenv("TEST_DATABASE_URL"))}
	var only string
	flag.IntVar(&o.rows, "rows", 20_000_000, "how many rows, at the least those of one asset")
	flag.IntVar(&o.reads, "reads", 200, "how many reads of 365 points are measured")
	flag.StringVar(&only, "layouts", "", "which layouts, separated by commas (default all: "+strings.Join(layoutNames(), ", ")+")")
	flag.Parse()
	if only != "" {
		o.layouts = strings.Split(only, ",")
	}
	if err := run(ctx, o, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "scale:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options, out io.Writer) (err error) {
	data := market{assets: o.rows / rowsOfAsset}
	if data.assets < 1 || o.reads < 1 {
		return fmt.Errorf("at least %d rows and one read", rowsOfAsset)
	}
	for _, name := range o.layouts {
		if !slices.Contains(layoutNames(), name) {
			return fmt.Errorf("there is no layout %q: %s", name, strings.Join(layoutNames(), ", "))
		}
	}
	conn, drop, err := ownDatabase(ctx, o.databaseURL)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, drop()) }()

	var version string
	if err := conn.QueryRow(ctx, "SELECT version()").Scan(&version); err != nil {
		return err
	}
	fmt.Fprintf(out, "%s\n%d CPUs, %d rows: %d assets\n\n", version, runtime.NumCPU(), data.rows(), data.assets)
	var all []result
	for _, l := range layouts() {
		if len(o.layouts) > 0 && !slices.Contains(o.layouts, l.name) {
			continue
		}
		r, err := measure(ctx, conn, l, data, o.reads)
		if err != nil {
			return errors.Join(fmt.Errorf("%s: %w", l.name, err), table(out, all)) // what there is took its time
		}
		fmt.Fprintf(out, "%s: %.0f rows/s, %d pages\n%s\n", l.name, r.fill, r.pages, r.plan)
		all = append(all, r)
	}
	return table(out, all)
}

// ownDatabase makes a database with our schema, and connects to it. The function drops it.
func ownDatabase(ctx context.Context, databaseURL string) (_ *pgx.Conn, drop func() error, err error) {
	u, err := url.Parse(databaseURL)
	if err != nil || databaseURL == "" {
		return nil, nil, errors.New("neither DATABASE_URL nor TEST_DATABASE_URL is the URL of a Postgres database")
	}
	admin, err := pgx.Connect(ctx, databaseURL)
	if err != nil {
		return nil, nil, err
	}
	name := fmt.Sprintf("coingraph_scale_%d", os.Getpid())
	if _, err := admin.Exec(ctx, "CREATE DATABASE "+name); err != nil {
		return nil, nil, errors.Join(err, admin.Close(ctx))
	}
	drop = func() error {
		_, err := admin.Exec(context.WithoutCancel(ctx), "DROP DATABASE "+name+" WITH (FORCE)")
		return errors.Join(err, admin.Close(context.WithoutCancel(ctx)))
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, drop())
		}
	}()
	u.Path = "/" + name
	s, err := store.Open(store.Options{DatabaseURL: u.String()})
	if err != nil {
		return nil, nil, err
	}
	if err := errors.Join(s.Migrate(ctx), s.Close()); err != nil {
		return nil, nil, err
	}
	conn, err := pgx.Connect(ctx, u.String())
	return conn, drop, err
}
