package market_test

import (
	"slices"
	"testing"
	"time"

	"github.com/coingraph/coingraph/fault"
	"github.com/coingraph/coingraph/market"
)

// withSpike has the provider send prices near 100, but for 5000 at one instant.
func (h *house) withSpike(at int64) {
	calm := h.source.chart
	h.source.chart = func(key market.SeriesKey, missing []market.Range) ([]market.Fetched, error) {
		answers, err := calm(key, missing)
		for i, p := range answers[0].Points {
			answers[0].Points[i].Price = 100
			if p.Stamp == at {
				answers[0].Points[i].Price = 5000
			}
		}
		return answers, err
	}
	h.guard = market.Guard{Factor: 20}
	h.restart()
}

// TestQuarantine: a spike is not served, not bought again, and after its release served as any other point.
func TestQuarantine(t *testing.T) {
	h := newHouse(t)
	spike := time.Date(2026, 3, 5, 0, 0, 0, 0, time.UTC)
	h.withSpike(spike.UnixMilli())
	req := chart("bitcoin", market.Daily, 30)
	held := func(what string) {
		t.Helper()
		c, err := h.chartOf(req)
		if err != nil || c.Timestamps.Len() != 29 || slices.Contains(c.Timestamps.Values(), spike.UnixMilli()) || c.Stale || len(c.Coverage.Holes) != 1 {
			t.Fatalf("%s: %+v, %v", what, c, err)
		}
		if hole := c.Coverage.Holes[0]; !hole.From.Equal(spike) || hole.Reason != market.UpstreamHole {
			t.Fatalf("%s: hole %+v", what, hole)
		}
	}
	held("fetched")
	calls := h.source.nCharts.Load()
	h.restart()
	held("after a restart")
	h.clock.Advance(time.Hour) // the cache has expired
	held("an hour later")
	if got := h.source.nCharts.Load(); got != calls {
		t.Errorf("it was bought again: %d calls, then %d", calls, got)
	}

	one := 1
	page, err := h.Quarantine(t.Context(), &one, nil)
	if err != nil || len(page.Nodes) != 1 || page.PageInfo.HasNextPage || len(page.Edges()) != 1 || page.Nodes[0].Price != 5000 || page.Nodes[0].Source != "test" {
		t.Fatalf("quarantine: %+v, %v", page, err)
	}
	if next, err := h.Quarantine(t.Context(), nil, page.PageInfo.EndCursor); err != nil || len(next.Nodes) != 0 || next.PageInfo.EndCursor != nil {
		t.Errorf("the next page: %+v, %v", next, err)
	}
	for _, id := range []string{"0", "-1", "x", "", "01", "99", "9223372036854775808"} {
		if _, err := h.Release(t.Context(), id, "ops"); !fault.Is(err, fault.NotFound) {
			t.Errorf("released %q: %v", id, err)
		}
	}
	for _, bad := range []string{"x", "MA", "LTE"} { // not a cursor, 0, -1
		if _, err := h.Quarantine(t.Context(), nil, &bad); !fault.Is(err, fault.BadInput) {
			t.Errorf("after %q: %v", bad, err)
		}
	}

	e, err := h.Release(t.Context(), page.Nodes[0].Key(), "ops")
	if err != nil || e.ReleasedBy != "ops" || !e.ReleasedAt.Equal(h.clock.Now()) {
		t.Fatalf("released: %+v, %v", e, err)
	}
	h.clock.Advance(time.Hour)
	c, err := h.chartOf(req)
	if err != nil || c.Timestamps.Len() != 30 || !c.Coverage.Complete || !slices.Contains(c.Prices.Values(), 5000) {
		t.Fatalf("after the release: %+v, %v", c, err)
	}
	if got := h.source.nCharts.Load(); got != calls {
		t.Errorf("the release cost %d calls", got-calls)
	}
}

// TestTheNewestSpikeIsFoundOutLater: by the answer that has its successor, although it is stored by then.
func TestTheNewestSpikeIsFoundOutLater(t *testing.T) {
	h := newHouse(t)
	spike := time.Date(2026, 3, 10, 0, 0, 0, 0, time.UTC) // today's
	h.withSpike(spike.UnixMilli())
	req := chart("bitcoin", market.Daily, 10)
	if c, err := h.chartOf(req); err != nil || !slices.Contains(c.Prices.Values(), 5000) {
		t.Fatalf("a point without a successor was held back: %+v, %v", c, err)
	}
	h.clock.Set(2026, 3, 11, 12, 0)
	req.Days = 1 // the answer's neighbours are not in the window
	if _, err := h.chartOf(req); err != nil {
		t.Fatal(err)
	}
	req.Days = 10
	c, err := h.chartOf(req)
	if err != nil || slices.Contains(c.Prices.Values(), 5000) || c.Timestamps.Len() != 9 {
		t.Fatalf("a day later: %+v, %v", c, err)
	}
}
