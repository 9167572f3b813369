package simulator

import (
	"math"
	"net/http"
	"strconv"
)

// marketChart is /coins/{id}/market_chart: the newest points, and one of now.
func (s *Simulator) marketChart(q *request, c *coin) *reply {
	cur, p := q.currency(s.world)
	if p != nil {
		return p
	}
	precision, p := q.precision(full)
	if p != nil {
		return p
	}
	days, p := q.days()
	if p != nil {
		return p
	}
	if s.opts.Plan != Pro && days > 365 {
		return beyondReach(q.now)
	}
	step := automaticStep(days)
	if days <= 1 {
		step = fiveMinutes
	}
	if step, p = s.interval(q, step, days); p != nil {
		return p
	}
	newest := c.newest(step, q.now)
	from := int64(0)
	if n := math.Round(days * float64(day/step)); n < float64(newest) {
		from = newest - int64(max(n, 1)) + 1
	}
	points := s.world.chart(c, cur, step, from, newest, q.now)
	if tail, ok := s.world.nowPoint(c, cur, q.now); ok {
		points = append(points, tail)
	}
	return success(appendChart(points, precision), 30)
}

// marketChartRange is /coins/{id}/market_chart/range: the points from..to, and the one of now if the range ends there.
func (s *Simulator) marketChartRange(q *request, c *coin) *reply {
	cur, p := q.currency(s.world)
	if p != nil {
		return p
	}
	precision, p := q.precision(full)
	if p != nil {
		return p
	}
	from, p := q.instant("from")
	if p != nil {
		return p
	}
	to, p := q.instant("to")
	if p != nil {
		return p
	}
	if from > to {
		return flat(http.StatusBadRequest, "invalid range") // words of our own
	}
	// The minute is for the time a request takes.
	if s.opts.Plan != Pro && from < q.now-reach-minute {
		return beyondReach(q.now)
	}
	const lag = 5 * minute // a range that ends so close to now ends now
	live := to >= q.now-lag
	days := float64(to-from) / float64(day)
	step := automaticStep(days)
	if live && days <= 1 {
		step = fiveMinutes
	}
	if step, p = s.interval(q, step, days); p != nil {
		return p
	}
	shared := 43_200
	switch step {
	case fiveMinutes:
		shared = 30
	case hourly:
		shared = 1800
	}
	points := s.world.between(c, cur, step, from, to, q.now)
	if tail, ok := s.world.nowPoint(c, cur, q.now); live && ok && tail.Stamp >= from && tail.Stamp <= to {
		points = append(points, tail)
	}
	return success(appendChart(points, precision), shared)
}

// automaticStep is the step of a span of days when no interval is asked for; that a day which ends now has a finer one
// is the caller's to know.
func automaticStep(days float64) int64 {
	if days <= 90 {
		return hourly
	}
	return daily
}

// interval is the step that a request asks for. interval=hourly is for paying clients and at most 100 days, finer ones
// are for none of the plans here.
func (s *Simulator) interval(q *request, otherwise int64, days float64) (int64, *reply) {
	switch v := q.query.Get("interval"); v {
	case "":
		return otherwise, nil
	case "daily":
		return daily, nil
	case "hourly":
		if s.opts.Plan != Pro || days > 100 {
			return 0, paidOnly()
		}
		return hourly, nil
	case "5m", "1m":
		return 0, paidOnly()
	default:
		return 0, flat(http.StatusBadRequest, "invalid interval") // words of our own
	}
}

// days is the parameter of that name: a number, with a fraction if need be, or infinity for max.
func (q *request) days() (float64, *reply) {
	switch v := q.query.Get("days"); v {
	case "":
		return 0, missing("days")
	case "max":
		return math.Inf(1), nil
	default:
		n, err := strconv.ParseFloat(v, 64)
		if err != nil || !(n > 0) || math.IsInf(n, 0) {
			return 0, flat(http.StatusBadRequest, "invalid days") // words of our own
		}
		return n, nil
	}
}

// appendChart is the body of a chart. precision is for prices only.
func appendChart(points []Point, precision int) []byte {
	b := make([]byte, 0, 48+3*40*len(points))
	b = appendColumn(append(b, `{"prices":`...), points, func(b []byte, p *Point) []byte { return appendPrice(b, p.Price, precision) })
	b = appendColumn(append(b, `,"market_caps":`...), points, func(b []byte, p *Point) []byte {
		if p.NoMarketCap {
			return nil
		}
		return appendFloat(b, p.MarketCap)
	})
	b = appendColumn(append(b, `,"total_volumes":`...), points, func(b []byte, p *Point) []byte { return appendFloat(b, p.Volume) })
	return append(b, '}')
}

// appendColumn appends rows of stamp and value; a row whose value gives nil is left out.
func appendColumn(b []byte, points []Point, value func([]byte, *Point) []byte) []byte {
	b = append(b, '[')
	first := len(b)
	for i := range points {
		before := len(b)
		if before > first {
			b = append(b, ',')
		}
		b = strconv.AppendInt(append(b, '['), points[i].Stamp, 10)
		row := value(append(b, ','), &points[i])
		if row == nil {
			b = b[:before]
			continue
		}
		b = append(row, ']')
	}
	return append(b, ']')
}
