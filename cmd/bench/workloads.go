package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/url"
	"strings"
)

// The keys that the gateways know: the clients', and the one that reads metrics.
const (
	secret      = "bench-secret-of-32-characters-00"
	adminSecret = "admin-secret-of-32-characters-00"
)

// workload is what clients ask.
type workload struct {
	name, title string
	again       bool             // asks for what another workload asked for: it needs no warming up
	hot, warm   []map[string]any // variables of the operations; nil: it has no such column
	document    string
	path        func(v map[string]any) string // of a GET; nil: it is POST /graphql
}

const (
	hotOperations  = 200
	warmOperations = 1500
)

const priceFields = "asset { id } currency price marketCap volume24h change24h lastUpdatedAt fetchedAt source stale"

// workloads are those of the table. Assets are the ids that the simulator has, the largest first.
func workloads(assets []string) []workload {
	random := rand.New(rand.NewPCG(1, 1)) //nolint:gosec // the same operations in each run
	someOf := func(n int) []string {
		some := make([]string, n)
		for i, at := range random.Perm(len(assets))[:n] {
			some[i] = assets[at]
		}
		return some
	}
	vary := func(n int, make func(i int) map[string]any) []map[string]any {
		all := []map[string]any{}
		for i := range n {
			all = append(all, make(i))
		}
		return all
	}
	price := func(int) map[string]any {
		return map[string]any{"asset": assets[random.IntN(len(assets))], "currency": currencies[random.IntN(len(currencies))]}
	}
	chart := func(assets []string, currencies []string, days ...int) func(int) map[string]any {
		return func(int) map[string]any {
			return map[string]any{"asset": assets[random.IntN(len(assets))], "currency": currencies[random.IntN(len(currencies))], "days": days[random.IntN(len(days))]}
		}
	}
	hotChart := func(days int) func(int) map[string]any {
		return func(i int) map[string]any { return map[string]any{"asset": assets[i], "currency": "USD", "days": days} }
	}
	const chartQuery = "query Chart($asset: ID!, $currency: Currency!, $days: Days!) { marketChart(asset: $asset, currency: $currency, interval: %s, days: $days) { %s } }"
	daily, hourly := chart(assets[:40], currencies[:4], 300, 365), chart(assets[:20], currencies[:2], 88, 90)
	w1 := "query Price($asset: ID!, $currency: Currency!) { simplePrice(assets: [$asset], currencies: [$currency]) { " + priceFields + " } }"
	hotPrice := func(i int) map[string]any { return map[string]any{"asset": assets[i%len(assets)], "currency": "USD"} }
	return []workload{
		{name: "W1", title: "one price, all fields", document: w1, hot: vary(hotOperations, hotPrice), warm: vary(warmOperations, price)},
		{
			name: "W2", title: "50 assets × 4 currencies, all fields",
			document: "query Prices($assets: [ID!]!, $currencies: [Currency!]!) { simplePrice(assets: $assets, currencies: $currencies) { " + priceFields + " } }",
			hot: vary(40, func(i int) map[string]any {
				return map[string]any{"assets": assets[(i*7)%151 : (i*7)%151+50], "currencies": currencies[:4]}
			}),
			warm: vary(warmOperations, func(int) map[string]any {
				at := random.IntN(len(currencies) - 4)
				return map[string]any{"assets": someOf(50), "currencies": currencies[at : at+4]}
			}),
		},
		{
			name: "W3", title: "365 daily points, two columns", document: fmt.Sprintf(chartQuery, "DAILY", "timestamps prices"),
			hot: vary(20, hotChart(365)), warm: vary(warmOperations, daily),
		},
		{
			name: "W4", title: "2,160 hourly points, four columns", document: fmt.Sprintf(chartQuery, "HOURLY", "timestamps prices marketCaps volumes"),
			hot: vary(20, hotChart(90)), warm: vary(warmOperations, hourly),
		},
		{
			name: "W5", title: "10 assets, each its price and a 30-point chart",
			document: "query Board($ids: [ID!], $currency: Currency!) { assets(ids: $ids) { nodes { id price(currency: $currency) { price marketCap volume24h change24h lastUpdatedAt } " +
				"chart(currency: $currency, interval: DAILY, days: 30) { timestamps prices } } } }",
			hot: vary(11, func(i int) map[string]any { return map[string]any{"ids": assets[i : i+10], "currency": "USD"} }),
			warm: vary(warmOperations, func(int) map[string]any {
				ids := make([]string, 10)
				for i, at := range random.Perm(60)[:10] {
					ids[i] = assets[at]
				}
				return map[string]any{"ids": ids, "currency": currencies[random.IntN(4)]}
			}),
		},
		{
			name: "W6", title: "a price that Redis has not, fresh in Postgres", warm: vary(warmOperations, price),
			document: "query Price($asset: ID!, $currency: Currency!) { simplePrice(assets: [$asset], currencies: [$currency], freshness: {maxAgeSeconds: 86400}) { " + priceFields + " } }",
		},
		{
			name: "W3o", title: "W3 as objects", again: true, document: fmt.Sprintf(chartQuery, "DAILY", "points { timestamp price }"),
			warm: vary(warmOperations, daily),
		},
		{
			name: "W4o", title: "W4 as objects", again: true, document: fmt.Sprintf(chartQuery, "HOURLY", "points { timestamp price marketCap volume }"),
			warm: vary(warmOperations, hourly),
		},
		{
			name: "R1", title: "GET /simple_price, one price", hot: vary(hotOperations, hotPrice), warm: vary(warmOperations, price),
			path: func(v map[string]any) string {
				return fmt.Sprintf("/simple_price?assets=%s&currencies=%s", url.QueryEscape(v["asset"].(string)), strings.ToLower(v["currency"].(string)))
			},
		},
		{
			name: "V1", title: "GET /api/v3/simple/price, one price", hot: vary(hotOperations, hotPrice), warm: vary(warmOperations, price),
			path: func(v map[string]any) string {
				return fmt.Sprintf("/api/v3/simple/price?ids=%s&vs_currencies=%s&include_market_cap=true&include_24hr_vol=true&include_24hr_change=true&include_last_updated_at=true",
					url.QueryEscape(v["asset"].(string)), strings.ToLower(v["currency"].(string)))
			},
		},
	}
}

// currencies are those that are asked for, as the schema writes them.
var currencies = []string{"USD", "EUR", "GBP", "JPY", "CHF", "CAD", "AUD", "KRW", "INR", "BRL", "BTC", "ETH"}

// requests are the operations as they go over the wire to the gateway.
func (w workload) requests(host string, variables []map[string]any) []request {
	all := make([]request, len(variables))
	for i, v := range variables {
		if w.path != nil {
			all[i] = request(fmt.Sprintf("GET %s HTTP/1.1\r\nHost: %s\r\nX-API-Key: %s\r\n\r\n", w.path(v), host, secret))
			continue
		}
		all[i] = post(host, "/graphql", map[string]any{"query": w.document, "variables": v})
	}
	return all
}

// limitRequests are the same for a limit.
func (w workload) limitRequests(host string, variables []map[string]any) []request {
	all := make([]request, len(variables))
	for i, v := range variables {
		all[i] = post(host, "/"+w.name, map[string]any{"query": w.document, "variables": v})
	}
	return all
}

func post(host, path string, body any) request {
	text, err := json.Marshal(body)
	if err != nil {
		panic(err) // maps of strings and numbers
	}
	return request(fmt.Sprintf("POST %s HTTP/1.1\r\nHost: %s\r\nX-API-Key: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", path, host, secret, len(text), text))
}
