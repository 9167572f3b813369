package market

import (
	"context"
	"time"

	"github.com/coingraph/coingraph/fault"
	"github.com/coingraph/coingraph/telemetry"
)

// key is the pair's cache key.
func (p Pair) key() string { return "price:" + p.Asset + ":" + string(p.Currency) + ":latest" }

// quoted is what was found out about a pair: its quote, which is nil when it has none. With an error it is the stored
// quote that could not be renewed, if there is one.
type quoted struct {
	quote *Quote
	err   error
}

// Prices answers for the pairs, index by index. A pair may occur more than once. The errors are faults: NotFound for an
// asset or a pair that does not exist, an upstream kind where the price could not be fetched, and the context's error.
func (s *Service) Prices(ctx context.Context, pairs []Pair, fresh Freshness) []Answer[*Price] {
	answers := make([]Answer[*Price], len(pairs))
	all, err := s.snapshot(ctx)
	if err != nil {
		for i := range answers {
			answers[i].Err = err
		}
		return answers
	}

	// Distinct pairs that can exist, and where each is asked for.
	at := make(map[Pair][]int, len(pairs))
	wanted := make([]Pair, 0, len(pairs))
	for i, p := range pairs {
		if _, known := all.byID[p.Asset]; !known {
			answers[i].Err = unknownAsset(p.Asset)
			continue
		}
		if _, seen := at[p]; !seen {
			wanted = append(wanted, p)
		}
		at[p] = append(at[p], i)
	}
	answer := func(p Pair, q *Quote, err error) {
		if err == nil && q == nil {
			err = fault.New(fault.NotFound, "%s has no price in %s", p.Asset, p.Currency)
		}
		var price *Price
		if err == nil {
			price = q.read(all.asset(p.Asset), s.opts.PriceTTL, s.opts.Now())
		}
		for _, i := range at[p] {
			answers[i] = Answer[*Price]{price, err}
		}
	}

	start := s.opts.Now()
	notBefore := start.Add(-max(fresh.MaxAge, 0))
	if fresh.MaxAge == 0 {
		notBefore = start.Add(-s.opts.PriceTTL)
	}
	absent := s.cachedQuotes(ctx, wanted, notBefore, answer)
	for len(absent) > 0 {
		calls := s.quotes.join(absent, func(owned []Pair, settle func(Pair, quoted, error)) {
			ctx, cancel := s.detach(ctx)
			defer cancel()
			defer settleOnPanic(s, owned, settle)
			s.loadQuotes(ctx, owned, notBefore, func(p Pair, q quoted) { settle(p, q, nil) })
		})
		var again []Pair
		for i, c := range calls {
			p := absent[i]
			switch got, err := c.wait(ctx); {
			case err != nil:
				answer(p, nil, err)
			case got.err != nil && !s.consents(got.quote, fresh, start):
				answer(p, nil, got.err)
			case got.err == nil && got.quote != nil && !got.quote.FetchedAt.After(notBefore):
				again = append(again, p) // another caller was content with an older one
			default:
				answer(p, got.quote, nil)
			}
		}
		absent = again
	}
	return answers
}

// consents tells whether the caller wants this old quote rather than an error.
func (s *Service) consents(q *Quote, fresh Freshness, now time.Time) bool {
	return q != nil && fresh.StaleIfError > 0 && now.Sub(q.FetchedAt) < max(s.opts.PriceTTL, fresh.MaxAge)+fresh.StaleIfError
}

// cachedQuotes answers what the cache has, if it was fetched after the time given, and gives the pairs it lacks.
func (s *Service) cachedQuotes(ctx context.Context, pairs []Pair, notBefore time.Time, answer func(Pair, *Quote, error)) (absent []Pair) {
	if len(pairs) == 0 {
		return nil
	}
	keys := make([]string, len(pairs))
	for i, p := range pairs {
		keys[i] = p.key()
	}
	tally := telemetry.TallyOf(ctx)
	for i, hit := range s.opts.Cache.Get(ctx, keys) {
		if hit.Value != nil {
			q, err := decodeQuote(pairs[i], hit.Value)
			if err == nil && (q == nil || q.FetchedAt.After(notBefore)) {
				tally.Served(tierOf(hit), 1)
				answer(pairs[i], q, nil)
				continue
			}
		}
		absent = append(absent, pairs[i])
	}
	return absent
}

func tierOf(hit CacheHit) telemetry.Tier {
	if hit.Near {
		return telemetry.Memory
	}
	return telemetry.Redis
}

// loadQuotes answers for pairs that the cache lacks: one visit to the database for all, one question to the providers for
// what is absent or too old there, one visit to save that, one to the cache.
func (s *Service) loadQuotes(ctx context.Context, pairs []Pair, notBefore time.Time, settle func(Pair, quoted)) {
	stored := make(map[Pair]*Quote, len(pairs))
	s.visitStore(ctx, "quotes", func(ctx context.Context) error {
		rows, err := s.opts.Store.Quotes(ctx, pairs)
		for i := range rows {
			stored[rows[i].Pair] = &rows[i]
		}
		return err
	})

	var entries []CacheEntry
	found := make(map[Pair]quoted, len(pairs))
	var old []Pair
	for _, p := range pairs {
		q := stored[p]
		if q == nil || !q.FetchedAt.After(notBefore) {
			old = append(old, p)
			continue
		}
		found[p] = quoted{quote: q}
		entries = append(entries, s.quoteEntry(q))
	}
	tally := telemetry.TallyOf(ctx)
	tally.Served(telemetry.Database, len(found))
	if len(old) > 0 {
		tally.Served(telemetry.Upstream, len(old))
		entries = append(entries, s.fetchQuotes(ctx, old, stored, found)...)
	}
	// Cached before the flight lands: whoever comes later finds it there, and does not begin anew.
	s.opts.Cache.Set(ctx, entries)
	for _, p := range pairs {
		settle(p, found[p])
	}
}

// fetchQuotes asks the providers for the pairs and saves what they gave, before anybody is answered. It fills found and
// gives what is to be cached.
func (s *Service) fetchQuotes(ctx context.Context, pairs []Pair, stored map[Pair]*Quote, found map[Pair]quoted) []CacheEntry {
	fetched, err := s.opts.Source.Quotes(ctx, pairs)
	entries := make([]CacheEntry, 0, len(fetched))
	for i := range fetched {
		q := &fetched[i]
		if old := stored[q.Pair]; old != nil {
			*q = Newer(*old, *q)
		}
		found[q.Pair] = quoted{quote: q}
		entries = append(entries, s.quoteEntry(q))
	}
	if len(fetched) > 0 {
		s.visitStore(ctx, "save quotes", func(ctx context.Context) error { return s.opts.Store.SaveQuotes(ctx, fetched) })
	}
	for _, p := range pairs {
		if _, ok := found[p]; ok {
			continue
		}
		if err != nil {
			found[p] = quoted{stored[p], err}
			continue
		}
		entries = append(entries, CacheEntry{p.key(), encodeQuote(p, nil), s.opts.PriceTTL})
	}
	return entries
}

func (s *Service) quoteEntry(q *Quote) CacheEntry {
	return CacheEntry{q.key(), encodeQuote(q.Pair, q), q.FetchedAt.Add(s.opts.PriceTTL).Sub(s.opts.Now())}
}

// unknownAsset is the fault of an id that the catalogue does not have.
func unknownAsset(id string) error { return fault.New(fault.NotFound, "there is no asset %q", id) }

// Freshness reads what a caller wrote: a maximum age below the floor counts as the floor.
func (s *Service) Freshness(in *FreshnessInput, admin bool) Freshness {
	var f Freshness
	if in == nil {
		return f
	}
	if in.MaxAgeSeconds != nil {
		f.MaxAge = max(time.Duration(*in.MaxAgeSeconds)*time.Second, time.Nanosecond)
		if !admin {
			f.MaxAge = max(f.MaxAge, s.opts.PriceTTL)
		}
	}
	if in.StaleIfErrorSeconds != nil {
		f.StaleIfError = time.Duration(*in.StaleIfErrorSeconds) * time.Second
	}
	return f
}
