package market

import (
	"context"
	"slices"
	"time"
)

// MetricRequest asks for an on-chain metric.
type MetricRequest = SeriesRequest

// MetricSeries is an asset's on-chain metric, read. A point's value covers the step that its instant begins.
type MetricSeries struct {
	Reading
	Metric Metric
	Unit   string // of the values; "" where nobody offers the metric of this asset
	Values Column
}

// MetricPoint is one instant of a metric's series.
type MetricPoint struct {
	Timestamp time.Time
	Value     NumberText
}

// Points are the columns as rows.
func (m *MetricSeries) Points() []MetricPoint {
	points := make([]MetricPoint, 0, m.Timestamps.Len())
	values := m.Values.Texts()
	for t := range m.Timestamps.All() {
		points = append(points, MetricPoint{time.UnixMilli(t).UTC(), values.Next()})
	}
	return points
}

// metrics is the kind of metrics, with what is offered of them.
type metrics struct{ offers []Offer }

// offered finds the asset's metric at the interval.
func (k metrics) offered(key SeriesKey) bool { return offers(k.offers, key) }

func offers(all []Offer, key SeriesKey) bool {
	return slices.ContainsFunc(all, func(o Offer) bool {
		return o.Metric == key.Metric && o.Asset == key.Asset && slices.Contains(o.Intervals, key.Interval)
	})
}

// unit is what the asset's metric is counted in, whatever the interval.
func (k metrics) unit(key SeriesKey) string {
	for _, o := range k.offers {
		if o.Metric == key.Metric && o.Asset == key.Asset {
			return o.Unit
		}
	}
	return ""
}

func (k metrics) read(r SeriesRequest, asset Asset, h History, window Range, providers []string) *MetricSeries {
	m := &MetricSeries{Metric: r.Metric, Unit: k.unit(r.SeriesKey)}
	var values *columnBuilder
	m.read(r, asset, h, window, providers, func(n int) { values = newColumnBuilder(n) }, func(p *Point) { values.add(p.Price) })
	m.Values = values.column()
	return m
}

func (metrics) named(m *MetricSeries, id string) *MetricSeries {
	old := *m
	old.Asset.ID = id
	return &old
}

func (metrics) encode(r SeriesRequest, m *MetricSeries) []byte { return encodeMetric(r, m) }

func (k metrics) decode(r SeriesRequest, asset Asset, b []byte) (*MetricSeries, error) {
	m, err := decodeMetric(r, asset, b)
	if err == nil {
		m.Unit = k.unit(r.SeriesKey)
	}
	return m, err
}

// MetricsInMemory is [Service.Metrics] where this process's memory has all of them: it waits for nobody. Otherwise it is
// false, and nothing was done.
func (s *Service) MetricsInMemory(ctx context.Context, requests []MetricRequest) ([]Answer[*MetricSeries], bool) {
	all := s.catalogue.current.Load()
	if all == nil {
		return nil, false
	}
	return inMemory(ctx, s, askSeries(s, metrics{s.opts.Source.Offers()}, all, requests))
}

// Metrics answers for the requests, index by index. What no provider offers is an empty series with the one hole
// [NotOffered], and no error; the errors are faults as those of [Service.Prices].
func (s *Service) Metrics(ctx context.Context, requests []MetricRequest, fresh Freshness) []Answer[*MetricSeries] {
	return s.BeginMetrics(ctx, requests, fresh)()
}

// BeginMetrics is to [Service.Metrics] what [Service.BeginPrices] is to Prices.
func (s *Service) BeginMetrics(ctx context.Context, requests []MetricRequest, fresh Freshness) (wait func() []Answer[*MetricSeries]) {
	all, err := s.snapshot(ctx)
	if err != nil {
		return func() []Answer[*MetricSeries] { return failed[*MetricSeries](len(requests), err) }
	}
	return beginSeries(ctx, s, askSeries(s, metrics{s.opts.Source.Offers()}, all, requests), fresh)
}

// MetricInfo is what can be had of a metric from one provider.
type MetricInfo struct {
	Metric    Metric
	Assets    []string
	Intervals []Interval
	Unit      string
	Since     *time.Time // nil: not known
	Provider  string
}

// Description says what the metric's values mean.
func (i MetricInfo) Description() string { return i.Metric.Description() }

// MetricCatalogue is what can be had, in the metrics' order, from the preferred provider first. Assets of which a provider
// has the same stand together.
func (s *Service) MetricCatalogue() []MetricInfo {
	offers := s.opts.Source.Offers()
	infos := make([]MetricInfo, 0, len(allMetrics))
	for _, m := range allMetrics {
		begin := len(infos)
		for _, o := range offers {
			if o.Metric != m {
				continue
			}
			i := slices.IndexFunc(infos[begin:], o.sameFor)
			if i < 0 {
				i = len(infos) - begin
				infos = append(infos, MetricInfo{Metric: m, Intervals: o.Intervals, Unit: o.Unit, Provider: o.Provider})
				if since := o.Since.UTC(); !since.IsZero() {
					infos[begin+i].Since = &since
				}
			}
			infos[begin+i].Assets = append(infos[begin+i].Assets, o.Asset)
		}
	}
	return infos
}

// sameFor tells whether the offer is the same, but for the asset.
func (o Offer) sameFor(i MetricInfo) bool {
	var since time.Time
	if i.Since != nil {
		since = *i.Since
	}
	return o.Provider == i.Provider && o.Unit == i.Unit && o.Since.Equal(since) && slices.Equal(o.Intervals, i.Intervals)
}
