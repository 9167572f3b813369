package market

import (
	"context"
	"slices"
	"time"

	"github.com/coingraph/coingraph/telemetry"
)

// Hand takes prices from what this process has at hand, for one answer. What it has taken counts as asked for once
// [Hand.Use] is called, and again each time that the answer is used again.
type Hand struct {
	service *Service
	now     time.Time
	places  []*boardPlace
	ending  []Pair
	charts  []ChartRequest
	metrics []MetricRequest
	expires time.Time
	all     *snapshot // the catalogue
}

// AtHand begins an answer.
func (s *Service) AtHand() *Hand {
	return &Hand{service: s, now: s.opts.Now(), all: s.catalogue.current.Load()}
}

// Ready tells whether there is a catalogue yet: without one, nothing can be asked without waiting for it.
func (h *Hand) Ready() bool { return h.all != nil }

// Now is when the answer was begun.
func (h *Hand) Now() time.Time { return h.now }

// Take puts into found the pairs' prices that are at hand, fresh by the rule for everybody, index by index, and gives the
// indices of the others. That a price is not at hand says nothing of whether there is one. Assets must be named by their present
// ids: an old one is never at hand.
func (h *Hand) Take(pairs []Pair, found []*Price) (lacking []int) {
	if h.service.board.prices == 0 { // none ever is
		lacking = make([]int, 0, len(pairs))
		for i := range pairs {
			lacking = append(lacking, i)
		}
		return lacking
	}
	h.places = slices.Grow(h.places, len(pairs))
	lead := h.service.opts.PriceTTL / renewLead
	var asset string
	var of []boardPlaced // its places
	for i, p := range pairs {
		if p.Asset != asset {
			asset, of = p.Asset, h.service.board.of(p.Asset)
		}
		var price *Price
		at := in(of, p.Currency)
		if at != nil {
			price = at.price.Load()
		}
		if price == nil || !price.FreshUntil.After(h.now) {
			found[i], lacking = nil, append(lacking, i)
			continue
		}
		found[i] = price
		h.places = append(h.places, at)
		renewal := price.FreshUntil.Add(-lead)
		if !renewal.After(h.now) {
			h.ending = append(h.ending, pairs[i])
		}
		h.Until(renewal)
	}
	return lacking
}

// Prices are the prices of all of the pairs, index by index. Where one of them is not at hand it is false, and none is taken.
func (h *Hand) Prices(pairs []Pair) ([]Answer[*Price], bool) {
	before, found := *h, make([]*Price, len(pairs))
	if len(h.Take(pairs, found)) > 0 {
		*h = before
		return nil, false
	}
	answers := make([]Answer[*Price], len(pairs))
	for i, p := range found {
		answers[i].Value = p
	}
	return answers, true
}

// Series are the charts and metrics that the answer has too. They count as asked for already.
func (h *Hand) Series(charts []ChartRequest, metrics []MetricRequest) {
	h.charts, h.metrics = charts, metrics
}

// Until bounds how long the answer may be used again.
func (h *Hand) Until(t time.Time) {
	if h.expires.IsZero() || t.Before(h.expires) {
		h.expires = t
	}
}

// answersFor bounds how long an answer is used again, whatever the TTL of what is in it: so soon does a chart that was
// mended meanwhile (a refresh, a backfill, a point released from quarantine) show everywhere.
const answersFor = 10 * time.Second

// Usable tells whether the answer may be used again: nothing in it is due for renewal, and the catalogue is the same.
func (h *Hand) Usable(now time.Time) bool {
	return now.Before(h.expires) && now.Sub(h.now) < answersFor && h.all == h.service.catalogue.current.Load()
}

// Expires is when the first of what is in the answer is due for renewal; zero: nothing is in it.
func (h *Hand) Expires() time.Time { return h.expires }

// Use notes that the answer is given to somebody: its prices were asked for, and what is due for renewal is renewed behind
// the caller's back.
func (h *Hand) Use(ctx context.Context) {
	h.touch(ctx, h.now)
	h.service.renew(ctx, h.ending)
}

// Again notes that the answer is given to somebody else, at the time given.
func (h *Hand) Again(ctx context.Context, now time.Time) {
	h.touch(ctx, now)
	s, tally := h.service, telemetry.TallyOf(ctx)
	s.demand.series(h.charts)
	s.demand.series(h.metrics)
	s.opts.Metrics.CacheHits(telemetry.Memory, "chart", len(h.charts))
	s.opts.Metrics.CacheHits(telemetry.Memory, "onchain", len(h.metrics))
	tally.Served(telemetry.Memory, len(h.charts)+len(h.metrics))
}

func (h *Hand) touch(ctx context.Context, now time.Time) {
	counts := sampled()
	for _, at := range h.places {
		at.touch(now, counts)
	}
	if n := len(h.places); n > 0 {
		telemetry.TallyOf(ctx).Served(telemetry.Memory, n)
		h.service.opts.Metrics.CacheHits(telemetry.Memory, "price", n)
	}
}
