package main

import (
	"time"

	"github.com/coingraph/coingraph/bill"
	"github.com/coingraph/coingraph/config"
	"github.com/coingraph/coingraph/fetch"
	"github.com/coingraph/coingraph/fetch/coingecko"
	"github.com/coingraph/coingraph/limit/quota"
)

// openUpstream joins the providers on the quota that replicas share: in Redis, or without it in the database. Each call
// is booked, and quotas whose counts are lost are rebuilt from that.
func (a *App) openUpstream(o AppOptions) error {
	gecko, err := openCoinGecko(a.cfg, o)
	if err != nil {
		return err
	}
	a.ledger = bill.NewLedger(a.store, a.log)
	var keeper quota.Keeper = quota.NewDatabase(a.store)
	if a.redis != nil {
		keeper = quota.NewRedis(a.redis)
	}
	u := a.cfg.Upstream
	a.source = fetch.New(fetch.Options{
		Prices: []fetch.PriceProvider{gecko}, Charts: []fetch.SeriesProvider{gecko}, Catalogue: []fetch.CatalogueProvider{gecko},
		Timeout: u.Timeout, Retries: u.Retries, Backoff: u.Backoff, BackoffMax: u.BackoffMax, Probe: u.Probe,
		Limits: ratesOf(a.cfg.UpstreamLimits), Quota: quota.Options{Keeper: keeper, History: a.ledger.History},
		Now: o.Now, Log: a.log, OnCall: a.book,
	})
	return nil
}

// book puts a call on the bill.
func (a *App) book(c fetch.Call) {
	a.ledger.Book(bill.Call{
		At: time.Now(), Provider: c.Provider, Key: c.Key, Lane: c.Lane, Operation: c.Endpoint, Asset: c.Asset, Caller: c.Caller, Failed: c.Err != nil,
	})
}

func openCoinGecko(cfg config.Config, o AppOptions) (*coingecko.Client, error) {
	keys := make([]string, len(cfg.CoinGecko.Keys))
	for i, k := range cfg.CoinGecko.Keys {
		keys[i] = k.Reveal()
	}
	return coingecko.New(coingecko.Options{
		BaseURL: cfg.CoinGecko.BaseURL, Plan: coingecko.Plan(cfg.CoinGecko.Plan), Keys: keys,
		UserAgent: "coingraph/" + version, Now: o.Now, Log: o.Log,
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
