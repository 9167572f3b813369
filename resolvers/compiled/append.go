package compiled

import (
	"iter"
	"strconv"
	"time"

	"github.com/99designs/gqlgen/graphql"

	"github.com/coingraph/coingraph/market"
)

// Found is what was found for a [Question], index by index of its lists.
type Found struct {
	Prices  []*market.Price
	Charts  []*market.Chart
	Metrics []*market.MetricSeries
	Assets  []market.Asset
}

// Append appends the answer's data, an object.
func (q *Question) Append(b []byte, f *Found) []byte {
	w := writer{b: append(b, '{'), found: f}
	for i := range q.operation.roots {
		r, p := &q.operation.roots[i], &q.parts[i]
		w.text(r.key)
		switch r.kind {
		case rootPrices:
			w.byte('[')
			for n, price := range f.Prices[p.prices.from:p.prices.to] {
				if n > 0 {
					w.byte(',')
				}
				w.price(r.price, price)
			}
			w.byte(']')
		case rootChart:
			w.chart(r.series, f.Charts[p.charts.from])
		case rootMetric:
			w.metric(r.series, f.Metrics[p.metrics.from])
		case rootAsset:
			w.asset(r.asset, &f.Assets[p.assets.from], p.edges, 0)
		case rootAssets:
			w.text(r.nodesKey)
			w.byte('[')
			for n := range p.assets.to - p.assets.from {
				if n > 0 {
					w.byte(',')
				}
				w.asset(r.asset, &f.Assets[p.assets.from+n], p.edges, n)
			}
			w.text("]}")
		}
	}
	return append(w.b, '}')
}

// writer appends. It is an io.Writer for those who write themselves.
type writer struct {
	b     []byte
	found *Found
}

func (w *writer) Write(p []byte) (int, error) { w.b = append(w.b, p...); return len(p), nil }

// WriteString saves the copy that a conversion would make.
func (w *writer) WriteString(s string) (int, error) { w.b = append(w.b, s...); return len(s), nil }

func (w *writer) text(s string) { w.b = append(w.b, s...) }
func (w *writer) byte(c byte)   { w.b = append(w.b, c) }

func (w *writer) quoted(s string) {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c > '~' {
			graphql.MarshalString(s).MarshalGQL(w)
			return
		}
	}
	w.b = append(append(append(w.b, '"'), s...), '"')
}

func (w *writer) time(t time.Time) {
	if t.IsZero() {
		w.text("null")
		return
	}
	w.b = append(t.AppendFormat(append(w.b, '"'), time.RFC3339Nano), '"')
}

func (w *writer) timeOrNull(t *time.Time) {
	if t == nil {
		w.text("null")
		return
	}
	w.time(*t)
}

// members writes an object: its braces, and the name of each of its fields before the field is yielded.
func (w *writer) members(o *object) iter.Seq[*field] {
	return func(yield func(*field) bool) {
		w.byte('{')
		for i := range o.fields {
			w.text(o.fields[i].key)
			if !yield(&o.fields[i]) {
				return
			}
		}
		w.byte('}')
	}
}

func (w *writer) bool(v bool) { w.b = strconv.AppendBool(w.b, v) }

func (w *writer) currency(c market.Currency) {
	w.byte('"')
	for i := range len(c) {
		ch := c[i]
		if 'a' <= ch && ch <= 'z' {
			ch -= 'a' - 'A'
		}
		w.byte(ch)
	}
	w.byte('"')
}

func (w *writer) plainAsset(o *object, a *market.Asset) {
	for f := range w.members(o) {
		w.assetField(f, a)
	}
}

func (w *writer) assetField(f *field, a *market.Asset) {
	switch f.kind {
	case assetID:
		w.quoted(a.ID)
	case assetSymbol:
		w.quoted(a.Symbol)
	case assetName:
		w.quoted(a.Name)
	default:
		w.text(f.text)
	}
}

// asset writes the n-th asset of its root field, with its edges.
func (w *writer) asset(o *object, a *market.Asset, edges []span, n int) {
	for f := range w.members(o) {
		switch f.kind {
		case assetPrice:
			w.price(o.edges[f.edge].sub, w.found.Prices[edges[f.edge].from+n])
		case assetChart:
			w.chart(o.edges[f.edge].sub, w.found.Charts[edges[f.edge].from+n])
		case assetMetric:
			w.metric(o.edges[f.edge].sub, w.found.Metrics[edges[f.edge].from+n])
		default:
			w.assetField(f, a)
		}
	}
}

func (w *writer) price(o *object, p *market.Price) {
	if text := p.Written(o); text != "" {
		w.text(text)
		return
	}
	json, begin := p.JSON(), len(w.b)
	for f := range w.members(o) {
		switch f.kind {
		case assetObject:
			w.plainAsset(f.sub, &p.Asset)
		case currencyEnum:
			w.currency(p.Currency)
		case priceMembers:
			w.b = append(w.b, json.Values(f.first, f.last)...)
		case staleFlag:
			w.bool(p.Stale)
		default:
			w.text(f.text)
		}
	}
	p.KeepWritten(o, w.b[begin:])
}

func (w *writer) chart(o *object, c *market.Chart) {
	for f := range w.members(o) {
		switch f.kind {
		case currencyEnum:
			w.currency(c.Currency)
		case pricesColumn:
			w.b = c.Prices.AppendJSON(w.b)
		case marketCapsColumn:
			w.b = c.MarketCaps.AppendJSON(w.b)
		case volumesColumn:
			w.b = c.Volumes.AppendJSON(w.b)
		case pointsList:
			w.points(f.sub, &c.Reading, c.Prices, c.MarketCaps, c.Volumes)
		default:
			w.reading(f, &c.Reading)
		}
	}
}

func (w *writer) metric(o *object, m *market.MetricSeries) {
	for f := range w.members(o) {
		switch f.kind {
		case metricEnum:
			m.Metric.MarshalGQL(w)
		case unitText:
			w.quoted(m.Unit)
		case valuesColumn:
			w.b = m.Values.AppendJSON(w.b)
		case pointsList:
			w.points(f.sub, &m.Reading, m.Values)
		default:
			w.reading(f, &m.Reading)
		}
	}
}

// reading writes what charts and metrics have in common.
func (w *writer) reading(f *field, r *market.Reading) {
	switch f.kind {
	case assetObject:
		w.plainAsset(f.sub, &r.Asset)
	case intervalEnum:
		r.Interval.MarshalGQL(w)
	case daysValue:
		r.Days.MarshalGQL(w)
	case fromTime:
		w.timeOrNull(r.From())
	case toTime:
		w.timeOrNull(r.To())
	case sourcesList:
		w.byte('[')
		for i, s := range r.Sources {
			if i > 0 {
				w.byte(',')
			}
			w.quoted(s)
		}
		w.byte(']')
	case fetchedAt:
		w.time(r.FetchedAt)
	case staleFlag:
		w.bool(r.Stale)
	case timestampsColumn:
		w.b = r.Timestamps.AppendJSON(w.b)
	case coverageObject:
		w.coverage(f.sub, &r.Coverage)
	default:
		w.text(f.text)
	}
}

func (w *writer) coverage(o *object, c *market.Coverage) {
	for f := range w.members(o) {
		switch f.kind {
		case completeFlag:
			w.bool(c.Complete)
		case fromTime:
			w.timeOrNull(c.From)
		case toTime:
			w.timeOrNull(c.To)
		case holesList:
			w.byte('[')
			for n := range c.Holes {
				if n > 0 {
					w.byte(',')
				}
				w.hole(f.sub, &c.Holes[n])
			}
			w.byte(']')
		default:
			w.text(f.text)
		}
	}
}

func (w *writer) hole(o *object, h *market.Hole) {
	for f := range w.members(o) {
		switch f.kind {
		case fromTime:
			w.time(h.From)
		case toTime:
			w.time(h.To)
		case holeReason:
			h.Reason.MarshalGQL(w)
		default:
			w.text(f.text)
		}
	}
}

// points writes a series as objects. The columns are the price or the value, the market cap and the volume.
func (w *writer) points(o *object, r *market.Reading, columns ...market.Column) {
	texts := make([]market.Texts, len(columns), 3)
	for i, c := range columns {
		texts[i] = c.Texts()
	}
	var values [3]market.NumberText
	w.byte('[')
	first := true
	for instant := range r.Timestamps.RFC3339() {
		if !first {
			w.byte(',')
		}
		first = false
		for i := range texts {
			values[i] = texts[i].Next()
		}
		for f := range w.members(o) {
			switch f.kind {
			case pointTimestamp:
				w.b = append(append(append(w.b, '"'), instant...), '"')
			case pointPrice, pointMarketCap, pointVolume:
				w.b = append(w.b, values[f.kind-pointPrice]...)
			default:
				w.text(f.text)
			}
		}
	}
	w.byte(']')
}
