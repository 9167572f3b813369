package market

import (
	"context"
	"strings"
	"time"

	"github.com/coingraph/coingraph/fault"
	"github.com/coingraph/coingraph/telemetry"
)

// key is the pair's cache key.
func (p Pair) key() string { return keysOf([]Pair{p})[0] }

// keysOf are the pairs' cache keys, which share their text.
func keysOf(pairs []Pair) []string {
	const before, between, after = "price:", ":", ":latest"
	size := len(pairs) * len(before+between+after)
	for _, p := range pairs {
		size += len(p.Asset) + len(p.Currency)
	}
	var text strings.Builder
	text.Grow(size)
	keys := make([]string, len(pairs))
	for i, p := range pairs {
		begin := text.Len()
		text.WriteString(before)
		text.WriteString(p.Asset)
		text.WriteString(between)
		text.WriteString(string(p.Currency))
		text.WriteString(after)
		keys[i] = text.String()[begin:]
	}
	return keys
}

// quoted is what was found out about a pair: its quote, which is nil when it has none. With an error it is the stored
// quote that could not be renewed, if there is one.
type quoted struct {
	quote *Quote
	err   error
}

// priceQuestion is a question for prices, and how old they may be.
type priceQuestion struct {
	*asked[Pair, *Price]
	all       *snapshot
	fresh     Freshness
	start     time.Time
	notBefore time.Time // quotes fetched after this are fresh enough
	ttl       time.Duration
	names     []string // the keys of the distinct pairs
	ending    []Pair   // answered, but not for long
	found     []*Price // what the cache had; nil: nobody wants to know
}

// renewLead is the part of a price's TTL before whose end it is renewed if it is still asked for.
const renewLead = 16

func (s *Service) askPrices(all *snapshot, pairs []Pair, fresh Freshness) *priceQuestion {
	q := &priceQuestion{asked: ask(all, pairs, func(p *Pair) *string { return &p.Asset }, (*Price).named), all: all, fresh: fresh, start: s.opts.Now(), ttl: s.opts.PriceTTL}
	if s.board.prices > 0 {
		q.found = make([]*Price, 0, len(q.distinct))
	}
	q.notBefore = q.start.Add(-q.ttl)
	if fresh.MaxAge > 0 {
		q.notBefore = q.start.Add(-fresh.MaxAge)
	}
	return q
}

// quoted answers for one of the distinct pairs with its quote; nil: it has none.
func (q *priceQuestion) quoted(n int, quote *Quote, err error) {
	p := q.distinct[n]
	if err == nil && quote == nil {
		err = fault.New(fault.NotFound, "%s has no price in %s", p.Asset, p.Currency)
	}
	if err != nil {
		q.answer(n, nil, err)
		return
	}
	q.answer(n, quote.read(q.all.asset(p.Asset), q.ttl, q.start), nil)
}

// readTogether is how many prices are allocated at once.
const readTogether = 32

// take answers what the cache had and gives which of the distinct pairs it lacked.
func (q *priceQuestion) take(hits []CacheHit, tally *telemetry.Tally) (absent []int) {
	var room []Price
	var source string
	var asset Asset
	for i, hit := range hits {
		if hit.Value == nil {
			absent = append(absent, i)
			continue
		}
		if len(room) == 0 {
			room = make([]Price, min(len(hits)-i, readTogether))
		}
		pair, price := &q.distinct[i], &room[0]
		price.Source = source // mostly all have the same
		there, err := decodeQuote(q.names[i], hit.Value, price)
		if err != nil || there && !price.FetchedAt.After(q.notBefore) {
			*price = Price{}
			absent = append(absent, i)
			continue
		}
		tally.Served(tierOf(hit), 1)
		if !there {
			q.quoted(i, nil, nil)
			continue
		}
		room = room[1:]
		if asset.ID != pair.Asset {
			asset = q.all.asset(pair.Asset)
		}
		source = price.Source
		price.read(asset, pair.Currency, q.ttl, q.start)
		q.answer(i, price, nil)
		if q.found != nil {
			q.found = append(q.found, price)
		}
		if q.fresh.MaxAge == 0 && q.start.Sub(price.FetchedAt) > q.ttl-q.ttl/renewLead {
			q.ending = append(q.ending, *pair)
		}
	}
	return absent
}

func (q *priceQuestion) keys() []string {
	q.names = keysOf(q.distinct)
	return q.names
}

// PricesInMemory is [Service.Prices] where this process's memory has all of them: it waits for nobody. Otherwise it is
// false, and nothing was done.
func (s *Service) PricesInMemory(ctx context.Context, pairs []Pair, fresh Freshness) ([]Answer[*Price], bool) {
	if fresh.MaxAge == 0 {
		if hand, answers, ok := s.onBoard(pairs); ok {
			hand.Use(ctx)
			return answers, true
		}
	}
	all := s.catalogue.current.Load()
	if all == nil {
		return nil, false
	}
	q := s.askPrices(all, pairs, fresh)
	tally := new(telemetry.Tally)
	if absent := q.take(s.opts.Cache.Near(q.keys()), tally); len(absent) > 0 {
		return nil, false
	}
	telemetry.TallyOf(ctx).Served(telemetry.Memory, len(q.distinct))
	s.board.touch(q.distinct, q.start)
	s.board.show(q.found, q.start)
	s.renew(ctx, q.ending)
	return q.answers, true
}

// onBoard answers where the board has all of the pairs.
func (s *Service) onBoard(pairs []Pair) (*Hand, []Answer[*Price], bool) {
	hand := s.AtHand()
	answers, ok := hand.Prices(pairs)
	return hand, answers, ok
}

// show puts a quote on the board.
func (s *Service) show(q *Quote) {
	all, now := s.catalogue.current.Load(), s.opts.Now()
	if all == nil || s.board.prices == 0 {
		return
	}
	if _, ok := all.byID[q.Asset]; ok {
		s.board.show([]*Price{q.read(all.asset(q.Asset), s.opts.PriceTTL, now)}, now)
	}
}

// Prices answers for the pairs, index by index. A pair may occur more than once. The errors are faults: NotFound for an
// asset or a pair that does not exist, an upstream kind where the price could not be fetched, and the context's error.
func (s *Service) Prices(ctx context.Context, pairs []Pair, fresh Freshness) []Answer[*Price] {
	if fresh.MaxAge == 0 {
		if hand, answers, ok := s.onBoard(pairs); ok {
			hand.Use(ctx)
			return answers
		}
	}
	return s.BeginPrices(ctx, pairs, fresh)()
}

// BeginPrices begins what [Service.Prices] does, for a caller who has something else to ask Redis before it waits: both go
// there together. Nothing counts as asked for until it waits. It does not look at what is at hand: that is done already.
func (s *Service) BeginPrices(ctx context.Context, pairs []Pair, fresh Freshness) (wait func() []Answer[*Price]) {
	all, err := s.snapshot(ctx)
	if err != nil {
		return func() []Answer[*Price] { return failed[*Price](len(pairs), err) }
	}
	q := s.askPrices(all, pairs, fresh)
	if len(q.distinct) == 0 {
		return func() []Answer[*Price] { return q.answers }
	}
	hits := s.opts.Cache.Begin(ctx, q.keys())
	return func() []Answer[*Price] { return s.prices(ctx, q, hits()) }
}

// prices answers a question, of which the cache had some.
func (s *Service) prices(ctx context.Context, q *priceQuestion, hits []CacheHit) []Answer[*Price] {
	absent := q.take(hits, telemetry.TallyOf(ctx))
	s.board.touch(q.distinct, q.start)
	s.board.show(q.found, q.start)
	s.renew(ctx, q.ending)
	for len(absent) > 0 {
		pairs := make([]Pair, len(absent))
		for i, n := range absent {
			pairs[i] = q.distinct[n]
		}
		calls, mine := s.quotes.claim(pairs)
		if mine != nil {
			s.read(&sought{mine, ctx, q.notBefore, time.Now()})
		}
		var again []int
		for i, c := range calls {
			n := absent[i]
			switch got, err := c.wait(ctx); {
			case err != nil:
				q.quoted(n, nil, err)
			case got.err != nil && !q.consents(got.quote):
				q.quoted(n, nil, got.err)
			case got.err == nil && got.quote != nil && !got.quote.FetchedAt.After(q.notBefore):
				again = append(again, n) // another caller was content with an older one
			default:
				q.quoted(n, got.quote, nil)
			}
		}
		absent = again
	}
	return q.answers
}

// consents tells whether the caller wants this old quote rather than an error.
func (q *priceQuestion) consents(old *Quote) bool {
	return old != nil && q.fresh.StaleIfError > 0 && q.start.Sub(old.FetchedAt) < max(q.ttl, q.fresh.MaxAge)+q.fresh.StaleIfError
}

func tierOf(hit CacheHit) telemetry.Tier {
	if hit.Near {
		return telemetry.Memory
	}
	return telemetry.Redis
}

// offer shows a stored quote, and adds it to what is to be cached, if it is still good.
func (s *Service) offer(entries []CacheEntry, q *Quote) []CacheEntry {
	if !q.FetchedAt.Add(s.opts.PriceTTL).After(s.opts.Now()) {
		return entries
	}
	s.show(q)
	return append(entries, s.quoteEntry(q))
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
