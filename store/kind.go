package store

import (
	"strings"

	"github.com/coingraph/coingraph/market"
)

// seriesKind is what differs between charts and on-chain metrics, which are kept in tables of one form.
type seriesKind struct {
	onChain   bool
	subject   string // names, beside asset and interval, what of the asset the series is
	histories string // the statement that reads them
	schema    string
	values    []pointValue
	setPoint  string // what becomes of a point that is there already
}

// pointValue is a column of a point's values.
type pointValue struct {
	column string
	of     func(*market.Point) float64
}

var (
	chartKind = newSeriesKind(seriesKind{schema: "charts", subject: "currency", values: []pointValue{
		{"price", func(p *market.Point) float64 { return p.Price }},
		{"market_cap", func(p *market.Point) float64 { return p.MarketCap }},
		{"volume", func(p *market.Point) float64 { return p.Volume }},
	}}, "p.price, p.market_cap, p.volume")
	metricKind = newSeriesKind(seriesKind{schema: "onchain", onChain: true, subject: "metric", values: []pointValue{
		{"value", func(p *market.Point) float64 { return p.Price }},
	}}, "p.value, CAST(NULL AS double precision), CAST(NULL AS double precision)")
)

// newSeriesKind completes a kind; selected is its values in the order of a chart's.
func newSeriesKind(k seriesKind, selected string) *seriesKind {
	k.histories = k.named(strings.ReplaceAll(selectHistories, "@values", selected))
	if !k.onChain {
		k.histories += selectTails
	}
	set := make([]string, 0, len(k.values)+3)
	for _, v := range k.values {
		set = append(set, v.column+" = excluded."+v.column)
	}
	set = append(set, "missing = excluded.missing", "source_id = excluded.source_id", "fetched_at = excluded.fetched_at")
	k.setPoint = strings.Join(set, ", ")
	return &k
}

func kindOf(key market.SeriesKey) *seriesKind {
	if key.OnChain() {
		return metricKind
	}
	return chartKind
}

// subjectOf is the value of the series' subject column.
func subjectOf(key market.SeriesKey) string {
	if key.OnChain() {
		return string(key.Metric)
	}
	return string(key.Currency)
}

// named puts the kind's own names into a statement about series of any kind.
func (k *seriesKind) named(query string) string {
	return strings.NewReplacer("@schema", k.schema, "@subject", k.subject).Replace(query)
}

func (k *seriesKind) table(name string) string { return k.schema + "." + name }

func (k *seriesKind) batch(id int64, points []market.Point, sources map[string]int64) batch {
	b := batch{
		{"series_id", of(points, func(*market.Point) int64 { return id })},
		{"ts", of(points, func(p *market.Point) int64 { return p.Stamp })},
		{"missing", of(points, func(p *market.Point) int64 { return int64(p.Missing) })},
		{"source_id", of(points, func(p *market.Point) int64 { return sources[p.Source] })},
		{"fetched_at", of(points, func(p *market.Point) int64 { return p.FetchedAt.UnixMilli() })},
	}
	for _, v := range k.values {
		b = append(b, column{v.column, of(points, v.of)})
	}
	return b
}
