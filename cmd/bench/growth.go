package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"
)

// growthCommand makes this program measure how the cost grows: bench growth. Each curve is measured on gateways of its own.
// It writes docs/performance: growth.json with the figures, a picture for each curve, and growth.md, a page of both. Curves
// that were left out stay as growth.json has them from an earlier run.
const growthCommand = "growth"

type growthOptions struct {
	options
	only  []string // names of curves; none: all
	quick bool     // shorter, and without the largest
	draw  bool     // only draw what growth.json has
	dir   string   // where the page is
}

// curveOf makes a curve.
type curveOf struct {
	name    string
	measure func(*growth, context.Context) (curve, error)
}

// curvesOf are all curves, in the order of the page.
func curvesOf() []curveOf {
	return []curveOf{
		{"assets", (*growth).assetsAsked},
		{"points", (*growth).pointsOfAChart},
		{"rows", (*growth).rowsStored},
		{"replicas", (*growth).replicas},
		{"connections", (*growth).connectionsOpen},
		{wayName, (*growth).way},
	}
}

func curveNames() []string {
	var names []string
	for _, c := range curvesOf() {
		names = append(names, c.name)
	}
	return names
}

// parseGrowth reads the arguments after the command's name. What is wrong with them, and help, go to out.
func parseGrowth(args []string, out io.Writer) (o growthOptions, err error) {
	flags := flag.NewFlagSet("bench "+growthCommand, flag.ContinueOnError)
	flags.SetOutput(out)
	var only string
	flags.StringVar(&o.program, "program", "bin/coingraph", "the gateway's binary")
	flags.StringVar(&only, "only", "", "the curves to measure, separated by commas: "+strings.Join(curveNames(), ", ")+" (default all)")
	flags.BoolVar(&o.quick, "quick", false, "one round, shorter, and no more than a million rows: to see that all works")
	flags.BoolVar(&o.draw, "draw", false, "measure nothing, and draw what growth.json has")
	flags.IntVar(&o.rounds, "rounds", 3, "how often each point is measured; the median counts")
	flags.DurationVar(&o.duration, "duration", 2*time.Second, "how long each point is loaded in a round, once as fast as it goes and once at half of that rate")
	flags.IntVar(&o.connections, "connections", 32, "how many connections load a gateway")
	flags.StringVar(&o.dir, "dir", "docs/performance", "where the page is written")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("what is %q?", flags.Arg(0))
	}
	if only != "" {
		o.only = strings.Split(only, ",")
	}
	for _, name := range o.only {
		if !slices.Contains(curveNames(), name) {
			return o, fmt.Errorf("there is no curve %q: %s", name, strings.Join(curveNames(), ", "))
		}
	}
	if o.rounds < 1 || o.duration <= 0 || o.connections < 1 {
		return o, errors.New("rounds, duration and connections must be above 0")
	}
	if o.quick {
		o.rounds, o.duration = 1, min(o.duration, 500*time.Millisecond)
	}
	return o, nil
}

// growth is a run of this command.
type growth struct {
	growthOptions
	*rig
	redis    *redisServer
	postgres *postgresServer
	serial   int // of the gateways
	out      io.Writer
}

func runGrowth(ctx context.Context, o growthOptions, out io.Writer) (err error) {
	p, err := readPage(o.dir)
	if err != nil {
		return err
	}
	if o.draw {
		return p.write(o.dir)
	}
	if o.databaseURL, o.redisURL = os.Getenv("TEST_DATABASE_URL"), os.Getenv("TEST_REDIS_URL"); o.databaseURL == "" || o.redisURL == "" {
		return errNoServers
	}
	r, err := openRig(ctx, o.options)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	g := &growth{growthOptions: o, rig: r, out: out}
	if err := migrate(ctx, r.database); err != nil {
		return err
	}
	if g.redis, err = openRedisServer(r.redisURL); err != nil {
		return err
	}
	defer g.redis.close()
	if g.postgres, err = openPostgresServer(ctx, r.database); err != nil {
		return err
	}
	defer g.postgres.close()

	fmt.Fprintln(out, machine())
	for _, c := range curvesOf() {
		if len(o.only) > 0 && !slices.Contains(o.only, c.name) {
			continue
		}
		began := time.Now()
		measured, err := c.measure(g, ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		measured.Name, measured.Machine, measured.Quick, measured.Measured = c.name, machine(), o.quick, began.UTC().Truncate(time.Second)
		fmt.Fprintf(out, "\n%s (%v)\n", measured.Title, time.Since(began).Round(time.Second))
		if err := measured.print(out); err != nil {
			return err
		}
		p.put(measured)
		if err := p.write(o.dir); err != nil { // after each: what there is took its time
			return err
		}
	}
	return nil
}

// gateway starts one with this environment, and gives its name and its process. It has a directory of its own.
func (g *growth) gateway(ctx context.Context, env ...string) (*process, error) {
	g.serial++
	name := fmt.Sprintf("%s-%d", gateway, g.serial)
	err := g.serve(ctx, name, g.program, env...)
	return g.processes[name], err
}

// fresh measures each x on a gateway of its own, round by round: what one x has taken of memory is not on another's bill.
func (g *growth) fresh(ctx context.Context, at []float64, measure func(x float64) (sample, error)) ([]sample, error) {
	rounds := make([][]sample, len(at))
	for range g.rounds {
		for i, x := range at {
			s, err := measure(x)
			if err != nil {
				return nil, fmt.Errorf("at %s: %w", short(x), err)
			}
			s.X = x
			rounds[i] = append(rounds[i], s)
			if err := ctx.Err(); err != nil {
				return nil, err
			}
		}
	}
	samples := make([]sample, len(at))
	for i := range at {
		samples[i] = medians(rounds[i])
	}
	return samples, nil
}
