// Package loaders gathers what the fields of one request look up, so that all of them together make one batch.
//
// One set of loaders serves one request: they remember what they loaded, errors too. What the process's memory holds is
// answered at once; only what is not there waits for company.
package loaders

import (
	"context"
	"sync"
	"time"

	"github.com/vikstrous/dataloadgen"

	"github.com/coingraph/coingraph/market"
)

// wait is how long a look-up waits for others of its request. gqlgen starts the fields of a level together, so a
// fraction of a millisecond gathers them all; the default of 16 ms would be most of a warm answer's time.
const wait = 500 * time.Microsecond

// Loaders are one request's look-ups.
type Loaders struct {
	market *market.Service
	once   sync.Once // what follows is made when memory does not suffice, which is seldom
	loaders
}

type loaders struct {
	prices  *dataloadgen.Loader[priceKey, market.Answer[*market.Price]]
	charts  *dataloadgen.Loader[seriesKey, market.Answer[*market.Chart]]
	metrics *dataloadgen.Loader[seriesKey, market.Answer[*market.MetricSeries]]
}

// lacking are the loaders of what memory lacks.
func (l *Loaders) lacking() *loaders {
	l.once.Do(func() { l.loaders = newLoaders(l.market) })
	return &l.loaders
}

type priceKey struct {
	market.Pair
	market.Freshness
}

type seriesKey struct {
	market.SeriesRequest
	market.Freshness
}

// New makes the loaders of one request.
func New(service *market.Service) *Loaders { return &Loaders{market: service} }

func newLoaders(service *market.Service) loaders {
	return loaders{
		prices: dataloadgen.NewLoader(func(ctx context.Context, keys []priceKey) ([]market.Answer[*market.Price], []error) {
			return byFreshness(keys,
				func(k priceKey) (market.Pair, market.Freshness) { return k.Pair, k.Freshness },
				func(pairs []market.Pair, f market.Freshness) []market.Answer[*market.Price] {
					return service.BeginPrices(ctx, pairs, f)() // what is at hand was taken before
				}), nil
		}, dataloadgen.WithWait(wait)),
		charts:  seriesLoader(service.Charts),
		metrics: seriesLoader(service.Metrics),
	}
}

// askSeries is a question for charts or metrics, answered index by index.
type askSeries[V any] func(context.Context, []market.SeriesRequest, market.Freshness) []market.Answer[V]

func seriesLoader[V any](ask askSeries[V]) *dataloadgen.Loader[seriesKey, market.Answer[V]] {
	return dataloadgen.NewLoader(func(ctx context.Context, keys []seriesKey) ([]market.Answer[V], []error) {
		return byFreshness(keys,
			func(k seriesKey) (market.SeriesRequest, market.Freshness) { return k.SeriesRequest, k.Freshness },
			func(requests []market.SeriesRequest, f market.Freshness) []market.Answer[V] {
				return ask(ctx, requests, f)
			}), nil
	}, dataloadgen.WithWait(wait))
}

// Prices answers for the pairs, index by index.
func (l *Loaders) Prices(ctx context.Context, pairs []market.Pair, fresh market.Freshness) []market.Answer[*market.Price] {
	if answers, ok := l.market.PricesInMemory(ctx, pairs, fresh); ok {
		return answers
	}
	keys := make([]priceKey, len(pairs))
	for i, p := range pairs {
		keys[i] = priceKey{p, fresh}
	}
	return loadAll(ctx, l.lacking().prices, keys)
}

// KeepPrices remembers answers that were looked up elsewhere, so that nobody looks them up again for this request.
func (l *Loaders) KeepPrices(pairs []market.Pair, fresh market.Freshness, answers []market.Answer[*market.Price]) {
	for i, p := range pairs {
		l.lacking().prices.Prime(priceKey{p, fresh}, answers[i])
	}
}

// KeepCharts is likewise.
func (l *Loaders) KeepCharts(requests []market.ChartRequest, answers []market.Answer[*market.Chart]) {
	keep(l.lacking().charts, requests, answers)
}

// KeepMetrics is likewise.
func (l *Loaders) KeepMetrics(requests []market.MetricRequest, answers []market.Answer[*market.MetricSeries]) {
	keep(l.lacking().metrics, requests, answers)
}

func keep[V any](loader *dataloadgen.Loader[seriesKey, market.Answer[V]], requests []market.SeriesRequest, answers []market.Answer[V]) {
	for i, r := range requests {
		loader.Prime(seriesKey{r, market.Freshness{}}, answers[i])
	}
}

// Charts answers for the requests, index by index.
func (l *Loaders) Charts(ctx context.Context, requests []market.ChartRequest, fresh market.Freshness) []market.Answer[*market.Chart] {
	if answers, ok := l.market.ChartsInMemory(ctx, requests); ok {
		return answers
	}
	return loadAll(ctx, l.lacking().charts, seriesKeys(requests, fresh))
}

// StartCharts begins what [Loaders.Charts] does, for a caller who has more to look up before it waits.
func (l *Loaders) StartCharts(ctx context.Context, requests []market.ChartRequest, fresh market.Freshness) (wait func() []market.Answer[*market.Chart]) {
	if answers, ok := l.market.ChartsInMemory(ctx, requests); ok {
		return func() []market.Answer[*market.Chart] { return answers }
	}
	return startAll(ctx, l.lacking().charts, seriesKeys(requests, fresh))
}

// Metrics answers for the requests, index by index.
func (l *Loaders) Metrics(ctx context.Context, requests []market.MetricRequest, fresh market.Freshness) []market.Answer[*market.MetricSeries] {
	if answers, ok := l.market.MetricsInMemory(ctx, requests); ok {
		return answers
	}
	return loadAll(ctx, l.lacking().metrics, seriesKeys(requests, fresh))
}

func seriesKeys(requests []market.SeriesRequest, fresh market.Freshness) []seriesKey {
	keys := make([]seriesKey, len(requests))
	for i, r := range requests {
		keys[i] = seriesKey{r, fresh}
	}
	return keys
}

// loadAll waits for the batch, whose function ends with the context at the latest.
func loadAll[K comparable, V any](ctx context.Context, loader *dataloadgen.Loader[K, market.Answer[V]], keys []K) []market.Answer[V] {
	return startAll(ctx, loader, keys)()
}

func startAll[K comparable, V any](ctx context.Context, loader *dataloadgen.Loader[K, market.Answer[V]], keys []K) func() []market.Answer[V] {
	loaded := loader.LoadAllThunk(ctx, keys)
	return func() []market.Answer[V] {
		answers, err := loaded()
		if err != nil || len(answers) != len(keys) {
			// The batch functions keep their errors inside the answers: what arrives here is a panic in one of them.
			answers = make([]market.Answer[V], len(keys))
			for i := range answers {
				answers[i].Err = err
			}
		}
		return answers
	}
}

// byFreshness asks once for each freshness among the keys (nearly always one) and gives the answers in the keys' order.
func byFreshness[K, Q, V any](keys []K, split func(K) (Q, market.Freshness), ask func([]Q, market.Freshness) []V) []V {
	groups := make(map[market.Freshness][]int, 1)
	for i, k := range keys {
		_, f := split(k)
		groups[f] = append(groups[f], i)
	}
	out := make([]V, len(keys))
	for f, at := range groups {
		questions := make([]Q, len(at))
		for n, i := range at {
			questions[n], _ = split(keys[i])
		}
		for n, answer := range ask(questions, f) {
			out[at[n]] = answer
		}
	}
	return out
}

type contextKey struct{}

// With gives the context loaders of its own.
func With(ctx context.Context, service *market.Service) context.Context {
	return context.WithValue(ctx, contextKey{}, New(service))
}

// Of are the context's loaders. A context without any is a fault of the program.
func Of(ctx context.Context) *Loaders { return ctx.Value(contextKey{}).(*Loaders) }
