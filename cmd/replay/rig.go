package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/coingraph/coingraph/cache"
	"github.com/coingraph/coingraph/fetch"
	"github.com/coingraph/coingraph/fetch/coingecko"
	"github.com/coingraph/coingraph/fetch/simulator"
	"github.com/coingraph/coingraph/market"
	"github.com/coingraph/coingraph/store"
)

// rig is the replicas and what they share.
type rig struct {
	options
	clock    clock
	sim      *simulator.Simulator
	server   *httptest.Server
	redis    redis.UniversalClient
	database *store.Store
	services []*market.Service
}

// clock runs at a speed of its own.
type clock struct {
	begin, start time.Time // on the wall, and by this clock
	speed        float64
}

func (c clock) Now() time.Time {
	return c.start.Add(time.Duration(float64(time.Since(c.begin)) * c.speed)).UTC()
}

// wait waits until the clock shows a time.
func (c clock) wait(ctx context.Context, at time.Time) bool {
	select {
	case <-time.After(time.Duration(float64(at.Sub(c.Now())) / c.speed)):
		return true
	case <-ctx.Done():
		return false
	}
}

func newRig(ctx context.Context, o options) (_ *rig, err error) {
	r := &rig{options: o}
	defer func() {
		if err != nil {
			r.close()
		}
	}()
	r.clock = clock{time.Now(), time.Now(), o.speed}
	r.sim = simulator.New(simulator.Options{Seed: o.seed, Now: r.clock.Now, Assets: assets(o.assets)})
	r.server = httptest.NewServer(r.sim)
	url := cmp.Or(os.Getenv("REDIS_URL"), os.Getenv("TEST_REDIS_URL"))
	if url == "" {
		return nil, errors.New("REDIS_URL is not set")
	}
	if r.redis, err = cache.OpenPatient(url, 10*time.Second); err != nil {
		return nil, err
	}
	if err := r.redis.FlushDB(ctx).Err(); err != nil {
		return nil, fmt.Errorf("the Redis cannot be emptied: %w", err)
	}
	dir, err := os.MkdirTemp("", "replay")
	if err != nil {
		return nil, err
	}
	// An embedded database serves the replicas of one process as well as Postgres would.
	if r.database, err = store.Open(store.Options{DataDir: dir}); err != nil {
		return nil, err
	}
	if err := r.database.Migrate(ctx); err != nil {
		return nil, err
	}
	quiet := slog.New(slog.DiscardHandler)
	for range o.replicas {
		gecko, err := coingecko.New(coingecko.Options{BaseURL: r.server.URL + "/api/v3", Plan: coingecko.Public, Now: r.clock.Now})
		if err != nil {
			return nil, err
		}
		shared := cache.NewRedis(r.redis, cache.RedisOptions{Timeout: 3 * time.Second, Log: quiet})
		r.services = append(r.services, market.NewService(market.Options{
			Store:  r.database,
			Source: fetch.New(fetch.Options{Prices: []fetch.PriceProvider{gecko}, Charts: []fetch.SeriesProvider{gecko}, Catalogue: []fetch.CatalogueProvider{gecko}, Now: r.clock.Now, Log: quiet}),
			Cache:  scaled{cache.NewTiered(cache.NewMemory(cache.MemoryOptions{}), shared, cache.TieredOptions{}), o.speed},
			Leases: cache.NewLeases(shared), Currencies: market.AllCurrencies(), Now: r.clock.Now, Log: quiet,
			PriceTTL: priceTTL, HourlyTTL: hourlyTTL, DailyTTL: dailyTTL,
		}))
		if _, err := r.services[len(r.services)-1].Asset(ctx, assetID(0)); err != nil { // loads the catalogue
			return nil, err
		}
	}
	return r, nil
}

// scaled is a cache whose entries live as long by the fast clock as their TTL says.
type scaled struct {
	market.Cache
	speed float64
}

func (s scaled) Set(ctx context.Context, entries []market.CacheEntry) {
	for i := range entries {
		entries[i].TTL = time.Duration(float64(entries[i].TTL) / s.speed)
	}
	s.Cache.Set(ctx, entries)
}

// assets are made up: the trace asks for more than the simulator has.
func assets(n int) []simulator.Asset {
	list := make([]simulator.Asset, n)
	for i := range list {
		id := assetID(i)
		list[i] = simulator.Asset{ID: id, Symbol: id[5:], Name: "Coin " + id[5:], Price: float64(1 + i), Supply: 1e6, Listed: time.Date(2016, 1, 1, 0, 0, 0, 0, time.UTC), Kind: simulator.Alt}
	}
	return list
}

// play asks the questions when they are due, replica by replica in turn, and gives how many failed.
func (r *rig) play(ctx context.Context, questions []question) (failed int64) {
	var n atomic.Int64
	var group sync.WaitGroup
	r.sim.ResetCalls()
	for i, q := range questions {
		if !r.clock.wait(ctx, q.at) {
			break
		}
		group.Go(func() {
			if err := ask(ctx, r.services[i%len(r.services)], q); err != nil {
				n.Add(1)
			}
		})
	}
	group.Wait()
	return n.Load()
}

func ask(ctx context.Context, s *market.Service, q question) error {
	if q.assets == nil {
		return s.Charts(ctx, []market.ChartRequest{q.chart}, market.Freshness{})[0].Err
	}
	pairs := make([]market.Pair, len(q.assets))
	for i, a := range q.assets {
		pairs[i] = market.Pair{Asset: a, Currency: "usd"}
	}
	for _, answer := range s.Prices(ctx, pairs, market.Freshness{}) {
		if answer.Err != nil {
			return answer.Err
		}
	}
	return nil
}

func (r *rig) spent() calls {
	var c calls
	for endpoint, n := range r.sim.Counts() {
		switch endpoint {
		case "/simple/price":
			c.prices += n
		case "/coins/list":
		default:
			c.charts += n
		}
	}
	return c
}

func (r *rig) close() {
	if r.server != nil {
		r.server.Close()
	}
	if r.redis != nil {
		_ = r.redis.Close()
	}
	if r.database != nil {
		_ = r.database.Close()
	}
}
