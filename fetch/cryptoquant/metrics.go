package cryptoquant

import (
	"slices"
	"time"

	"github.com/coingraph/coingraph/market"
)

// metric is how CryptoQuant offers one of market's metrics.
type metric struct {
	path   string // below the asset's
	field  string // of a row
	unit   string // of the values; "": the asset's own, such as BTC
	signed bool   // values may be negative
	// flow: the numbers are those of exchanges, all of which are asked for together.
	flow bool
	// unverified: path or field stand in client code or in memory of the reference only, without an answer that shows
	// them. docs/providers.md says so, and a test keeps it.
	unverified bool
}

// metrics and stamps are the names of the wire format: the only place that has them.
// https://docs.cryptoquant.com and https://userguide.cryptoquant.com
var metrics = map[market.Metric]metric{
	market.ExchangeNetflow:  {path: "exchange-flows/netflow", field: "netflow_total", signed: true, flow: true},
	market.ExchangeInflow:   {path: "exchange-flows/inflow", field: "inflow_total", flow: true},
	market.ExchangeOutflow:  {path: "exchange-flows/outflow", field: "outflow_total", flow: true},
	market.ExchangeReserve:  {path: "exchange-flows/reserve", field: "reserve", flow: true},
	market.MVRV:             {path: "market-indicator/mvrv", field: "mvrv", unit: "ratio"},
	market.SOPR:             {path: "market-indicator/sopr", field: "sopr", unit: "ratio", unverified: true},
	market.NUPL:             {path: "network-indicator/nupl", field: "nupl", unit: "ratio", signed: true},
	market.ActiveAddresses:  {path: "network-data/addresses-count", field: "addresses_count_active", unit: "addresses", unverified: true},
	market.TransactionCount: {path: "network-data/transactions-count", field: "transactions_count_total", unit: "transactions", unverified: true},
	market.Fees:             {path: "network-data/fees", field: "fees_total", unverified: true},
	market.HashRate:         {path: "network-data/hashrate", field: "hashrate", unit: "TH/s", unverified: true},
	market.Difficulty:       {path: "network-data/difficulty", field: "difficulty", unit: "difficulty", unverified: true},
}

// stamps are the keys of a row's stamp, in UTC, the finer one first.
var stamps = [...]struct {
	key, layout string
	unverified  bool // as metric's
}{
	{key: "datetime", layout: time.DateTime, unverified: true},
	{key: "date", layout: time.DateOnly},
}

// allExchanges is the aggregate that flows are asked for.
const allExchanges = "all_exchange"

// asset is how CryptoQuant calls one of CoinGecko's assets, and what it lacks of the metrics.
type asset struct {
	path, symbol string
	without      []market.Metric
}

// assets are by CoinGecko's ids, never by symbol: symbols are not unique.
var assets = map[string]asset{
	"bitcoin": {path: "btc", symbol: "BTC"},
	// MVRV and NUPL answered 404 in August 2026; SOPR is in no reference; there has been no mining since the Merge.
	"ethereum": {path: "eth", symbol: "ETH", without: []market.Metric{market.MVRV, market.SOPR, market.NUPL, market.HashRate, market.Difficulty}},
}

// windows are the names of the intervals.
var windows = map[market.Interval]string{market.Daily: "day", market.Hourly: "hour"}

// series is a metric of an asset in a window, as it is asked for.
type series struct {
	metric
	interval market.Interval
	window   string
	asset    string // its path
}

// seriesOf is what a key is called; false: it is not offered.
func seriesOf(key market.SeriesKey) (series, bool) {
	m, known := metrics[key.Metric]
	a, listed := assets[key.Asset]
	w, stepped := windows[key.Interval]
	return series{m, key.Interval, w, a.path}, known && listed && stepped && !slices.Contains(a.without, key.Metric)
}

// endpoint is the path of a series below the root.
func (s series) endpoint() string { return "/" + s.asset + "/" + s.path }

// logged is the endpoint as logs have it: the metric, whatever the asset.
func (s series) logged() string { return "/{asset}/" + s.path }

// Offers are the metrics there are, in market's order. What the plan holds back of them is only known when they are asked
// for. It makes no call.
func (c *Client) Offers() []market.Offer {
	var offers []market.Offer
	for _, m := range market.AllMetrics() {
		for _, id := range []string{"bitcoin", "ethereum"} {
			a := assets[id]
			if slices.Contains(a.without, m) {
				continue
			}
			unit := metrics[m].unit
			if unit == "" {
				unit = a.symbol
			}
			offers = append(offers, market.Offer{
				Metric: m, Asset: id, Intervals: []market.Interval{market.Daily, market.Hourly}, Unit: unit, Provider: Name,
			})
		}
	}
	return offers
}
