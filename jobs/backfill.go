package jobs

import (
	"context"
	"time"

	"github.com/coingraph/coingraph/market"
)

// series are the series of a backfill.
func (a Args) series() []market.SeriesKey {
	keys := make([]market.SeriesKey, 0, len(a.Assets)*len(a.Currencies))
	for _, asset := range a.Assets {
		for _, c := range a.Currencies {
			keys = append(keys, market.SeriesKey{Asset: asset, Currency: c, Interval: a.Interval})
		}
	}
	return keys
}

// wants are what a backfill wants of its series. Holes are asked for again, if at all, once since an instant: so a run that
// is begun again does not ask for them again.
func (a Args) wants(b *market.Background, since time.Time) []market.Want {
	var wants []market.Want
	for _, k := range a.series() {
		w := market.Want{Window: b.Window(k, a.Days)}
		if a.Force {
			w.Again = since
		}
		wants = append(wants, w)
	}
	return wants
}

// lacking are the wants of which something lacks, and the calls that it takes, by provider.
func lacking(ctx context.Context, b *market.Background, wants []market.Want) (some []market.Want, calls map[string]int, err error) {
	plans, err := b.Plan(ctx, wants)
	if err != nil {
		return nil, nil, err
	}
	calls = make(map[string]int)
	for i, plan := range plans {
		if plan == nil {
			continue
		}
		some = append(some, wants[i])
		for provider, n := range plan {
			calls[provider] += n
		}
	}
	return some, calls, nil
}

func (x *execution) planBackfill(ctx context.Context) ([]unit, error) {
	wants, _, err := lacking(ctx, x.work, x.run.Args.wants(x.work, x.run.CreatedAt))
	if err != nil {
		return nil, err
	}
	units := make([]unit, len(wants))
	for i, w := range wants {
		units[i] = x.fill(w)
	}
	return units, nil
}
