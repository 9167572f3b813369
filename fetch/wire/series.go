package wire

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/coingraph/coingraph/market"
)

// Ascending sorts samples as they stand in a body and keeps one a stamp: the last in the body. It changes the argument.
func Ascending(points []market.Point) []market.Point {
	slices.Reverse(points) // so that of each stamp the last comes first
	slices.SortStableFunc(points, func(a, b market.Point) int { return cmp.Compare(a.Stamp, b.Stamp) })
	return slices.CompactFunc(points, func(a, b market.Point) bool { return a.Stamp == b.Stamp })
}

// Answer is what a call for a range told: the points of the range, for all of which it is complete.
func Answer(source string, points []market.Point, w market.Range, asked time.Time) market.Fetched {
	f := market.Fetched{Covers: w, Source: source, FetchedAt: asked}
	for _, p := range points {
		if w.Contains(p.Stamp) {
			p.Source, p.FetchedAt = source, asked
			f.Points = append(f.Points, p)
		}
	}
	return f
}

// OutOfReach are the answers for ranges that the plan does not give.
func OutOfReach(source string, beyond []market.Range, now time.Time) []market.Fetched {
	answers := make([]market.Fetched, len(beyond))
	for i, r := range beyond {
		answers[i] = market.Fetched{Beyond: r, Source: source, FetchedAt: now}
	}
	return answers
}

// Job is a question for a part of a series: what [Plan] gave.
type Job struct {
	Source, Endpoint string
	Calls, Beyond    []market.Range
	Now              time.Time
}

// Do makes the calls in order, and gives what they answered and what is beyond the plan; with an error, the answers up to
// there. A question for nothing but what is still to come has one answer, of nothing.
func (j Job) Do(ctx context.Context, try Try, fetch func(context.Context, market.Range) (market.Fetched, error)) ([]market.Fetched, error) {
	answers := OutOfReach(j.Source, j.Beyond, j.Now)
	for _, w := range j.Calls {
		err := try(ctx, j.Endpoint, func(ctx context.Context, _ string) error {
			f, err := fetch(ctx, w)
			if err == nil {
				answers = append(answers, f)
			}
			return err
		})
		if err != nil {
			return answers, err
		}
	}
	if len(answers) == 0 {
		answers = append(answers, market.Fetched{Source: j.Source, FetchedAt: j.Now})
	}
	return answers, nil
}
