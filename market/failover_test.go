package market_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/coingraph/coingraph/fault"
	"github.com/coingraph/coingraph/market"
)

// two providers: a preferred one and one that fills in.
type twoSources struct {
	*fakeSource
	down  error // of the preferred one; nil: it answers
	reach int64 // the preferred one's plan begins here
	asked []string
}

func (s *twoSources) Providers(market.SeriesKey) []string { return []string{"preferred", "other"} }

func (s *twoSources) Series(_ context.Context, provider string, key market.SeriesKey, missing []market.Range) ([]market.Fetched, error) {
	s.asked = append(s.asked, provider)
	if provider == "preferred" && s.down != nil {
		return nil, s.down
	}
	answers, err := s.chart(key, missing)
	for i := range answers {
		f := &answers[i]
		f.Source = provider
		if provider == "preferred" && f.Covers.From < s.reach {
			f.Beyond = market.Range{From: f.Covers.From, To: s.reach}
			f.Covers.From = s.reach
			f.Points = slices.DeleteFunc(f.Points, func(p market.Point) bool { return p.Stamp < s.reach })
		}
		for j := range f.Points {
			f.Points[j].Source = provider
		}
	}
	return answers, err
}

func (s *twoSources) take() []string {
	asked := s.asked
	s.asked = nil
	return asked
}

func (h *house) withTwo() *twoSources {
	two := &twoSources{fakeSource: h.source}
	h.with(two)
	return two
}

func (h *house) chartOf(req market.ChartRequest) (*market.Chart, error) {
	answer := h.Charts(h.t.Context(), []market.ChartRequest{req}, market.Freshness{})[0]
	return answer.Value, answer.Err
}

// TestTheNextProviderFillsIn: what the preferred one cannot answer another one does, until it is back; then it is asked
// for just that, and its points replace the others.
func TestTheNextProviderFillsIn(t *testing.T) {
	h := newHouse(t)
	two := h.withTwo()
	two.down = fault.New(fault.UpstreamUnavailable, "")
	req := chart("bitcoin", market.Daily, 30)
	c, err := h.chartOf(req)
	if err != nil || c.Timestamps.Len() != 30 || c.Stale || !c.Coverage.Complete || !slices.Equal(c.Sources, []string{"other"}) {
		t.Fatalf("got %+v, %v", c, err)
	}
	if got := two.take(); !slices.Equal(got, []string{"preferred", "other"}) {
		t.Errorf("asked %v", got)
	}

	h.with(two)
	if _, err := h.chartOf(req); err != nil {
		t.Fatal(err)
	}
	if got := two.take(); !slices.Equal(got, []string{"preferred"}) {
		t.Errorf("while it is down, what the other one gave is not bought again: asked %v", got)
	}

	two.down = nil
	h.with(two)
	if c, err = h.chartOf(req); err != nil || !slices.Equal(c.Sources, []string{"preferred"}) || c.Timestamps.Len() != 30 {
		t.Fatalf("got %+v, %v", c, err)
	}
	h.clock.Advance(2 * time.Hour)
	if got := two.take(); !slices.Equal(got, []string{"preferred"}) {
		t.Errorf("back again: asked %v", got)
	}
	if _, err := h.chartOf(req); err != nil || len(two.take()) != 0 {
		t.Errorf("bought a second time: %v", err)
	}
}

// TestAnotherProviderReachesFartherBack: what the preferred one's plan does not give, another one is asked for once; the
// preferred one's points stay its own.
func TestAnotherProviderReachesFartherBack(t *testing.T) {
	h := newHouse(t)
	two := h.withTwo()
	two.reach = h.clock.Now().Truncate(24*time.Hour).AddDate(0, 0, -9).UnixMilli()
	req := chart("bitcoin", market.Daily, 30)
	c, err := h.chartOf(req)
	if err != nil || c.Timestamps.Len() != 30 || !c.Coverage.Complete || !slices.Equal(c.Sources, []string{"other", "preferred"}) {
		t.Fatalf("got %+v, %v", c, err)
	}
	two.take()
	h.with(two)
	if again, err := h.chartOf(req); err != nil || !slices.Equal(again.Prices.Values(), c.Prices.Values()) || len(two.take()) != 0 {
		t.Errorf("asked again: %v", err)
	}
}

// TestNobodyHasIt: a refusal of the preferred one is the answer if nobody else has the series, and is remembered of all.
func TestNobodyHasIt(t *testing.T) {
	h := newHouse(t)
	two := h.withTwo()
	two.down = fault.New(fault.UpstreamNotFound, "")
	h.source.chart = func(market.SeriesKey, []market.Range) ([]market.Fetched, error) {
		return nil, fault.New(fault.UpstreamNotFound, "")
	}
	for range 3 {
		if _, err := h.chartOf(chart("bitcoin", market.Daily, 30)); fault.Of(err) == nil || fault.Of(err).Kind.Code() != "NOT_FOUND" {
			t.Fatalf("got %v", err)
		}
	}
	if got := two.take(); !slices.Equal(got, []string{"preferred", "other"}) {
		t.Errorf("asked %v", got)
	}
}
