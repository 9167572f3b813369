package jobs

import (
	"context"
	"slices"
	"time"

	"github.com/coingraph/coingraph/fault"
	"github.com/coingraph/coingraph/market"
)

const (
	// refreshedDaily and refreshedHourly are how many days of a series a refresh keeps complete: what one call gives anyhow,
	// and what the hours lose when the program is down over a weekend.
	refreshedDaily  market.Days = 365
	refreshedHourly market.Days = 7

	demandFor = 7 * 24 * time.Hour // how long what clients asked for is remembered
	// maxDemanded bounds what is refreshed because clients asked for it.
	maxDemanded = 1000
	keptRuns    = 90 * 24 * time.Hour
)

// usualDays are the numbers of days whose answers are renewed in the cache.
var usualDays = map[market.Interval][]market.Days{
	market.Daily:  {7, 30, 90, refreshedDaily},
	market.Hourly: {1, 2, refreshedHourly},
}

// planRefresh chooses what a refresh does: the catalogue, all prices, the configured series, and then, within the budget,
// what clients asked for most.
func (x *execution) planRefresh(ctx context.Context) ([]unit, error) {
	if err := x.chooseAssets(ctx); err != nil {
		return nil, err
	}
	args := x.run.Args
	asked, err := x.opts.Store.Demand(ctx, x.opts.Now().Add(-demandFor), maxDemanded)
	if err != nil {
		return nil, err
	}
	asked = slices.DeleteFunc(asked, func(d market.Demand) bool { return !x.stillOffered(ctx, d) })

	wants := newWants(x.work)
	var pairs []market.Pair
	for _, asset := range args.Assets {
		for _, c := range args.Currencies {
			pairs = append(pairs, market.Pair{Asset: asset, Currency: c})
			wants.add(market.SeriesKey{Asset: asset, Currency: c, Interval: market.Daily}, refreshedDaily)
			wants.add(market.SeriesKey{Asset: asset, Currency: c, Interval: market.Hourly}, refreshedHourly)
		}
	}
	for _, o := range x.work.Offers() {
		if !slices.Contains(args.Assets, o.Asset) {
			continue
		}
		for _, i := range o.Intervals {
			days := refreshedHourly
			if i == market.Daily {
				days = refreshedDaily
			}
			wants.add(market.SeriesKey{Asset: o.Asset, Metric: o.Metric, Interval: i}, days)
		}
	}
	due, calls, err := lacking(ctx, x.work, wants.all)
	if err != nil {
		return nil, err
	}

	demanded := newWants(x.work)
	for _, d := range asked {
		p := market.Pair{Asset: d.Asset, Currency: d.Currency}
		switch {
		case d.IsPrice() && !slices.Contains(pairs, p):
			pairs = append(pairs, p)
		case !d.IsPrice() && !wants.renew(d.SeriesKey, d.Days):
			demanded.add(d.SeriesKey, d.Days)
		}
	}
	more, err := x.withinBudget(ctx, demanded.all, calls)
	if err != nil {
		return nil, err
	}
	// The wants are read anew: the cached answers that clients ask for were added to them meanwhile.
	units := []unit{x.renewCatalogue(), x.renewPrices(pairs)}
	for _, w := range due {
		units = append(units, x.fill(*wants.of(w.SeriesKey)))
	}
	for _, w := range more {
		units = append(units, x.fill(w))
	}
	return units, x.prune(ctx)
}

// chooseAssets fills in what the refresh keeps new. A run that is begun again keeps what was chosen.
func (x *execution) chooseAssets(ctx context.Context) error {
	if len(x.run.Args.Assets) > 0 {
		return nil
	}
	assets := x.opts.Assets
	if x.opts.Top > 0 {
		ranked, calls, err := x.work.Ranking(ctx, x.opts.Top)
		x.mu.Lock()
		x.run.Calls += calls
		x.mu.Unlock()
		if err != nil {
			if assets = x.lastAssets(ctx); len(assets) == 0 {
				return err
			}
			x.mu.Lock()
			x.problem("the ranking, in place of which the last one is used", err)
			x.mu.Unlock()
		} else {
			assets = ranked
		}
	}
	x.mu.Lock()
	x.run.Args.Assets, x.run.Args.Currencies = assets, x.opts.Currencies
	x.mu.Unlock()
	return x.save(ctx)
}

// lastAssets are those of the last refresh.
func (x *execution) lastAssets(ctx context.Context) []string {
	runs, err := x.opts.Store.Runs(ctx, x.run.Number, 250)
	if err != nil {
		return nil
	}
	for _, r := range runs {
		if r.Kind == Refresh && len(r.Args.Assets) > 0 {
			return r.Args.Assets
		}
	}
	return nil
}

// stillOffered tells whether what was asked for can still be asked for.
func (x *execution) stillOffered(ctx context.Context, d market.Demand) bool {
	if _, err := x.opts.Market.Asset(ctx, d.Asset); err != nil {
		return false
	}
	if d.OnChain() {
		return x.work.Offered(d.SeriesKey)
	}
	return len(x.opts.Market.CheckCurrency("", d.Currency)) == 0
}

// withinBudget are the wants, the most wanted first, of which something lacks and whose calls fit, with those that are
// needed anyhow, into a day's part of the quota.
func (x *execution) withinBudget(ctx context.Context, wants []market.Want, needed map[string]int) ([]market.Want, error) {
	if len(wants) == 0 {
		return nil, nil
	}
	budget, err := x.opts.Budget(ctx, x.run.Kind)
	if err != nil {
		return nil, err
	}
	plans, err := x.work.Plan(ctx, wants)
	if err != nil {
		return nil, err
	}
	var within []market.Want
	for i, plan := range plans {
		fits := plan != nil
		for provider, n := range plan {
			most, limited := budget[provider]
			fits = fits && (!limited || needed[provider]+n <= most)
		}
		if !fits {
			continue
		}
		for provider, n := range plan {
			needed[provider] += n
		}
		within = append(within, wants[i])
	}
	return within, nil
}

func (x *execution) renewCatalogue() unit {
	return unit{"the catalogue", func(ctx context.Context) (market.Bought, []Problem, error) {
		calls, err := x.work.Catalogue(ctx)
		return market.Bought{Calls: calls}, nil, err
	}}
}

// renewPrices is one unit, because prices of many pairs come in one call.
func (x *execution) renewPrices(pairs []market.Pair) unit {
	return unit{"prices", func(ctx context.Context) (market.Bought, []Problem, error) {
		// What this run has bought before it was begun again is new enough.
		calls, without, err := x.work.Quotes(ctx, pairs, x.run.CreatedAt)
		var problems []Problem
		for _, p := range without {
			problems = append(problems, Problem{p.Asset + " " + string(p.Currency) + " price", "no provider offers it"})
		}
		return market.Bought{Calls: calls}, problems, err
	}}
}

func (x *execution) prune(ctx context.Context) error {
	now := x.opts.Now()
	if err := x.opts.Store.PruneDemand(ctx, now.Add(-demandFor-24*time.Hour)); err != nil {
		return err
	}
	return x.opts.Store.PruneRuns(ctx, now.Add(-keptRuns))
}

// wants is what is wanted of series, each once.
type wants struct {
	background *market.Background
	all        []market.Want
	index      map[market.SeriesKey]int
}

func newWants(b *market.Background) *wants {
	return &wants{background: b, index: make(map[market.SeriesKey]int)}
}

// add wants so many days of a series; of several numbers the largest.
func (w *wants) add(k market.SeriesKey, days market.Days) {
	if i, ok := w.index[k]; ok {
		w.all[i].From = min(w.all[i].From, w.background.Window(k, days).From)
		w.renew(k, days)
		return
	}
	w.index[k] = len(w.all)
	w.all = append(w.all, market.Want{Window: w.background.Window(k, days), Days: append([]market.Days{days}, usualDays[k.Interval]...)})
	own := &w.all[len(w.all)-1]
	own.Days = slices.DeleteFunc(own.Days, func(d market.Days) bool { return w.background.Window(k, d).From < own.From })
	slices.Sort(own.Days)
	own.Days = slices.Compact(own.Days)
}

// renew has the answer for so many days renewed too, if the series is wanted and its window reaches as far.
func (w *wants) renew(k market.SeriesKey, days market.Days) bool {
	i, ok := w.index[k]
	if ok && !slices.Contains(w.all[i].Days, days) && w.background.Window(k, days).From >= w.all[i].From {
		w.all[i].Days = append(w.all[i].Days, days)
	}
	return ok
}

func (w *wants) of(k market.SeriesKey) *market.Want { return &w.all[w.index[k]] }

// demandFlush is how often what clients asked for is stored.
const demandFlush = time.Minute

// keepDemand stores what clients asked for, again and again until the context ends, and then what is left.
func (e *Engine) keepDemand(ctx context.Context) {
	for sleep(ctx, demandFlush, nil) {
		e.flushDemand(ctx)
	}
	within, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	e.flushDemand(within)
}

// flushDemand stores what clients asked for; what cannot be stored is lost, which costs them a slower answer at the most.
func (e *Engine) flushDemand(ctx context.Context) {
	asked := e.opts.Market.TakeDemand()
	if len(asked) == 0 {
		return
	}
	if err := e.opts.Store.AddDemand(ctx, e.opts.Now(), asked); err != nil && !fault.Is(err, fault.StoreUnavailable) {
		e.opts.Log.WarnContext(ctx, "what clients asked for was not stored", "event", "job.demand", "error", err)
	}
}
