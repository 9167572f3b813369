package fetch

import (
	"context"
	"errors"

	"github.com/coingraph/coingraph/fault"
	"github.com/coingraph/coingraph/market"
)

// errEnough ends a question to a provider after its first answer.
var errEnough = errors.New("one answer is enough for now")

// SeriesStep is what market.BulkSource says of it. A provider's answers up to a failed call are good, so the call after the
// first one that was answered is failed without being made.
func (s *Source) SeriesStep(ctx context.Context, provider string, key market.SeriesKey, missing []market.Range) (answers []market.Fetched, more bool, err error) {
	if key.OnChain() {
		return step(ctx, s, s.opts.OnChain, provider, key, missing)
	}
	return step(ctx, s, s.opts.Charts, provider, key, missing)
}

func step[P SeriesProvider](ctx context.Context, s *Source, providers []P, name string, key market.SeriesKey, missing []market.Range) ([]market.Fetched, bool, error) {
	for i, p := range providers {
		if p.Name() != name {
			continue
		}
		try, answered := s.try(p, key.Asset, i == len(providers)-1), false
		once := func(ctx context.Context, endpoint string, call func(context.Context, string) error) error {
			if answered {
				return fault.Wrap(fault.Internal, errEnough)
			}
			err := try(ctx, endpoint, call)
			answered = answered || err == nil
			return err
		}
		answers, err := p.Series(ctx, once, key, missing)
		if errors.Is(err, errEnough) {
			return answers, true, nil
		}
		return answers, false, err
	}
	return nil, false, fault.New(fault.Internal, "no provider %s", name)
}

// planner is a provider that knows how many calls a question will cost.
type planner interface {
	// Calls is how many calls Series would make, as far as that can be known. It makes none.
	Calls(key market.SeriesKey, missing []market.Range) int
}

// Calls is what market.BulkSource says of it. A provider that cannot tell is taken to need one.
func (s *Source) Calls(provider string, key market.SeriesKey, missing []market.Range) int {
	if c := s.callers[provider]; c != nil {
		if p, ok := c.provider.(planner); ok {
			return p.Calls(key, missing)
		}
	}
	return 1
}

// ranker is a catalogue that knows which assets are the largest.
type ranker interface {
	// Ranking are the ids of the assets with the largest market caps, the largest first, at most n.
	Ranking(ctx context.Context, try Try, n int) ([]string, error)
}

// Ranking is what market.BulkSource says of it: the most preferred catalogue's word that has one.
func (s *Source) Ranking(ctx context.Context, n int) ([]string, error) {
	for _, p := range s.opts.Catalogue {
		if r, ok := p.(ranker); ok {
			return r.Ranking(ctx, s.try(p, "", true), n)
		}
	}
	return nil, fault.New(fault.Internal, "no catalogue has a ranking")
}
