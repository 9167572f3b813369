package market

import (
	"context"
	"math"
	"slices"
	"time"

	"github.com/coingraph/coingraph/fault"
	"github.com/coingraph/coingraph/telemetry"
)

// Background buys for work that nobody waits for, by the rules of the read-through: what is known is not bought again, and
// one replica at a time buys of a series. What differs: it asks through a Source of its own lane of the quota, it
// stores each answer before it makes the next call, and a store that does not take one is an error. Its methods are safe for
// concurrent use.
type Background struct {
	service *Service
	source  BulkSource
	store   Store
}

// Background is the service's, on a source and a store of the work's own.
func (s *Service) Background(source BulkSource, store Store) *Background {
	return &Background{s, source, store}
}

// Bought is what a series cost and gave.
type Bought struct {
	Calls      int  // to providers, retries included
	Points     int  // that were not stored before
	Revised    int  // that were stored with other values
	NotOffered bool // no provider has the series
}

// Want is a part of a series that is to be there.
type Want struct {
	Window
	// Again is the instant before which a hole must have been met for it to be asked for again although it is not due; zero:
	// holes are asked for when they are due.
	Again time.Time
	// Days are the answers to renew in the cache, for clients that ask for so many days.
	Days []Days
}

// consider leaves out of what is known the holes that are to be asked for again.
func (w *Want) consider(known []Known) []Known {
	if w.Again.IsZero() {
		return known
	}
	return slices.DeleteFunc(slices.Clone(known), func(k Known) bool {
		return k.Hole != "" && k.Hole != NotListed && k.FetchedAt.Before(w.Again)
	})
}

// Window is the window that so many days of a series mean now.
func (b *Background) Window(key SeriesKey, days Days) Window {
	return Window{key, SeriesRequest{key, days}.window(b.service.opts.Now())}
}

// Offered tells whether there is a provider that may have the series.
func (b *Background) Offered(key SeriesKey) bool {
	return !key.OnChain() || offers(b.source.Offers(), key)
}

// Offers are the on-chain metrics that there are.
func (b *Background) Offers() []Offer { return b.source.Offers() }

// planChunk is how many series' knowledge is read at once.
const planChunk = 200

// Plan tells for each want how many calls it will cost, by the provider's name, as far as that can be known without making
// one; nothing: all of it is there. It makes none. The calls of a further provider are counted only for what is known to lack
// from those before it.
func (b *Background) Plan(ctx context.Context, wants []Want) ([]map[string]int, error) {
	calls := make([]map[string]int, 0, len(wants))
	now := b.service.opts.Now()
	for part := range slices.Chunk(wants, planChunk) {
		known, err := b.known(ctx, part)
		if err != nil {
			return nil, err
		}
		for i, w := range part {
			var plan map[string]int
			k, providers := w.consider(known[i]), b.source.Providers(w.SeriesKey)
			hoped := []Range(nil) // what a provider before is asked for
			for rank, provider := range providers {
				lack := wanted(w.Range, k, providers, rank, now)
				for _, r := range hoped {
					lack = Subtract(lack, r)
				}
				if len(lack) == 0 || !b.Offered(w.SeriesKey) {
					continue
				}
				hoped = append(hoped, lack...)
				if plan == nil {
					plan = make(map[string]int)
				}
				plan[provider] += b.source.Calls(provider, w.SeriesKey, lack)
			}
			calls = append(calls, plan)
		}
	}
	return calls, nil
}

// known is what is known of the wants' series. No points are read.
func (b *Background) known(ctx context.Context, wants []Want) ([][]Known, error) {
	windows := make([]Window, len(wants))
	for i, w := range wants {
		windows[i] = Window{SeriesKey: w.SeriesKey}
	}
	histories, err := b.store.Histories(ctx, windows)
	if err != nil {
		return nil, err
	}
	known := make([][]Known, len(wants))
	for i, h := range histories {
		known[i] = h.Known
	}
	return known, nil
}

// Fill buys what lacks of a series. What was bought before an error is stored; called again, it goes on from there. The
// errors are faults of the upstream kinds and the store's.
func (b *Background) Fill(ctx context.Context, w Want) (bought Bought, err error) {
	if !b.Offered(w.SeriesKey) {
		return Bought{NotOffered: true}, nil
	}
	ctx, tally := telemetry.WithTally(ctx)
	defer func() { bought.Calls = tally.UpstreamCalls() }()
	for { // two jobs may want the same, and without Redis there are no claims
		if _, busy := b.service.filling.LoadOrStore(w.SeriesKey, struct{}{}); !busy {
			break
		}
		if !pause(ctx, pollDelay()) {
			return bought, elsewhere(ctx)
		}
	}
	defer b.service.filling.Delete(w.SeriesKey)
	key := w.key()
	claims, release := b.service.claim(ctx, []string{key})
	for claims[0] == Held { // another replica is buying of it for its clients
		if !pause(ctx, pollDelay()) {
			return bought, elsewhere(ctx)
		}
		claims, release = b.service.claim(ctx, []string{key})
	}
	defer func() { release([]string{key}, err == nil) }()
	if err := b.fill(ctx, &w, &bought); err != nil || bought.NotOffered {
		return bought, err
	}
	return bought, b.renew(ctx, &w)
}

func (b *Background) fill(ctx context.Context, w *Want, bought *Bought) error {
	all, err := b.known(ctx, []Want{*w})
	if err != nil {
		return err
	}
	known, providers := all[0], b.source.Providers(w.SeriesKey)
	now := b.service.opts.Now()
	refusals := 0
	var first error
	for rank, provider := range providers {
		stalled := false
		for {
			wants := wanted(w.Range, w.consider(known), providers, rank, now)
			if len(wants) == 0 {
				break
			}
			answers, more, err := b.ask(ctx, provider, w.SeriesKey, wants, stalled)
			if isRefusal(err) {
				refusals++
				if rank > 0 || w.OnChain() {
					refused := SeriesWrite{SeriesKey: w.SeriesKey, Fetched: Fetched{Source: provider, FetchedAt: now}, Known: notOffered(wants, provider, now)}
					if known, err = b.save(ctx, refused, known, bought); err != nil {
						return err
					}
				}
				break
			}
			given := givenBefore(known, providers, rank, now)
			for i, f := range answers {
				fresh := knowledge(w.SeriesKey, f, known)
				if err == nil && !more && i == len(answers)-1 {
					fresh = append(fresh, unanswered(wants, answers, known)...)
				}
				f.Points = slices.DeleteFunc(f.Points, func(p Point) bool { return given(w.Interval.Snap(p.Stamp)) })
				var failed error
				if known, failed = b.save(ctx, SeriesWrite{SeriesKey: w.SeriesKey, Fetched: f, Known: fresh}, known, bought); failed != nil {
					return failed
				}
			}
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if err != nil {
				if first == nil {
					first = err
				}
				break
			}
			if !more {
				break
			}
			// A call that told nothing of what is wanted must not be made for ever.
			left := wanted(w.Range, w.consider(known), providers, rank, now)
			stalled = len(answers) > 0 && slices.Equal(left, wants)
		}
	}
	bought.NotOffered = first == nil && refusals > 0 && refusals == len(providers)
	if first != nil && len(lacking(w.Range, known, providers, now)) == 0 {
		return nil // another provider had it
	}
	return first
}

// ask asks a provider for one answer; or, whole, for all there are.
func (b *Background) ask(ctx context.Context, provider string, key SeriesKey, wants []Range, whole bool) (answers []Fetched, more bool, err error) {
	asked := refused{provider, key}
	if err := b.service.refusals.of(asked); err != nil {
		return nil, false, err
	}
	if whole {
		answers, err = b.source.Series(ctx, provider, key, wants)
	} else {
		answers, more, err = b.source.SeriesStep(ctx, provider, key, wants)
	}
	b.service.refusals.remember(asked, err)
	if err == nil && !more && len(answers) == 0 {
		err = fault.New(fault.UpstreamNonsense, "")
	}
	return answers, more, err
}

// save stores an answer whole with what is known because of it, counts its points, and gives what is known then.
func (b *Background) save(ctx context.Context, w SeriesWrite, known []Known, bought *Bought) ([]Known, error) {
	var stored map[int64]Point
	if len(w.Points) > 0 {
		reach := Range{w.Interval.Snap(w.Points[0].Stamp), w.Interval.Snap(w.Points[len(w.Points)-1].Stamp) + w.Interval.Step()}
		if slices.ContainsFunc(known, func(k Known) bool { return k.Hole == "" && !k.Intersect(reach).Empty() }) {
			histories, err := b.store.Histories(ctx, []Window{{w.SeriesKey, reach}})
			if err != nil {
				return known, err
			}
			stored = make(map[int64]Point, len(histories[0].Points))
			slots(histories[0].Points, w.Interval, reach, func(slot int64, p *Point) { stored[slot] = *p })
		}
	}
	if err := b.store.SaveSeries(ctx, w); err != nil {
		return known, err
	}
	slots(w.Points, w.Interval, Range{math.MinInt64, math.MaxInt64}, func(slot int64, p *Point) {
		switch old, ok := stored[slot]; {
		case !ok:
			bought.Points++
		case !sameValues(old, *p):
			bought.Revised++
		}
	})
	return MergeKnown(known, w.Known), nil
}

func sameValues(a, b Point) bool {
	same := func(a, b float64) bool { return a == b || a != a && b != b }
	return same(a.Price, b.Price) && same(a.MarketCap, b.MarketCap) && same(a.Volume, b.Volume)
}

// renew puts the answers for the wanted numbers of days into the cache, those that are whole.
func (b *Background) renew(ctx context.Context, w *Want) error {
	if len(w.Days) == 0 {
		return nil
	}
	s, now := b.service, b.service.opts.Now()
	widest := w.Range
	for _, d := range w.Days {
		widest.From = min(widest.From, SeriesRequest{w.SeriesKey, d}.window(now).From)
	}
	histories, err := b.store.Histories(ctx, []Window{{w.SeriesKey, widest}})
	if err != nil {
		return err
	}
	all, err := s.snapshot(ctx)
	if err != nil || all.refuse(w.Asset) != nil {
		return nil //nolint:nilerr // then nobody can ask for it
	}
	var entries []CacheEntry
	for _, d := range w.Days {
		r := SeriesRequest{w.SeriesKey, d}
		if w.OnChain() {
			entries = appendEntry(entries, s, metrics{b.source.Offers()}, r, all.asset(w.Asset), histories[0], now)
		} else {
			entries = appendEntry(entries, s, charts{}, r, all.asset(w.Asset), histories[0], now)
		}
	}
	s.keep(ctx, entries)
	return nil
}

func appendEntry[V readable](entries []CacheEntry, s *Service, kind kind[V], r SeriesRequest, asset Asset, h History, now time.Time) []CacheEntry {
	window, providers := r.window(now), s.opts.Source.Providers(r.SeriesKey)
	if len(missing(window, h.Known, providers, now)) > 0 {
		return entries
	}
	v := kind.read(r, asset, h, window, providers)
	read := v.reading()
	if read.FetchedAt.IsZero() {
		read.FetchedAt = now
	}
	read.FreshUntil = s.freshUntil(r, window, now)
	return append(entries, CacheEntry{r.key(), kind.encode(r, v), read.FreshUntil.Sub(now)})
}

// Quotes renews the pairs' prices that are older than their TTL and were fetched before an instant, and gives those that have
// none. With an error, those that could be had are stored.
func (b *Background) Quotes(ctx context.Context, pairs []Pair, since time.Time) (calls int, without []Pair, err error) {
	ctx, tally := telemetry.WithTally(ctx)
	defer func() { calls = tally.UpstreamCalls() }()
	s := b.service
	stored, err := b.store.Quotes(ctx, pairs)
	if err != nil {
		return 0, nil, err
	}
	have := make(map[Pair]Quote, len(stored))
	for _, q := range stored {
		have[q.Pair] = q
	}
	notBefore := s.opts.Now().Add(-s.opts.PriceTTL)
	if since.Before(notBefore) {
		notBefore = since
	}
	lacking := slices.DeleteFunc(slices.Clone(pairs), func(p Pair) bool { return have[p].FetchedAt.After(notBefore) })
	if len(lacking) == 0 {
		return 0, nil, nil
	}
	fetched, err := b.source.Quotes(ctx, lacking)
	if len(fetched) > 0 {
		if failed := b.store.SaveQuotes(ctx, fetched); failed != nil {
			return 0, nil, failed
		}
		entries := make([]CacheEntry, len(fetched))
		for i := range fetched {
			q := &fetched[i]
			if old, ok := have[q.Pair]; ok {
				*q = Newer(old, *q)
			}
			have[q.Pair] = *q
			entries[i] = s.quoteEntry(q)
		}
		s.keep(ctx, entries)
	}
	if err != nil {
		return 0, nil, err
	}
	for _, p := range lacking {
		if !have[p].FetchedAt.After(notBefore) {
			without = append(without, p)
		}
	}
	return 0, without, nil
}

// Catalogue renews the list of assets, if the stored one is not of the last hours.
func (b *Background) Catalogue(ctx context.Context) (calls int, err error) {
	ctx, tally := telemetry.WithTally(ctx)
	defer func() { calls = tally.UpstreamCalls() }()
	s := b.service
	_, at, err := b.store.Catalogue(ctx, s.opts.Now())
	if err != nil || s.opts.Now().Sub(at) <= catalogueAge {
		return 0, err
	}
	assets, err := b.source.Assets(ctx)
	if err != nil {
		return 0, err
	}
	fresh := newSnapshot(assets, s.opts.Now())
	if err := b.store.SaveCatalogue(ctx, fresh.assets, fresh.fetchedAt); err != nil {
		return 0, err
	}
	s.catalogue.current.Store(fresh)
	return 0, nil
}

// Ranking are the ids of the assets with the largest market caps that the catalogue has.
func (b *Background) Ranking(ctx context.Context, n int) (ids []string, calls int, err error) {
	all, err := b.service.snapshot(ctx)
	if err != nil {
		return nil, 0, err
	}
	ctx, tally := telemetry.WithTally(ctx)
	ids, err = b.source.Ranking(ctx, n)
	return slices.DeleteFunc(ids, func(id string) bool { return all.refuse(id) != nil }), tally.UpstreamCalls(), err
}
