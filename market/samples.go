package market

import (
	"context"
	"slices"
	"time"

	"github.com/coingraph/coingraph/fault"
	"github.com/coingraph/coingraph/telemetry"
)

// SampleRequest asks for the samples of a series as its provider sent them.
type SampleRequest struct {
	SeriesKey
	From, To time.Time // the stamps that are wanted, both included
	Now      bool      // wants the point of now as well
}

// Samples are a series as its provider sent it: its own stamps, which lie around the grid, and its own values. They are
// what the store keeps and what charts are readings of.
type Samples struct {
	Asset    Asset
	Currency Currency
	Interval Interval
	Points   []Sample // ascending by stamp
	// Now is the latest price with its own stamp, which may be older than the last of the points; nil where none is to be
	// had, or where it was not asked for.
	Now        *Sample
	FetchedAt  time.Time
	FreshUntil time.Time // when this answer expires

	tail   *Sample // the provider's own point of now, as of tailAt
	tailAt time.Time
}

// Sample is one of a series' [Point]s, without where it came from.
type Sample struct {
	Stamp     int64 // Unix ms
	Price     float64
	MarketCap float64 // 0 where the provider does not know it; NaN: null
	Volume    float64
	Missing   Missing
}

func (p *Point) sample() Sample { return Sample{p.Stamp, p.Price, p.MarketCap, p.Volume, p.Missing} }

// MaxSamples is how many points one request for samples may span.
const MaxSamples = 10_000

// Genesis is the first instant that can be asked for.
func Genesis() time.Time { return time.UnixMilli(genesis).UTC() }

// Points is how many grid instants the request spans.
func (r SampleRequest) Points() int64 { return r.To.Sub(r.From).Milliseconds() / r.Interval.Step() }

// window are the grid instants whose samples may have the stamps asked for. It ends at the instant after now at the
// latest: what a provider sends early is given, too.
func (r SampleRequest) window(now time.Time) Range {
	i, step := r.Interval, r.Interval.Step()
	from, to := i.Snap(r.From.UnixMilli()), i.Snap(r.To.UnixMilli())
	if i == Daily { // whose samples lie on the grid
		from, to = i.Floor(r.From.UnixMilli()+step-1), i.Floor(r.To.UnixMilli())
	}
	return Range{max(from, genesis), min(to, i.Floor(now.UnixMilli())+step) + step}
}

// key is the cache key of the samples of a window: requests that differ in less than a step share it.
func (w Window) key() string {
	return "samples:" + w.Asset + ":" + string(w.Currency) + ":" + w.Interval.String() + ":" +
		time.UnixMilli(w.From).UTC().Format(time.RFC3339) + "/" + time.UnixMilli(w.To).UTC().Format(time.RFC3339)
}

// Samples reads a series as [Service.Charts] does, from the same cache, rows and providers, and gives it as it was sent.
// The errors are faults as those of [Service.Prices], and fault.UpstreamRange where a provider's plan does not reach
// back so far.
func (s *Service) Samples(ctx context.Context, r SampleRequest) (*Samples, error) {
	all, err := s.snapshot(ctx)
	if err != nil {
		return nil, err
	}
	asked := r.Asset
	r.Asset = all.canonical(asked)
	if err := all.refuse(r.Asset); err != nil {
		return nil, err
	}
	now := s.opts.Now()
	w := Window{r.SeriesKey, r.window(now)}
	found, err := s.samplesOf(ctx, w, all.asset(r.Asset), now)
	if err != nil {
		return nil, err
	}
	found.cut(r.From.UnixMilli(), r.To.UnixMilli())
	if r.Now {
		s.addNow(ctx, found, r.To, now)
	}
	found.Asset.ID = asked
	return found, nil
}

// samplesOf gives the samples of a whole window. They are the caller's own.
func (s *Service) samplesOf(ctx context.Context, w Window, asset Asset, now time.Time) (*Samples, error) {
	hit := s.opts.Cache.Get(ctx, []string{w.key()})[0]
	if hit.Value != nil {
		found, err := decodeSamples(w, asset, hit.Value)
		if err == nil && found.FreshUntil.After(now) {
			telemetry.TallyOf(ctx).Served(tierOf(hit), 1)
			return found, nil
		}
	}
	for {
		got := s.awaitSeries(ctx, []Window{w}, Freshness{}, now)[0]
		l := got.Value
		if got.Err != nil {
			return nil, got.Err
		}
		if !l.window.includes(w.Range) {
			continue // another caller's window was smaller
		}
		due := w.due(now)
		if l.err != nil && len(lacking(due, l.history.Known, s.opts.Source.Providers(w.SeriesKey), now)) > 0 {
			if fault.Is(l.err, fault.UpstreamRejected) {
				return nil, fault.New(fault.NotFound, "%s has no chart in %s", w.Asset, w.Currency)
			}
			return nil, l.err
		}
		if beyondPlan(due, l.history.Known) > w.Interval.Step() { // one instant is the time that a request takes
			return nil, fault.Wrap(fault.UpstreamRange, nil)
		}
		found := readSamples(w, asset, l.history)
		if found.FetchedAt.IsZero() {
			found.FetchedAt = now
		}
		found.FreshUntil = now.Add(s.ttl(w.SeriesKey))
		if next := time.UnixMilli(w.Interval.DueAt(due.To)); due.To < w.To && next.Before(found.FreshUntil) {
			found.FreshUntil = next
		}
		s.opts.Cache.Set(context.WithoutCancel(ctx), []CacheEntry{{w.key(), encodeSamples(w, found), found.FreshUntil.Sub(now)}})
		return found, nil
	}
}

// beyondPlan is how much of a range (ms) is older than what the provider's plan gives.
func beyondPlan(r Range, known []Known) (ms int64) {
	for _, k := range known {
		if part := r.Intersect(k.Range); k.Hole == BeyondPlan && !part.Empty() {
			ms += part.To - part.From
		}
	}
	return ms
}

// readSamples takes the samples of a window out of a series' history.
func readSamples(w Window, asset Asset, h History) *Samples {
	found := &Samples{Asset: asset, Currency: w.Currency, Interval: w.Interval, Points: make([]Sample, 0, len(h.Points))}
	fetched := func(at time.Time) {
		if at.After(found.FetchedAt) {
			found.FetchedAt = at
		}
	}
	for i := range h.Points {
		p := &h.Points[i]
		if w.Contains(w.Interval.Snap(p.Stamp)) {
			found.Points = append(found.Points, p.sample())
			fetched(p.FetchedAt)
		}
	}
	if len(found.Points) == 0 {
		for _, k := range h.Known {
			fetched(k.FetchedAt)
		}
	}
	if h.Tail != nil {
		tail := h.Tail.sample()
		found.tail, found.tailAt = &tail, h.Tail.FetchedAt
	}
	return found
}

// cut leaves the points of from to to, both included.
func (s *Samples) cut(from, to int64) {
	s.Points = slices.DeleteFunc(s.Points, func(p Sample) bool { return p.Stamp < from || p.Stamp > to })
}

// nowSkew is what a provider's clock may be ahead of ours.
const nowSkew = time.Minute

// addNow adds the point of now, if it is not later than to: the provider's own as long as it is as fresh as a price, else
// the price itself. Where there is no price to be had there is no point of now: the rest is none the worse for it.
func (s *Service) addNow(ctx context.Context, found *Samples, to, now time.Time) {
	point, freshUntil := found.tail, found.tailAt.Add(s.opts.PriceTTL)
	if point == nil || !freshUntil.After(now) {
		answer := s.Prices(ctx, []Pair{{found.Asset.ID, found.Currency}}, Freshness{})[0]
		if answer.Err != nil {
			return
		}
		q := answer.Value.Quote()
		point = &Sample{Stamp: q.LastUpdatedAt.UnixMilli(), Price: q.Price, MarketCap: q.MarketCap, Volume: q.Volume24h}
		freshUntil = answer.Value.FreshUntil
		if q.FetchedAt.After(found.FetchedAt) {
			found.FetchedAt = q.FetchedAt
		}
	}
	if point.Stamp > to.Add(nowSkew).UnixMilli() {
		return
	}
	found.Now = point
	if freshUntil.Before(found.FreshUntil) {
		found.FreshUntil = freshUntil
	}
}

// How CoinGecko chooses the step of a chart whose interval is left to it:
// https://docs.coingecko.com/reference/coins-id-market-chart and …/coins-id-market-chart-range.
const (
	maxFineSpan   = 24 * time.Hour
	maxHourlySpan = 90 * 24 * time.Hour
)

// firstHourly is when CoinGecko's hourly samples begin; before there are daily ones only.
var firstHourly = time.Date(2018, 1, 30, 0, 0, 0, 0, time.UTC)

// AutoInterval is CoinGecko's choice of an interval for a span: 5 minutes for up to a day that ends now, hours for up to
// 90 days, days for more.
func AutoInterval(from, to time.Time, live bool) Interval {
	switch span := to.Sub(from); {
	case live && span <= maxFineSpan:
		return FiveMinutely
	case span <= maxHourlySpan && !from.Before(firstHourly):
		return Hourly
	}
	return Daily
}
