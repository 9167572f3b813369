package web

import (
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/coingraph/coingraph/fault"
	"github.com/coingraph/coingraph/market"
	"github.com/coingraph/coingraph/web/gecko"
)

const chartDescription = "Prices, market capitalisations and 24 h volumes as the provider sent them, with its own stamps in Unix milliseconds. " +
	"Without `interval` a day that ends now comes in steps of 5 minutes, up to 90 days by the hour, more by the day. Costs one unit of `market_chart`."

// chartFaults are those of a chart in CoinGecko's form.
var chartFaults = append([]fault.Kind{fault.UpstreamPlan, fault.UpstreamRange}, upstreamFaults...)

var geckoInterval = parameter{
	name: "interval", values: wordValues("daily", "hourly", "5m", "1m"), example: "daily",
	description: "The step. `hourly` is for at most 100 days, `5m` for at most the last day, and `1m` is not served.",
}

// geckoChart is https://docs.coingecko.com/reference/coins-id-market-chart
func (h *Handler) geckoChart() *operation {
	op := h.geckoOperation("/coins/{id}/market_chart", "geckoMarketChart", "The newest days of an asset", chartDescription)
	op.parameters = []parameter{
		geckoID, h.geckoCurrency(),
		{name: "days", required: true, values: spanValues(), example: "30", description: "How many days up to now, with a fraction if need be, or `max`."},
		geckoInterval, precisionParameter,
	}
	op.answers, op.faults = chartAnswers(), chartFaults
	op.serve = func(w http.ResponseWriter, r *http.Request, p *parameters) error {
		now := h.now()
		span, all, _ := gecko.Span(p.text("days"))
		from := now.Add(-span)
		if all || from.Before(market.Genesis()) {
			from = market.Genesis()
		}
		return h.serveGeckoChart(w, r, p, from, now, true)
	}
	return op
}

// geckoChartRange is https://docs.coingecko.com/reference/coins-id-market-chart-range
func (h *Handler) geckoChartRange() *operation {
	op := h.geckoOperation("/coins/{id}/market_chart/range", "geckoMarketChartRange", "A time range of an asset", chartDescription)
	op.parameters = []parameter{
		geckoID, h.geckoCurrency(),
		{name: "from", required: true, values: momentValues(), example: "2026-01-01", description: "The first instant, an ISO date or Unix seconds."},
		{name: "to", required: true, values: momentValues(), example: "2026-02-01", description: "The last instant, likewise."},
		geckoInterval, precisionParameter,
	}
	op.check = h.checkRange
	op.answers, op.faults = chartAnswers(), chartFaults
	op.serve = func(w http.ResponseWriter, r *http.Request, p *parameters) error {
		from, _ := gecko.Moment(p.text("from"))
		to, _ := gecko.Moment(p.text("to"))
		return h.serveGeckoChart(w, r, p, from, to, endsNow(to, h.now()))
	}
	return op
}

// endsNow tells whether a range that ends then ends with the point of now: it does within CoinGecko's own step.
func endsNow(to, now time.Time) bool { return to.After(now.Add(-5 * time.Minute)) }

// tomorrow is how far ahead a range may end: dates of all time zones, and clocks that are fast.
const tomorrow = 24 * time.Hour

func (h *Handler) checkRange(p *parameters) []fault.Field {
	from, okFrom := gecko.Moment(p.text("from"))
	to, okTo := gecko.Moment(p.text("to"))
	now := h.now()
	switch {
	case !okFrom || !okTo: // said already
		return nil
	case from.Before(market.Genesis()):
		return bad("from", "must not be before 2009-01-03, when the first block was made")
	case from.After(now):
		return bad("from", "must not be in the future. Unix times are in seconds")
	case to.After(now.Add(tomorrow)):
		return bad("to", "must not be in the future. Unix times are in seconds")
	case !from.Before(to):
		return bad("from", "must be before to")
	}
	return nil
}

// Of what an interval is offered.
const (
	maxHourlyDays = 100 * 24 * time.Hour
	maxFineDays   = 24 * time.Hour
)

// intervalOf is the interval that is asked for, or CoinGecko's choice.
func intervalOf(p *parameters, from, to time.Time, live bool) (market.Interval, error) {
	span := to.Sub(from)
	switch name := p.text("interval"); name {
	case "":
		return market.AutoInterval(from, to, live), nil
	case "1m":
		return 0, errPaidOnly
	case "5m":
		if !live || span > maxFineDays {
			return 0, errPaidOnly
		}
		return market.FiveMinutely, nil
	case "hourly":
		if span > maxHourlyDays {
			return 0, fault.Invalid(bad("interval", "hourly is for at most 100 days")...)
		}
		return market.Hourly, nil
	default:
		return market.Daily, nil
	}
}

func (h *Handler) serveGeckoChart(w http.ResponseWriter, r *http.Request, p *parameters, from, to time.Time, live bool) error {
	id, err := assetOf(p)
	if err != nil {
		return err
	}
	interval, err := intervalOf(p, from, to, live)
	if err != nil {
		return err
	}
	samples, err := h.opts.Resolver.Samples(r.Context(), market.SampleRequest{
		SeriesKey: market.SeriesKey{Asset: id, Currency: vsCurrency(p), Interval: interval}, From: from, To: to, Now: live,
	})
	if err != nil {
		return err
	}
	return h.data(w, r, geckoRendering(rendering{
		body: appendSamples(nil, samples, precision(p, gecko.Full)), fetchedAt: samples.FetchedAt, freshUntil: samples.FreshUntil,
	}))
}

// appendSamples appends the body of a chart. The precision is for prices only.
func appendSamples(b []byte, s *market.Samples, precision gecko.Precision) []byte {
	points := s.Points
	if s.Now != nil {
		points = append(points, *s.Now)
	}
	b = slices.Grow(b, 48+3*40*len(points))
	b = appendColumn(append(b, `{"prices":`...), points, market.MissingPrice, func(p *market.Sample) float64 { return precision.Round(p.Price, false) })
	b = appendColumn(append(b, `,"market_caps":`...), points, market.MissingMarketCap, func(p *market.Sample) float64 { return p.MarketCap })
	b = appendColumn(append(b, `,"total_volumes":`...), points, market.MissingVolume, func(p *market.Sample) float64 { return p.Volume })
	return append(b, '}')
}

// appendColumn appends rows of stamp and value. What the provider did not send has no row, and what it sent as null is
// null.
func appendColumn(b []byte, points []market.Sample, missing market.Missing, value func(*market.Sample) float64) []byte {
	b = append(b, '[')
	first := true
	for i := range points {
		if points[i].Missing&missing != 0 {
			continue
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		b = strconv.AppendInt(append(b, '['), points[i].Stamp, 10)
		b = market.AppendNumber(append(b, ','), value(&points[i]))
		b = append(b, ']')
	}
	return append(b, ']')
}
