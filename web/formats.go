package web

import (
	"net/http"
	"time"

	"github.com/coingraph/coingraph/fault"
	"github.com/coingraph/coingraph/market"
)

// The media types of rows.
const (
	csvMedia    = "text/csv"             // https://www.rfc-editor.org/rfc/rfc4180
	ndjsonMedia = "application/x-ndjson" // https://github.com/ndjson/ndjson-spec

	csvContent = csvMedia + "; charset=utf-8; header=present"
)

// rowFormats are the media types of prices and charts.
var rowFormats = []string{plainJSON, csvMedia, ndjsonMedia}

// formatParameter declares the choice of a format, which outweighs the header Accept.
var formatParameter = parameter{
	name: "format", values: wordValues("json", "csv", "ndjson"), example: "json",
	description: "The format of the answer, if not as the header `Accept` says: rows as CSV with a header, or as NDJSON, one object a line.",
}

// format is the media type that the client wants the answer in.
func format(r *http.Request, p *parameters) (string, error) {
	switch p.text("format") {
	case "json":
		return plainJSON, nil
	case "csv":
		return csvMedia, nil
	case "ndjson":
		return ndjsonMedia, nil
	}
	media, ok := preferred(r.Header["Accept"], rowFormats...)
	if !ok {
		return "", fault.New(fault.NotAcceptable, "this endpoint speaks %s, %s and %s", plainJSON, csvMedia, ndjsonMedia)
	}
	return media, nil
}

// pricesAs renders prices, of which there is at least one, in the media type.
func pricesAs(media string, prices []*market.Price) rendering {
	a := rendering{media: media, fetchedAt: prices[0].FetchedAt, vary: byFormat}
	for _, p := range prices {
		if p.FetchedAt.Before(a.fetchedAt) {
			a.fetchedAt = p.FetchedAt
		}
	}
	a.body, a.freshUntil = appendPrices(make([]byte, 0, priceWidth*len(prices)), prices)
	switch media {
	case csvMedia:
		a.media, a.body = csvContent, []byte("asset,currency,price,market_cap,volume_24h,change_24h,last_updated_at,fetched_at,source,stale\n")
		for _, p := range once(prices) {
			a.body = appendPriceRow(a.body, p)
		}
	case ndjsonMedia:
		a.body = nil
		for _, p := range once(prices) {
			a.body = append(a.body, `{"asset":`...)
			a.body = appendString(a.body, p.Asset.ID)
			a.body = append(a.body, `,"currency":`...)
			a.body = appendString(a.body, string(p.Currency))
			a.body = append(a.body, ',')
			a.body = append(appendPriceMembers(a.body, p), "}\n"...)
		}
	}
	return a
}

// priceWidth is about how many bytes a price has.
const priceWidth = 288

// once has each pair once, where it is asked for first.
func once(prices []*market.Price) []*market.Price {
	seen := make(map[market.Pair]bool, len(prices))
	out := make([]*market.Price, 0, len(prices))
	for _, p := range prices {
		pair := market.Pair{Asset: p.Asset.ID, Currency: p.Currency}
		if !seen[pair] {
			seen[pair] = true
			out = append(out, p)
		}
	}
	return out
}

// appendPriceRow appends a line of CSV. None of its texts has a character that CSV would quote: an id's form has none, nor
// have currencies, providers' names, numbers and instants.
func appendPriceRow(b []byte, p *market.Price) []byte {
	b = append(append(b, p.Asset.ID...), ',')
	b = append(append(b, p.Currency...), ',')
	for _, n := range []market.Number{p.Price, p.MarketCap, p.Volume24h, p.Change24h} {
		b = append(appendCell(b, float64(n)), ',')
	}
	for _, t := range []time.Time{p.LastUpdatedAt, p.FetchedAt} {
		b = append(t.AppendFormat(b, time.RFC3339), ',')
	}
	b = append(append(b, p.Source...), ',')
	if p.Stale {
		return append(b, "true\n"...)
	}
	return append(b, "false\n"...)
}

// appendCell appends a number, or nothing for null.
func appendCell(b []byte, f float64) []byte {
	if f != f {
		return b
	}
	return market.AppendNumber(b, f)
}

// chartAs renders a chart in the media type.
func chartAs(media string, chart *market.Chart) rendering {
	a := rendering{media: media, fetchedAt: chart.FetchedAt, freshUntil: chart.FreshUntil, vary: byFormat}
	prices, marketCaps, volumes := chart.Prices.Texts(), chart.MarketCaps.Texts(), chart.Volumes.Texts()
	switch media {
	case csvMedia:
		a.media, a.body = csvContent, append(make([]byte, 0, rowWidth*chart.Timestamps.Len()), "timestamp,price,market_cap,volume\n"...)
		for instant := range chart.Timestamps.RFC3339() {
			a.body = append(a.body, instant...)
			a.body = appendTextCell(append(a.body, ','), prices.Next())
			a.body = appendTextCell(append(a.body, ','), marketCaps.Next())
			a.body = appendTextCell(append(a.body, ','), volumes.Next())
			a.body = append(a.body, '\n')
		}
	case ndjsonMedia:
		a.body = make([]byte, 0, 2*rowWidth*chart.Timestamps.Len())
		for instant := range chart.Timestamps.RFC3339() {
			a.body = append(append(a.body, `{"timestamp":"`...), instant...)
			a.body = append(append(a.body, `","price":`...), prices.Next()...)
			a.body = append(append(a.body, `,"market_cap":`...), marketCaps.Next()...)
			a.body = append(append(a.body, `,"volume":`...), volumes.Next()...)
			a.body = append(a.body, "}\n"...)
		}
	default:
		a.body = appendChart(nil, chart)
	}
	return a
}

// rowWidth is about how many bytes a row of CSV has.
const rowWidth = 80

// appendTextCell appends a number's text, or nothing for null.
func appendTextCell(b []byte, n market.NumberText) []byte {
	if n.IsNull() {
		return b
	}
	return append(b, n...)
}
