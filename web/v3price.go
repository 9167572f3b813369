package web

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"

	"github.com/coingraph/coingraph/fault"
	"github.com/coingraph/coingraph/market"
	"github.com/coingraph/coingraph/resolvers"
	"github.com/coingraph/coingraph/web/gecko"
)

// geckoSimplePrice is https://docs.coingecko.com/reference/simple-price
func (h *Handler) geckoSimplePrice() *operation {
	op := h.geckoOperation("/simple/price", "geckoSimplePrice", "Prices of assets in currencies",
		"What is unknown, an asset or a currency, is left out. Costs one unit of `simple_price` for each started 100 pairs, and for the assets that share a name or a symbol as many more.")
	op.parameters = append([]parameter{{
		name: "vs_currencies", required: true, values: given(wordListValues(resolvers.MaxWords)), example: "usd,eur",
		description: "Currencies, separated by commas.",
	}}, selection()...)
	op.parameters = append(op.parameters,
		flagParameter("include_market_cap", "Adds `<currency>_market_cap`."),
		flagParameter("include_24hr_vol", "Adds `<currency>_24h_vol`."),
		flagParameter("include_24hr_change", "Adds `<currency>_24h_change`, in percent."),
		flagParameter("include_last_updated_at", "Adds `last_updated_at`, in Unix seconds."),
		precisionParameter,
	)
	op.check = func(p *parameters) []fault.Field {
		if _, list := selected(p); len(list) == 0 {
			return bad("ids", isMissing)
		}
		return nil
	}
	op.answers = []answer{{
		description: "The prices by the word that was asked for.", headers: slices.Concat(cached, rated),
		content: []content{{
			plainJSON, keyedBy("By id, name or symbol.", keyedBy("By currency.", typed("", "number", "null"))),
			map[string]any{"bitcoin": map[string]any{"usd": 136459, "last_updated_at": 1795518562}},
		}},
	}}
	op.faults = slices.DeleteFunc(slices.Clone(upstreamFaults), func(k fault.Kind) bool { return k == fault.NotFound })
	op.reused, op.serve = true, h.serveGeckoPrices
	return op
}

func (h *Handler) serveGeckoPrices(w http.ResponseWriter, r *http.Request, p *parameters) error {
	by, list := selected(p)
	quoted, made, err := h.opts.Resolver.Quotes(r.Context(), by, list, currenciesOf(words(p, "vs_currencies")))
	if err != nil {
		return err
	}
	slices.SortFunc(quoted, func(a, b resolvers.Quoted) int { return cmp.Compare(a.Word, b.Word) })
	fields := geckoFields24h{
		marketCap: flag(p, "include_market_cap"), volume: flag(p, "include_24hr_vol"), change: flag(p, "include_24hr_change"),
		updated: flag(p, "include_last_updated_at"), precision: precision(p, gecko.Auto),
	}
	a := rendering{freshUntil: h.now(), body: append(make([]byte, 0, 256), '{')}
	first := true
	for i := range quoted {
		if i > 0 {
			a.body = append(a.body, ',')
		}
		a.body = append(appendString(a.body, quoted[i].Word), ':')
		a.body = fields.append(a.body, quoted[i].Prices)
		for _, price := range quoted[i].Prices {
			if first || price.FreshUntil.Before(a.freshUntil) {
				a.freshUntil = price.FreshUntil
			}
			if first || price.FetchedAt.Before(a.fetchedAt) {
				a.fetchedAt = price.FetchedAt
			}
			first = false
		}
	}
	a.body = append(a.body, '}')
	return h.dataFor(w, r, p, made, geckoRendering(a))
}

// geckoFields24h is what an asset's object has in it.
type geckoFields24h struct {
	marketCap, volume, change, updated bool
	precision                          gecko.Precision
}

func (f geckoFields24h) append(b []byte, prices []*market.Price) []byte {
	b = append(b, '{')
	var updated int64
	for i, p := range prices {
		q := p.Quote()
		member := func(suffix string, v float64) {
			b = append(append(append(append(b, '"'), p.Currency...), suffix...), `":`...)
			b = market.AppendNumber(b, v)
		}
		if i > 0 {
			b = append(b, ',')
		}
		member("", f.precision.Round(q.Price, slices.Contains(coins, p.Currency)))
		if f.marketCap {
			b = append(b, ',')
			member("_market_cap", q.MarketCap)
		}
		if f.volume {
			b = append(b, ',')
			member("_24h_vol", q.Volume24h)
		}
		if f.change {
			b = append(b, ',')
			member("_24h_change", q.Change24h)
		}
		updated = max(updated, q.LastUpdatedAt.Unix())
	}
	if f.updated && len(prices) > 0 {
		b = append(b, `,"last_updated_at":`...)
		b = strconv.AppendInt(b, updated, 10)
	}
	return append(b, '}')
}

// coins are the currencies that are coins themselves, in which CoinGecko shows more decimals.
var coins = []market.Currency{"btc", "eth", "ltc", "bch", "bnb", "eos", "xrp", "xlm", "link", "dot", "yfi", "sol", "bits", "sats"}
