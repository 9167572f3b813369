package market_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coingraph/coingraph/cache"
	"github.com/coingraph/coingraph/market"
	"github.com/coingraph/coingraph/relay"
	"github.com/coingraph/coingraph/store"
)

// house is a Service on a real store and a real cache, both counted, with a provider made up for the test.
type house struct {
	*market.Service
	t      *testing.T
	clock  *clock
	store  *countedStore
	cache  *countedCache
	source *fakeSource
	leases market.Leases // nil: none
	budget time.Duration // 0: the default
	guard  market.Guard

	documents market.DocumentSource // from the next restart on
}

// clock is a clock that a test moves.
type clock struct{ now atomic.Int64 }

func (c *clock) Now() time.Time          { return time.UnixMilli(c.now.Load()).UTC() }
func (c *clock) Advance(d time.Duration) { c.now.Add(d.Milliseconds()) }
func (c *clock) Set(y int, m time.Month, d, h, min int) {
	c.now.Store(time.Date(y, m, d, h, min, 0, 0, time.UTC).UnixMilli())
}

type countedStore struct {
	market.Store
	quotes, saveQuotes, histories, saveSeries atomic.Int32
	fault                                     atomic.Pointer[error]
	onQuotes, onHistories                     func() // called after a read; nil: nothing
}

func (s *countedStore) down() error {
	if err := s.fault.Load(); err != nil {
		return *err
	}
	return nil
}

func (s *countedStore) Quotes(ctx context.Context, pairs []market.Pair) ([]market.Quote, error) {
	s.quotes.Add(1)
	if err := s.down(); err != nil {
		return nil, err
	}
	quotes, err := s.Store.Quotes(ctx, pairs)
	if s.onQuotes != nil {
		s.onQuotes()
	}
	return quotes, err
}

func (s *countedStore) SaveQuotes(ctx context.Context, quotes []market.Quote) error {
	s.saveQuotes.Add(1)
	if err := s.down(); err != nil {
		return err
	}
	return s.Store.SaveQuotes(ctx, quotes)
}

func (s *countedStore) Histories(ctx context.Context, windows []market.Window) ([]market.History, error) {
	s.histories.Add(1)
	if err := s.down(); err != nil {
		return nil, err
	}
	histories, err := s.Store.Histories(ctx, windows)
	if s.onHistories != nil {
		s.onHistories()
	}
	return histories, err
}

func (s *countedStore) SaveSeries(ctx context.Context, w market.SeriesWrite) error {
	s.saveSeries.Add(1)
	if err := s.down(); err != nil {
		return err
	}
	return s.Store.SaveSeries(ctx, w)
}

type countedCache struct {
	market.Cache
	gets, sets atomic.Int32
}

func (c *countedCache) Get(ctx context.Context, keys []string) []market.CacheHit {
	c.gets.Add(1)
	return c.Cache.Get(ctx, keys)
}

func (c *countedCache) Begin(ctx context.Context, keys []string) func() []market.CacheHit {
	c.gets.Add(1)
	return c.Cache.Begin(ctx, keys)
}

func (c *countedCache) Set(ctx context.Context, entries []market.CacheEntry) {
	c.sets.Add(1)
	c.Cache.Set(ctx, entries)
}

// fakeSource is a provider of func fields.
type fakeSource struct {
	mu      sync.Mutex
	asked   [][]market.Range // what charts were asked for
	quotes  func([]market.Pair) ([]market.Quote, error)
	chart   func(market.SeriesKey, []market.Range) ([]market.Fetched, error)
	assets  func() ([]market.Asset, error)
	offers  []market.Offer
	roomy   bool // a call for prices carries whatever else there is
	nQuotes atomic.Int32
	nCharts atomic.Int32
	nAssets atomic.Int32
}

func (s *fakeSource) Quotes(_ context.Context, pairs []market.Pair) ([]market.Quote, error) {
	s.nQuotes.Add(1)
	return s.quotes(pairs)
}

func (s *fakeSource) Riders(_, more []market.Pair) []market.Pair {
	if !s.roomy {
		return nil
	}
	return more
}

func (s *fakeSource) Offers() []market.Offer { return s.offers }

func (s *fakeSource) Providers(market.SeriesKey) []string { return []string{"test"} }

func (s *fakeSource) Series(_ context.Context, _ string, key market.SeriesKey, missing []market.Range) ([]market.Fetched, error) {
	s.nCharts.Add(1)
	s.mu.Lock()
	s.asked = append(s.asked, missing)
	s.mu.Unlock()
	return s.chart(key, missing)
}

// SeriesStep answers for one of the missing ranges at a time.
func (s *fakeSource) SeriesStep(ctx context.Context, provider string, key market.SeriesKey, missing []market.Range) ([]market.Fetched, bool, error) {
	answers, err := s.Series(ctx, provider, key, missing[:1])
	return answers, len(missing) > 1 && err == nil, err
}

func (s *fakeSource) Calls(_ string, _ market.SeriesKey, missing []market.Range) int {
	return len(missing)
}

func (s *fakeSource) Ranking(_ context.Context, n int) ([]string, error) {
	return []string{"bitcoin", "no-such-asset", "ethereum", "0x"}[:n], nil
}

func (s *fakeSource) Assets(context.Context) ([]market.Asset, error) {
	s.nAssets.Add(1)
	return s.assets()
}

const ttl = time.Minute

func newHouse(t *testing.T) *house {
	t.Helper()
	db, err := store.Open(store.Options{DataDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	h := &house{t: t, clock: new(clock), store: &countedStore{Store: db}, source: new(fakeSource)}
	h.clock.Set(2026, 3, 10, 12, 30)
	h.source.quotes = func(pairs []market.Pair) ([]market.Quote, error) {
		quotes := make([]market.Quote, len(pairs))
		for i, p := range pairs {
			quotes[i] = h.quote(p)
		}
		return quotes, nil
	}
	h.source.chart = func(key market.SeriesKey, missing []market.Range) ([]market.Fetched, error) {
		f := market.Fetched{Covers: market.Range{From: missing[0].From, To: missing[len(missing)-1].To}, Source: "test", FetchedAt: h.clock.Now()}
		for at := f.Covers.From; at < f.Covers.To; at += key.Interval.Step() {
			f.Points = append(f.Points, market.Point{Stamp: at, Price: float64(at), MarketCap: 2, Volume: 3, Source: "test", FetchedAt: f.FetchedAt})
		}
		return []market.Fetched{f}, nil
	}
	h.source.assets = func() ([]market.Asset, error) {
		assets := []market.Asset{{ID: "bitcoin", Symbol: "btc", Name: "Bitcoin"}, {ID: "ethereum", Symbol: "eth", Name: "Ethereum"}, {ID: "bitcoin-cash", Symbol: "bch", Name: "Bitcoin Cash"}, {ID: "0x", Symbol: "zrx", Name: "0x Protocol"}}
		for i := range 300 {
			assets = append(assets, market.Asset{ID: fmt.Sprintf("coin-%03d", i), Symbol: "c", Name: fmt.Sprintf("Coin %d", i)})
		}
		return assets, nil
	}
	h.restart()
	return h
}

// restart is a new process on the same store: an empty cache and no memory of anything.
func (h *house) restart() { h.with(h.source) }

// with is a new process that asks a source.
func (h *house) with(source market.Source) {
	h.cache = &countedCache{Cache: cache.NewMemory(cache.MemoryOptions{MaxBytes: 16 << 20})}
	h.Service = market.NewService(market.Options{
		PriceMemory: 1 << 20,
		Store:       h.store, Source: source, Documents: h.documents, Cache: h.cache, Leases: h.leases, Budget: h.budget, Guard: h.guard, Currencies: market.AllCurrencies(), Now: h.clock.Now, Log: slog.New(slog.DiscardHandler),
		PriceTTL: ttl, DailyTTL: time.Hour, HourlyTTL: 5 * time.Minute, OnChainTTL: time.Hour,
	})
	if _, err := h.Asset(h.t.Context(), "bitcoin"); err != nil { // loads the catalogue, so that it is in nobody's budget
		h.t.Fatal(err)
	}
}

func (h *house) quote(p market.Pair) market.Quote {
	now := h.clock.Now()
	return market.Quote{Pair: p, Price: float64(len(p.Asset)) + 0.1, MarketCap: 1e12, Volume24h: 5, Change24h: -1.5, LastUpdatedAt: now.Add(-10 * time.Second), FetchedAt: now, Source: "test"}
}

// expect asserts a walk's budget since the last call of it.
func (h *house) expect(what string, want budget) {
	h.t.Helper()
	got := budget{
		cacheGets: h.cache.gets.Swap(0), cacheSets: h.cache.sets.Swap(0),
		selects: h.store.quotes.Swap(0) + h.store.histories.Swap(0), saves: h.store.saveQuotes.Swap(0) + h.store.saveSeries.Swap(0),
		calls: h.source.nQuotes.Swap(0) + h.source.nCharts.Swap(0),
	}
	if got != want {
		h.t.Errorf("%s cost %+v, want %+v", what, got, want)
	}
}

// budget is the round trips of a walk.
type budget struct{ cacheGets, cacheSets, selects, saves, calls int32 }

func pairs(currency market.Currency, assets ...string) []market.Pair {
	out := make([]market.Pair, len(assets))
	for i, a := range assets {
		out[i] = market.Pair{Asset: a, Currency: currency}
	}
	return out
}

func chart(asset string, interval market.Interval, days market.Days) market.ChartRequest {
	return market.ChartRequest{SeriesKey: market.SeriesKey{Asset: asset, Currency: "usd", Interval: interval}, Days: days}
}

// position is what stands behind a cursor.
func position(t *testing.T, cursor string) string {
	t.Helper()
	p, bad := relay.After(&cursor)
	if bad != nil {
		t.Fatal(bad)
	}
	return p
}
