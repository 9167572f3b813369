package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/coingraph/coingraph/auth"
	"github.com/coingraph/coingraph/config"
	"github.com/coingraph/coingraph/jobs"
	"github.com/coingraph/coingraph/market"
)

type (
	refreshCmd  struct{}
	backfillCmd struct {
		seriesFlags
		Assets []string `required:"" help:"CoinGecko's asset ids, separated by commas."`
		Force  bool     `help:"Ask for known holes again that are not due."`
		DryRun bool     `help:"Only tell how many calls it will cost, and how long the quota makes it take."`
	}
	gapsCmd struct {
		Assets     []string `help:"CoinGecko's asset ids, separated by commas; all that are stored when left out."`
		Currencies []string `help:"Such as usd,eur; all that are stored when left out, or usd where assets are named."`
		Interval   string   `enum:"daily,hourly," default:"" help:"daily or hourly; both when left out, or daily where assets are named."`
		Days       string   `default:"365" help:"How many days back, or max."`
	}
	seriesFlags struct {
		Currencies []string `default:"usd" help:"Such as usd,eur."`
		Interval   string   `default:"daily" enum:"daily,hourly" help:"daily or hourly."`
		Days       string   `default:"max" help:"How many days back, or max."`
	}
)

// args are what the flags say, as far as they can be read: what cannot is refused by those who check it.
func (f seriesFlags) args(assets []string) jobs.Args {
	interval, _ := market.ParseInterval(f.Interval)
	return jobs.Args{Assets: assets, Currencies: currencyList(f.Currencies), Interval: interval, Days: market.ParseDays(f.Days)}
}

func currencyList(names []string) []market.Currency {
	currencies := make([]market.Currency, len(names))
	for i, name := range names {
		currencies[i] = market.Currency(strings.ToLower(name))
	}
	return currencies
}

// withJobs runs what an operator does with the jobs, on the same configuration as a server.
func withJobs(e *env, do func(context.Context, *App) error) (err error) {
	cfg, err := config.Load(e.environ)
	if err != nil {
		return err
	}
	app, err := Open(cfg, AppOptions{Observed: observe(cfg, e.stderr, max(cfg.LogLevel, commandLevel)), Listener: noListener{}})
	if err != nil {
		return err
	}
	defer app.Close()
	ctx := auth.WithActor(e.ctx, auth.Operator())
	if err := app.store.Migrate(ctx); err != nil {
		return err
	}
	working, stop := context.WithCancel(context.WithoutCancel(ctx))
	booked := make(chan struct{})
	go func() {
		defer close(booked)
		app.ledger.Run(working) // until all calls are on the bill
	}()
	defer func() {
		stop()
		<-booked
	}()
	return do(ctx, app)
}

// noListener stands for a command's HTTP server, which is never started.
type noListener struct{ net.Listener }

func (noListener) Close() error { return nil }

func (refreshCmd) Run(e *env) error {
	return withJobs(e, func(ctx context.Context, app *App) error {
		run, err := app.jobs.Refresh(ctx, nil)
		if err != nil {
			return err
		}
		return watch(ctx, e, app, run)
	})
}

func (c backfillCmd) Run(e *env) error {
	return withJobs(e, func(ctx context.Context, app *App) error {
		args := c.args(c.Assets)
		args.Force = c.Force
		estimate, err := app.jobs.Estimate(ctx, args)
		if err != nil {
			return err
		}
		fmt.Fprintf(e.stdout, "%d of %d series lack something: %s.\n", estimate.Series, estimate.Series+estimate.Known, costOf(estimate))
		if c.DryRun {
			return nil
		}
		run, err := app.jobs.Backfill(ctx, args, nil)
		if err != nil {
			return err
		}
		return watch(ctx, e, app, run)
	})
}

// costOf says what a backfill will cost, and how long the quota makes it take.
func costOf(e jobs.Estimate) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d calls", e.Total())
	var each []string
	for provider, n := range e.Calls {
		each = append(each, fmt.Sprintf("%s %d", provider, n))
	}
	slices.Sort(each)
	if len(each) > 1 {
		fmt.Fprintf(&b, " (%s)", strings.Join(each, ", "))
	}
	if e.QuotaIn == 0 {
		return b.String() + ", which the quota allows at once"
	}
	fmt.Fprintf(&b, ", which the quota allows within %s", e.QuotaIn.Round(time.Second))
	return b.String()
}

// errJob says that a job did not end well; what went wrong has been told.
var errJob = errors.New("something that is offered could not be had")

// watch shows a run until it is finished.
func watch(ctx context.Context, e *env, app *App, run *jobs.Run) error {
	show := newProgress(e, run)
	run, err := app.jobs.Watch(ctx, run, show.update)
	show.end()
	if err != nil {
		return err
	}
	for _, p := range run.Problems {
		fmt.Fprintf(e.stdout, "  %s: %s\n", p.Subject, p.Reason)
	}
	fmt.Fprintf(e.stdout, "job %s %s: %d of %d done, %d failed, %d not offered; %d calls, %d points new, %d revised\n",
		run.ID(), strings.ToLower(string(run.State)), run.Done, run.Planned, run.Failed, run.NotOffered, run.Calls, run.Points, run.Revised)
	switch run.State {
	case jobs.Succeeded:
		return nil
	case jobs.Cancelled:
		return errors.New("the job was cancelled")
	default:
		return errJob
	}
}

func (c gapsCmd) Run(e *env) error {
	return withJobs(e, func(ctx context.Context, app *App) error {
		var gaps []market.Gaps
		var err error
		if len(c.Assets) > 0 {
			f := seriesFlags{c.Currencies, c.Interval, c.Days}
			if len(f.Currencies) == 0 {
				f.Currencies = []string{"usd"}
			}
			if f.Interval == "" {
				f.Interval = market.Daily.String()
			}
			gaps, err = app.jobs.Gaps(ctx, f.args(c.Assets))
		} else {
			days := market.ParseDays(c.Days)
			if !days.Valid() {
				return fmt.Errorf("--days %s", market.DaysMessage)
			}
			gaps, err = app.jobs.StoredGaps(ctx, days, func(k market.SeriesKey) bool {
				return (c.Interval == "" || k.Interval.String() == c.Interval) &&
					(len(c.Currencies) == 0 || !k.OnChain() && slices.Contains(currencyList(c.Currencies), k.Currency))
			})
		}
		if err != nil {
			return err
		}
		return printGaps(e, gaps)
	})
}

func printGaps(e *env, gaps []market.Gaps) error {
	w := tabwriter.NewWriter(e.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "SERIES\tFROM\tTO\tPOINTS MISSING\tREASON")
	whole, missing := 0, 0
	for i := range gaps {
		g := &gaps[i]
		if len(g.Holes) == 0 {
			whole++
		}
		missing += g.Missing()
		for _, h := range g.Holes {
			reason := string(h.Reason)
			if h.Reason == market.Failed {
				reason = "NOT_FETCHED"
			}
			n := (h.To.UnixMilli() - h.From.UnixMilli()) / g.Interval.Step()
			fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\n", jobs.NameOf(g.SeriesKey), h.From.Format(time.RFC3339), h.To.Format(time.RFC3339), n, reason)
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(e.stdout, "%d series, %d of them without holes; %d points missing\n", len(gaps), whole, missing)
	return err
}
