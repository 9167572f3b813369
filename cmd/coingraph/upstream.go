package main

import (
	"time"

	"github.com/coingraph/coingraph/bill"
	"github.com/coingraph/coingraph/config"
	"github.com/coingraph/coingraph/fetch"
	"github.com/coingraph/coingraph/limit/quota"
)

// openUpstream joins the providers on the quota that replicas share: in Redis, or without it in the database. Each call
// is booked, and quotas whose counts are lost are rebuilt from that.
func (a *App) openUpstream(o AppOptions) error {
	options, err := providersOf(a.cfg, o)
	if err != nil {
		return err
	}
	a.ledger = bill.NewLedger(a.store, a.log)
	var keeper quota.Keeper = quota.NewDatabase(a.store)
	if a.redis != nil {
		keeper = quota.NewRedis(a.redis)
	}
	u := a.cfg.Upstream
	options.Timeout, options.Retries, options.Backoff, options.BackoffMax, options.Probe = u.Timeout, u.Retries, u.Backoff, u.BackoffMax, u.Probe
	options.Limits, options.Quota = ratesOf(a.cfg.UpstreamLimits), quota.Options{Keeper: keeper, History: a.ledger.History}
	options.Now, options.Log, options.OnCall = o.Now, a.log, a.book
	a.source = fetch.New(options)
	return nil
}

// book puts a call on the bill, and into the metrics.
func (a *App) book(c fetch.Call) {
	a.observed.called(c)
	a.ledger.Book(bill.Call{
		At: time.Now(), Provider: c.Provider, Key: c.Key, Lane: c.Lane, Operation: c.Endpoint, Asset: c.Asset, Caller: c.Caller, Failed: c.Err != nil,
	})
}

func ratesOf(limits map[string][]config.Rate) map[string][]quota.Rate {
	rates := make(map[string][]quota.Rate, len(limits))
	for provider, all := range limits {
		for _, r := range all {
			rates[provider] = append(rates[provider], quota.Rate{Max: r.Max, Per: r.Per})
		}
	}
	return rates
}
