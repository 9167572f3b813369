package web

import (
	"github.com/coingraph/coingraph/web/openapi"
)

const tagGecko = "CoinGecko"

// The security schemes of CoinGecko's clients.
const (
	schemeDemoHeader    = "CoinGeckoDemoHeader"
	schemeProHeader     = "CoinGeckoProHeader"
	schemeDemoParameter = "CoinGeckoDemoParameter"
	schemeProParameter  = "CoinGeckoProParameter"
)

var geckoTag = openapi.Tag{Name: tagGecko, Description: "CoinGecko's own API, for clients that already speak it: they change the base URL, nothing else. " +
	"Parameters, bodies and errors are CoinGecko's."}

var geckoSchemes = openapi.Map[*openapi.SecurityScheme]{
	{Name: schemeDemoHeader, Value: &openapi.SecurityScheme{Type: "apiKey", In: "header", Name: geckoHeaders[0], Description: "An API key of this server, where CoinGecko's clients put theirs."}},
	{Name: schemeProHeader, Value: &openapi.SecurityScheme{Type: "apiKey", In: "header", Name: geckoHeaders[1], Description: "Likewise."}},
	{Name: schemeDemoParameter, Value: &openapi.SecurityScheme{Type: "apiKey", In: "query", Name: geckoParameters[0], Description: "Likewise. Headers are better: URLs end up in logs, if not in ours."}},
	{Name: schemeProParameter, Value: &openapi.SecurityScheme{Type: "apiKey", In: "query", Name: geckoParameters[1], Description: "Likewise."}},
}

var geckoSchemas = openapi.Map[*openapi.Schema]{
	{Name: "CoinGeckoError", Value: &openapi.Schema{Type: openapi.Types{"object"}, Description: "One of CoinGecko's shapes of an error.", Properties: openapi.Map[*openapi.Schema]{
		property("error", &openapi.Schema{Description: "What is wrong, or an object with a `status`."}),
		property("status", openapi.Ref("CoinGeckoStatus")),
	}}},
	{Name: "CoinGeckoStatus", Value: partial("",
		property("timestamp", typed("", "string")),
		property("error_code", typed("CoinGecko's code, or the HTTP status.", "integer")),
		property("error_message", typed("For people.", "string")),
	)},
	{Name: "CoinGeckoChart", Value: object("Three lists of rows, to be joined by their stamps: a list may lack a row that another has.",
		property("prices", geckoRows("")),
		property("market_caps", geckoRows("0 where it is not known.")),
		property("total_volumes", geckoRows("What was traded in the 24 hours before.")),
	)},
	{Name: "CoinGeckoCoin", Value: &openapi.Schema{Type: openapi.Types{"object"}, Properties: openapi.Map[*openapi.Schema]{
		property("id", typed("Unique.", "string")),
		property("symbol", typed("Not unique, and may be empty.", "string")),
		property("name", typed("Not unique.", "string")),
		property("platforms", keyedBy("Contract addresses, by chain.", typed("May be empty.", "string", "null"))),
	}}},
	{Name: "CoinGeckoMarket", Value: &openapi.Schema{Type: openapi.Types{"object"}, Description: "An asset with its market data, as the provider has it. Nearly all may be null."}},
	{Name: "CoinGeckoSnapshot", Value: &openapi.Schema{Type: openapi.Types{"object"}, Description: "An asset at one time, as the provider has it."}},
	{Name: "CoinGeckoKey", Value: object("A caller's limits.",
		property("plan", typed("The caller's tier here.", "string")),
		property("rate_limit_request_per_minute", typed("Units of `simple_price` in a minute.", "integer")),
		property("monthly_call_credit", typed("There are no months here.", "integer", "null")),
		property("current_total_monthly_calls", typed("", "integer", "null")),
		property("current_remaining_monthly_calls", typed("", "integer", "null")),
		property("limits", listOf("By endpoint.", object("",
			property("endpoint", typed("", "string")),
			property("limit", typed("Units in a window.", "integer")),
			property("remaining", typed("Units left in this one.", "integer")),
			property("resets_at", instant("When it ends.")),
		))),
	)},
}

func geckoRows(description string) *openapi.Schema {
	return listOf(description, listOf("A stamp in Unix milliseconds, and a value.", typed("", "number", "null")))
}

var geckoSharedHeaders = openapi.Map[*openapi.Header]{
	{Name: "Total", Value: &openapi.Header{Description: "Rows on all pages.", Schema: typed("", "integer"), Example: 17892}},
	{Name: "Per-Page", Value: &openapi.Header{Description: "Rows of a page.", Schema: typed("", "integer"), Example: 100}},
	{Name: "Link", Value: &openapi.Header{Description: "The first, previous, next and last page: RFC 8288.", Schema: typed("", "string"), Example: `</api/v3/coins/markets?page=2&vs_currency=usd>; rel="next"`}},
}

// chartAnswers are a chart's.
func chartAnswers() []answer {
	row := func(v float64) [][]float64 { return [][]float64{{1795478400000, v}, {1795518562000, v}} }
	return []answer{{
		description: "The rows, ascending, the point of now at the end.", headers: append(append([]string{}, cached...), rated...),
		content: []content{{plainJSON, openapi.Ref("CoinGeckoChart"), map[string]any{"prices": row(136459.46064396048), "market_caps": row(2736033801508.314), "total_volumes": row(103942731186.31)}}},
	}}
}
