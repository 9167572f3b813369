package fetch

import (
	"context"
	"testing"

	"github.com/coingraph/coingraph/fault"
	"github.com/coingraph/coingraph/market"
)

// chunked is a provider that answers for one range a call, after a call for what it has to know first.
func chunked(s *script) *vendor {
	known := false
	return &vendor{name: "acme", chart: func(ctx context.Context, try Try, _ market.SeriesKey, missing []market.Range) (answers []market.Fetched, err error) {
		if !known {
			if try(ctx, "/plan", s.call) == nil {
				known = true
			}
		}
		for _, r := range missing {
			if err := try(ctx, "/chart", s.call); err != nil {
				return answers, err
			}
			answers = append(answers, market.Fetched{Covers: r})
		}
		return answers, nil
	}}
}

// TestSeriesStep: each step makes one call that is answered, and says whether there may be more.
func TestSeriesStep(t *testing.T) {
	s := &script{ends: []func(context.Context, string) error{well}}
	source := New(Options{Charts: []SeriesProvider{chunked(s)}, Retries: 1, Backoff: 1})
	key := market.SeriesKey{Asset: "bitcoin", Currency: "usd", Interval: market.Daily}
	missing := []market.Range{{From: 0, To: 1}, {From: 2, To: 3}}
	for i, want := range []struct {
		answers, calls int
		more           bool
		missing        []market.Range
	}{
		{0, 1, true, missing}, // what it has to know first
		{1, 2, true, missing},
		{1, 3, false, missing[1:]},
	} {
		answers, more, err := source.SeriesStep(t.Context(), "acme", key, want.missing)
		if err != nil || len(answers) != want.answers || more != want.more || s.count() != want.calls {
			t.Errorf("step %d: %d answers, more %t, %d calls, %v", i, len(answers), more, s.count(), err)
		}
	}
	s.then(failing(fault.UpstreamUnavailable), well) // a retry is not a second call
	if answers, more, err := source.SeriesStep(t.Context(), "acme", key, missing); err != nil || len(answers) != 1 || !more || s.count() != 5 {
		t.Errorf("%d answers, more %t, %d calls, %v", len(answers), more, s.count(), err)
	}
	s.then(failing(fault.UpstreamNotFound))
	_, more, err := source.SeriesStep(t.Context(), "acme", key, missing)
	wantKind(t, "a refusal", err, fault.UpstreamNotFound)
	if more {
		t.Error("there is more after a refusal")
	}
	if n := source.Calls("acme", key, missing); n != 1 {
		t.Errorf("%d calls are said of who cannot tell", n)
	}
	_, err = source.Ranking(t.Context(), 10)
	wantKind(t, "a ranking that nobody has", err, fault.Internal)
}
