// Package loaders gathers what the fields of one request look up, so that all of them together make one batch.
//
// One set of loaders serves one request: they remember what they loaded, errors too. What the process's memory holds is
// answered at once; only what is not there waits for company.
package loaders

import (
	"context"
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
	prices *dataloadgen.Loader[priceKey, market.Answer[*market.Price]]
	charts *dataloadgen.Loader[chartKey, market.Answer[*market.Chart]]
}

type priceKey struct {
	market.Pair
	market.Freshness
}

type chartKey struct {
	market.ChartRequest
	market.Freshness
}

// New makes the loaders of one request.
func New(service *market.Service) *Loaders {
	return &Loaders{
		market: service,
		prices: dataloadgen.NewLoader(func(ctx context.Context, keys []priceKey) ([]market.Answer[*market.Price], []error) {
			return byFreshness(keys,
				func(k priceKey) (market.Pair, market.Freshness) { return k.Pair, k.Freshness },
				func(pairs []market.Pair, f market.Freshness) []market.Answer[*market.Price] {
					return service.Prices(ctx, pairs, f)
				}), nil
		}, dataloadgen.WithWait(wait)),
		charts: dataloadgen.NewLoader(func(ctx context.Context, keys []chartKey) ([]market.Answer[*market.Chart], []error) {
			return byFreshness(keys,
				func(k chartKey) (market.ChartRequest, market.Freshness) { return k.ChartRequest, k.Freshness },
				func(requests []market.ChartRequest, f market.Freshness) []market.Answer[*market.Chart] {
					return service.Charts(ctx, requests, f)
				}), nil
		}, dataloadgen.WithWait(wait)),
	}
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
	return loadAll(ctx, l.prices, keys)
}

// Charts answers for the requests, index by index.
func (l *Loaders) Charts(ctx context.Context, requests []market.ChartRequest, fresh market.Freshness) []market.Answer[*market.Chart] {
	if answers, ok := l.market.ChartsInMemory(ctx, requests); ok {
		return answers
	}
	keys := make([]chartKey, len(requests))
	for i, r := range requests {
		keys[i] = chartKey{r, fresh}
	}
	return loadAll(ctx, l.charts, keys)
}

// loadAll waits for the batch, whose function ends with the context at the latest.
func loadAll[K comparable, V any](ctx context.Context, loader *dataloadgen.Loader[K, market.Answer[V]], keys []K) []market.Answer[V] {
	answers, err := loader.LoadAll(ctx, keys)
	if err != nil || len(answers) != len(keys) {
		// The batch functions keep their errors inside the answers: what arrives here is a panic in one of them.
		answers = make([]market.Answer[V], len(keys))
		for i := range answers {
			answers[i].Err = err
		}
	}
	return answers
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
