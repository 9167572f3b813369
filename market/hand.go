package market

import (
	"context"
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
	expires time.Time
}

// AtHand begins an answer.
func (s *Service) AtHand() *Hand { return &Hand{service: s, now: s.opts.Now()} }

// Price is the pair's price, fresh by the rule for everybody; nil: it is not at hand, which says nothing of whether there
// is one. Asset must be the present id: an old one is never at hand.
func (h *Hand) Price(p Pair) *Price {
	at, price := h.service.board.price(p, h.now)
	if price == nil {
		return nil
	}
	h.places = append(h.places, at)
	renewal := price.FreshUntil.Add(-h.service.opts.PriceTTL / renewLead)
	if !renewal.After(h.now) {
		h.ending = append(h.ending, p)
	}
	h.Until(renewal)
	return price
}

// Until bounds how long the answer may be used again.
func (h *Hand) Until(t time.Time) {
	if h.expires.IsZero() || t.Before(h.expires) {
		h.expires = t
	}
}

// Expires is until when the answer may be used again: nothing in it is then due for renewal. It is past where something is
// already, and zero for an answer that nothing was taken for.
func (h *Hand) Expires() time.Time { return h.expires }

// Use notes that the answer is given to somebody: its prices were asked for, and what is due for renewal is renewed behind
// the caller's back.
func (h *Hand) Use(ctx context.Context) {
	h.Again(ctx, h.now)
	h.service.renew(ctx, h.ending)
}

// Again notes that the answer is given to somebody else, at the time given.
func (h *Hand) Again(ctx context.Context, now time.Time) {
	for _, at := range h.places {
		at.touch(now)
	}
	if n := len(h.places); n > 0 {
		telemetry.TallyOf(ctx).Served(telemetry.Memory, n)
		h.service.opts.Metrics.CacheHits(telemetry.Memory, "price", n)
	}
}
