package resolvers

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/coingraph/coingraph/auth"
	"github.com/coingraph/coingraph/fault"
	"github.com/coingraph/coingraph/limit"
	"github.com/coingraph/coingraph/market"
)

// What /api/v3 asks for: the same data, meters and read-through as all else, by CoinGecko's rules of what is left out and
// in the provider's own stamps and values.

// MaxWords is how many ids, names or symbols one question for quotes may have: what fits into a URL.
const MaxWords = 1000

// Quoted is what an asset is worth, under the word that it was asked by.
type Quoted struct {
	Word   string
	Asset  market.Asset
	Prices []*market.Price // in the order of the currencies; those that it has no price in are left out
}

// Quotes answers for assets by ids, names or symbols. Words and currencies that are unknown are left out, and of the
// assets that share a name or a symbol the one with the largest market cap is meant.
func (r *Resolver) Quotes(ctx context.Context, by market.Naming, words []string, currencies []market.Currency) ([]Quoted, Made, error) {
	words, asked := unique(words), len(currencies)
	if len(words) > MaxWords {
		return nil, Made{}, fault.Invalid(fault.Field{Field: "ids", Message: fmt.Sprintf("must name at most %d assets", MaxWords)})
	}
	currencies = slices.DeleteFunc(unique(currencies), func(c market.Currency) bool { return r.Market.CheckCurrency("", c) != nil })
	look := lookAtHand{Resolver: r, hand: r.Market.AtHand()} // before the catalogue is asked: what comes of an older one is not used again
	candidates, err := r.Market.Candidates(ctx, by, words)
	if err != nil {
		return nil, Made{}, err
	}
	rivals := 0
	for _, c := range candidates {
		if len(c) > 1 {
			rivals += len(c)
		}
	}
	units := limit.Units{limit.SimplePrice: max(1, limit.Hundreds(len(words)*asked+rivals))}
	if err := r.charge(ctx, units); err != nil {
		return nil, Made{}, err
	}
	defer look.hand.Use(ctx)
	chosen, err := look.largest(ctx, candidates)
	if err != nil {
		return nil, Made{}, err
	}
	var quoted []Quoted
	var pairs []market.Pair
	for i, asset := range chosen {
		if asset == nil {
			continue
		}
		quoted = append(quoted, Quoted{Word: words[i], Asset: *asset})
		for _, c := range currencies {
			pairs = append(pairs, market.Pair{Asset: asset.ID, Currency: c})
		}
	}
	if len(pairs) == 0 {
		return quoted, Made{}, nil
	}
	for i, answer := range look.prices(ctx, pairs) {
		switch {
		case answer.Err == nil:
			q := &quoted[i/len(currencies)]
			q.Prices = append(q.Prices, answer.Value)
		case !fault.Is(answer.Err, fault.NotFound):
			return nil, Made{}, answer.Err
		}
	}
	if look.further {
		return quoted, Made{}, nil
	}
	return quoted, Made{look.hand, units}, nil
}

// lookAtHand looks up prices at hand, and further where one of them is not.
type lookAtHand struct {
	*Resolver
	hand    *market.Hand
	further bool // some were not at hand
}

func (l *lookAtHand) prices(ctx context.Context, pairs []market.Pair) []market.Answer[*market.Price] {
	if answers, ok := l.hand.Prices(pairs); ok {
		return answers
	}
	l.further = true
	return l.Market.BeginPrices(ctx, pairs, market.Freshness{})()
}

// largest chooses one asset for each list of candidates, nil for an empty one.
func (l *lookAtHand) largest(ctx context.Context, candidates [][]market.Asset) ([]*market.Asset, error) {
	chosen := make([]*market.Asset, len(candidates))
	yardstick := l.Market.Currencies()[0]
	if l.Market.CheckCurrency("", "usd") == nil {
		yardstick = "usd"
	}
	var pairs []market.Pair
	for i, rivals := range candidates {
		if len(rivals) > 0 {
			chosen[i] = &rivals[0]
		}
		if len(rivals) > 1 {
			for _, a := range rivals {
				pairs = append(pairs, market.Pair{Asset: a.ID, Currency: yardstick})
			}
		}
	}
	if len(pairs) == 0 {
		return chosen, nil
	}
	caps := make(map[string]float64, len(pairs))
	for i, answer := range l.prices(ctx, pairs) {
		switch {
		case answer.Err == nil:
			if known := answer.Value.Quote().MarketCap; !math.IsNaN(known) {
				caps[pairs[i].Asset] = known
			}
		case !fault.Is(answer.Err, fault.NotFound):
			return nil, answer.Err
		}
	}
	for i, rivals := range candidates {
		for n := range rivals {
			if caps[rivals[n].ID] > caps[chosen[i].ID] {
				chosen[i] = &rivals[n]
			}
		}
	}
	return chosen, nil
}

func unique[T comparable](list []T) []T {
	seen := make(map[T]bool, len(list))
	out := make([]T, 0, len(list))
	for _, v := range list {
		if !seen[v] {
			seen[v] = true
			out = append(out, v)
		}
	}
	return out
}

// Samples answers for a series as its provider sent it.
func (r *Resolver) Samples(ctx context.Context, req market.SampleRequest) (*market.Samples, error) {
	if err := fault.Invalid(r.checkSamples(req)...); err != nil {
		return nil, err
	}
	if err := r.charge(ctx, limit.Units{limit.MarketChart: 1}); err != nil {
		return nil, err
	}
	return r.Market.Samples(ctx, req)
}

func (r *Resolver) checkSamples(req market.SampleRequest) []fault.Field {
	bad := market.CheckAsset("id", req.Asset)
	bad = append(bad, r.Market.CheckCurrency("vs_currency", req.Currency)...)
	switch {
	case !req.Interval.Valid():
		bad = append(bad, fault.Field{Field: "interval", Message: "must be daily, hourly or 5m"})
	case !req.From.Before(req.To), req.From.Before(market.Genesis()):
		bad = append(bad, fault.Field{Field: "from", Message: "must be before to, and not before 2009-01-03"})
	case req.Points() > market.MaxSamples:
		bad = append(bad, fault.Field{Field: "interval", Message: fmt.Sprintf("must give at most %d points", market.MaxSamples)})
	}
	return bad
}

// Currencies is the whitelist.
func (r *Resolver) Currencies(ctx context.Context) ([]market.Currency, error) {
	all := r.Market.Currencies()
	if err := r.charge(ctx, limit.Units{limit.SimplePrice: limit.Hundreds(len(all))}); err != nil {
		return nil, err
	}
	return all, nil
}

// Catalogue is the list of all assets.
func (r *Resolver) Catalogue(ctx context.Context) (*market.AssetList, error) {
	all, err := r.Market.Catalogue(ctx)
	if err != nil {
		return nil, err
	}
	if err := r.charge(ctx, limit.Units{limit.SimplePrice: limit.Hundreds(len(all.Assets))}); err != nil {
		return nil, err
	}
	return all, nil
}

// Document passes on an answer of a provider. It costs what it has in it: rows of a list as simple_price, a series or a
// snapshot as market_chart.
func (r *Resolver) Document(ctx context.Context, q market.DocumentQuery) (market.Document, error) {
	units := limit.Units{limit.MarketChart: 1}
	switch q := q.(type) {
	case market.MarketsQuery:
		rows := q.PerPage
		if len(q.IDs) > 0 {
			rows = min(rows, len(q.IDs))
		}
		units = limit.Units{limit.SimplePrice: limit.Hundreds(rows)}
	case market.PlatformsQuery:
		all, err := r.Market.Catalogue(ctx)
		if err != nil {
			return market.Document{}, err
		}
		units = limit.Units{limit.SimplePrice: limit.Hundreds(len(all.Assets))}
	}
	if err := r.charge(ctx, units); err != nil {
		return market.Document{}, err
	}
	return r.Market.Document(ctx, q)
}

// KnownAssets are those of the ids that there are, for a question that leaves out what is unknown.
func (r *Resolver) KnownAssets(ctx context.Context, ids []string) ([]string, error) {
	return r.Market.Known(ctx, ids)
}

// Limits says where the caller stands, and charges nothing.
func (r *Resolver) Limits(ctx context.Context) (auth.Actor, []limit.Limit, error) {
	if err := auth.Require(ctx, auth.User); err != nil {
		return auth.Actor{}, nil, err
	}
	limits, err := r.viewerLimits(ctx)
	return auth.ActorOf(ctx), limits, err
}
