package main

import (
	"context"
	"strings"
	"time"

	"github.com/coingraph/coingraph/fetch"
	"github.com/coingraph/coingraph/jobs"
	"github.com/coingraph/coingraph/limit/quota"
	"github.com/coingraph/coingraph/market"
)

// lanes are the quota's lanes of the kinds of jobs.
var lanes = map[jobs.Kind]quota.Lane{jobs.Refresh: quota.Refresh, jobs.Backfill: quota.Backfill}

// openJobs makes the engine of the jobs, on the server's own providers, cache and database.
func (a *App) openJobs(o AppOptions) error {
	schedule, err := jobs.ParseSchedule(a.cfg.Refresh.Cron)
	if err != nil {
		return misconfigured("REFRESH_CRON", err.Error())
	}
	currencies, err := currenciesOf(a.cfg.Refresh.Currencies)
	if err != nil {
		return err
	}
	a.jobs = jobs.New(jobs.Options{
		Store: a.store, Market: a.market,
		Work: func(k jobs.Kind, l jobs.Lease) *market.Background {
			return a.market.Background(a.source.In(lanes[k]), a.store.Fenced(l))
		},
		Read: a.market.Background(a.source, a.store),
		Wait: func(ctx context.Context, k jobs.Kind, calls map[string]int) (time.Duration, error) {
			return quotaWait(ctx, a.source, lanes[k], calls)
		},
		Budget: func(ctx context.Context, k jobs.Kind) (map[string]int, error) {
			return quotaBudget(ctx, a.source, lanes[k])
		},

		Schedule: schedule, Assets: a.cfg.Refresh.Assets.IDs, Top: a.cfg.Refresh.Assets.Top, Currencies: currencies,
		Concurrency: a.cfg.Refresh.Concurrency, Replica: a.replica, Now: o.Now, Log: a.log, OnEnd: a.jobEnded, Lease: a.cfg.JobLease, Poll: min(2*time.Second, a.cfg.JobLease/2),
	})
	return nil
}

// jobEnded tells the metrics of a run.
func (a *App) jobEnded(r jobs.Run, took time.Duration) {
	outcomes := map[jobs.State]string{jobs.Succeeded: "ok", jobs.Failed: "failed", jobs.Cancelled: "canceled"}
	a.observed.metrics.JobRun(strings.ToLower(string(r.Kind)), outcomes[r.State], took)
}

// quotaWait is how long the quota holds calls to providers up in a lane.
func quotaWait(ctx context.Context, source *fetch.Source, lane quota.Lane, calls map[string]int) (time.Duration, error) {
	all, err := source.Quotas(ctx)
	if err != nil {
		return 0, err
	}
	longest := time.Duration(0)
	for _, s := range all {
		longest = max(longest, s.Wait(lane, calls[s.Provider]))
	}
	return longest, nil
}

// quotaBudget is how many calls a lane may make on a day.
func quotaBudget(ctx context.Context, source *fetch.Source, lane quota.Lane) (map[string]int, error) {
	all, err := source.Quotas(ctx)
	if err != nil {
		return nil, err
	}
	const day = 24 * time.Hour
	budget := make(map[string]int)
	for _, s := range all {
		if calls, limited := s.Budget(lane, day); limited {
			budget[s.Provider] = calls
		}
	}
	return budget, nil
}
