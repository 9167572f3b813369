// Command replay measures what the read-through saves. It replays a trace of questions (Zipf over 500 assets, mixed days and
// intervals) on several replicas that share a database and a Redis, with a simulated provider and a clock that runs faster
// than the wall's, and compares the calls to the provider with
//
//   - the least that can be: for each TTL window ⌈distinct pairs asked ÷ pairs a call can carry⌉, and for each series the provider's
//     windows that cover what was asked of it, and one call for each newly published point that was asked for;
//   - a plain read-through: a cache of each price and each chart for its TTL, shared and without any race, and nothing else.
//
// TTLs, the provider's clock and the trace are scaled alike. It needs REDIS_URL and DATABASE_URL, or TEST_REDIS_URL and
// TEST_DATABASE_URL: scripts/test go run ./cmd/replay.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	o := options{}
	flag.IntVar(&o.replicas, "replicas", 3, "how many replicas")
	flag.IntVar(&o.assets, "assets", 500, "how many assets are asked for")
	flag.DurationVar(&o.span, "span", 24*time.Hour, "how much time the trace covers")
	flag.Float64Var(&o.rate, "rate", 3, "questions a second of the trace")
	flag.Float64Var(&o.speed, "speed", 240, "how many seconds of the trace a second takes")
	flag.Uint64Var(&o.seed, "seed", 1, "of the trace")
	flag.Parse()
	if err := run(ctx, o, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "replay:", err)
		os.Exit(1)
	}
}

type options struct {
	replicas, assets int
	span             time.Duration
	rate, speed      float64
	seed             uint64
}

// The TTLs of prod.
const (
	priceTTL  = 30 * time.Second
	hourlyTTL = 10 * time.Minute
	dailyTTL  = 6 * time.Hour
)

func run(ctx context.Context, o options, out io.Writer) error {
	r, err := newRig(ctx, o)
	if err != nil {
		return err
	}
	defer r.close()
	questions := trace(o, r.clock.Now())
	p := &printer{out: out}
	p.line("%d questions to %d replicas, in %v\n\n", len(questions), o.replicas, time.Duration(float64(o.span)/o.speed).Round(time.Second))
	failed := r.play(ctx, questions)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	spent, least, plain := r.spent(), leastCalls(questions), plainCalls(questions)
	p.line("%-34s %10s %10s %10s\n", "", "prices", "charts", "all")
	row := func(name string, c calls) {
		p.line("%-34s %10d %10d %10d\n", name, c.prices, c.charts, c.prices+c.charts)
	}
	row("the least that can be", least)
	row("coingraph", spent)
	row("a plain TTL read-through", plain)
	all := func(c calls) float64 { return float64(c.prices + c.charts) }
	p.line("\n%d questions in %v of the trace's time, %d failed; coingraph: %.3f × the least, %.4f × the plain read-through\n",
		len(questions), o.span, failed, all(spent)/all(least), all(spent)/all(plain))
	return p.err
}

// printer keeps the first error.
type printer struct {
	out io.Writer
	err error
}

func (p *printer) line(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.out, format, args...)
	}
}
