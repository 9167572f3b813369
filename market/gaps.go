package market

import (
	"context"
	"slices"
	"time"
)

// Gaps is what a series lacks in a window.
type Gaps struct {
	SeriesKey
	Window Range
	Holes  []Hole
	Points int // that there are in the window
}

// Missing is how many points lack.
func (g *Gaps) Missing() int {
	n := int64(0)
	for _, h := range g.Holes {
		n += (h.To.UnixMilli() - h.From.UnixMilli()) / g.Interval.Step()
	}
	return int(n)
}

// CurrencyOrNil is a chart's currency; nil: a metric.
func (g *Gaps) CurrencyOrNil() *Currency {
	if g.OnChain() {
		return nil
	}
	return &g.Currency
}

// MetricOrNil is the metric; nil: a chart.
func (g *Gaps) MetricOrNil() *Metric {
	if !g.OnChain() {
		return nil
	}
	return &g.Metric
}

// Gaps are the holes of the requests' series, index by index, as what is stored has them: no provider is asked. A range that
// was never asked for is a hole with the reason [Failed]; what lies before an asset's first point is none. It fails as the
// store does.
func (s *Service) Gaps(ctx context.Context, requests []SeriesRequest) ([]Gaps, error) {
	now := s.opts.Now()
	all := make([]Gaps, 0, len(requests))
	for part := range slices.Chunk(requests, planChunk) {
		windows := make([]Window, len(part))
		for i, r := range part {
			windows[i] = Window{SeriesKey: r.SeriesKey} // no points: what is known says where there are some
		}
		histories, err := s.opts.Store.Histories(ctx, windows)
		if err != nil {
			return nil, err
		}
		for i, r := range part {
			all = append(all, gapsOf(r, histories[i].Known, s.opts.Source.Providers(r.SeriesKey), now))
		}
	}
	return all, nil
}

func gapsOf(r SeriesRequest, known []Known, providers []string, now time.Time) Gaps {
	g := Gaps{SeriesKey: r.SeriesKey, Window: r.window(now)}
	var given []Range
	for _, k := range known {
		if k.Hole == "" {
			given = append(given, k.Range)
		}
	}
	rest := []Range{g.Window}
	for _, k := range union(given) {
		rest = Subtract(rest, k)
		g.Points += int(max(0, k.Intersect(g.Window).To-k.Intersect(g.Window).From) / r.Interval.Step())
	}
	read := Reading{Days: AllDays}
	for _, part := range rest {
		read.addHoles(part, known, providers)
	}
	g.Holes = read.Coverage.Holes
	return g
}
