// Command bench measures what an answer costs the server: CPU time for each request, beside that of servers that do the
// least that can be done. It starts them all on this machine, loads them in turns for several rounds, and prints medians:
//
//	make bench
//
// The limits are this same program: a net/http server that writes the same bytes ("static"), one that reads them from
// Redis for each request ("redis"), and one that looks in Redis and then reads a row from Postgres ("pg"). The gateway is
// bin/coingraph with nothing switched off. Its columns:
//
//	hot    a few hundred operations, again and again
//	warm   operations of random assets, currencies and days, with the reuse of answers off; the values are in memory
//	redis  the same with no memory at all: each value comes from Redis
//
// With growth as its first argument it measures instead how the cost grows, with what is asked, what is stored, and how many
// ask, and writes docs/performance:
//
//	make growth
//
// It needs TEST_DATABASE_URL (a user who may create databases) and TEST_REDIS_URL, whose databases 0 and 1 it empties.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"time"
)

type options struct {
	program     string // the gateway's binary
	databaseURL string
	redisURL    string
	rounds      int
	duration    time.Duration // of a cell
	connections int
	only        string // cells whose name contains this
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if len(os.Args) > 2 && os.Args[1] == limitCommand {
		exit(serveLimit(ctx, os.Args[2]))
		return
	}
	if len(os.Args) > 1 && os.Args[1] == growthCommand {
		o, err := parseGrowth(os.Args[2:], os.Stderr)
		if err == nil {
			err = runGrowth(ctx, o, os.Stdout)
		}
		if !errors.Is(err, flag.ErrHelp) {
			exit(err)
		}
		return
	}
	o := options{databaseURL: os.Getenv("TEST_DATABASE_URL"), redisURL: os.Getenv("TEST_REDIS_URL")}
	flag.StringVar(&o.program, "program", "bin/coingraph", "the gateway's binary")
	flag.IntVar(&o.rounds, "rounds", 5, "how often each cell is measured")
	flag.DurationVar(&o.duration, "duration", 2*time.Second, "how long each cell is loaded in a round")
	flag.IntVar(&o.connections, "connections", 32, "how many connections load a server")
	flag.StringVar(&o.only, "only", "", "measure the cells whose name contains this, such as W1 or warm (default all)")
	flag.Parse()
	exit(run(ctx, o, os.Stdout))
}

var errNoServers = errors.New("TEST_DATABASE_URL and TEST_REDIS_URL must be set: scripts/test go run ./cmd/bench")

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options, out io.Writer) (err error) {
	if o.databaseURL == "" || o.redisURL == "" {
		return errNoServers
	}
	r, err := newRig(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	var cells []*cell
	for _, c := range r.cells() {
		if strings.Contains(c.name(), o.only) || c.column.limit {
			cells = append(cells, c)
		}
	}
	cells = needed(cells)
	fmt.Fprintln(out, machine())
	for round := range o.rounds {
		for _, c := range cells {
			if err := c.measure(ctx, o); err != nil {
				return fmt.Errorf("%s, round %d: %w", c.name(), round+1, err)
			}
		}
	}
	report(out, cells)
	return nil
}
