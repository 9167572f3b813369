package simulator

import (
	"math"
	"net/http"
	"strconv"
)

// ohlc is /coins/{id}/ohlc: candles by their closing time, the last one that of now's candle.
func (s *Simulator) ohlc(q *request, c *coin) *reply {
	cur, p := q.currency(s.world)
	if p != nil {
		return p
	}
	precision, p := q.precision(auto)
	if p != nil {
		return p
	}
	days, p := q.days()
	if p != nil {
		return p
	}
	switch q.query.Get("days") {
	case "1", "7", "14", "30", "90", "180", "365", "max":
	default:
		return flat(http.StatusBadRequest, "invalid days") // words of our own
	}
	if s.opts.Plan != Pro && (days > 365 || q.query.Get("interval") != "") {
		return paidOnly()
	}
	step := 4 * day
	switch {
	case q.query.Get("interval") == "daily":
		step = day
	case q.query.Get("interval") == "hourly":
		step = hour
	case days <= 2:
		step = 30 * minute
	case days <= 30:
		step = 4 * hour
	}
	last := q.now/step + 1
	from := max(0, c.listed/step+1)
	if n := math.Ceil(days * float64(day) / float64(step)); n < float64(last) {
		from = max(from, last-int64(n)+1)
	}
	b := []byte{'['}
	for slot := from; slot <= last; slot++ {
		candle, ok := s.world.candle(c, cur, (slot-1)*step, min(slot*step, s.world.updated(c, q.now)), step)
		if !ok {
			continue
		}
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(append(b, '['), slot*step, 10)
		for _, v := range candle {
			n := precision
			if n == auto {
				n = decimals(v, cur.coin != nil)
			}
			b = appendPrice(append(b, ','), v, n)
		}
		b = append(b, ']')
	}
	return success(append(b, ']'), 1800)
}

// candle is open, high, low and close of a stretch of time, from samples.
func (w *world) candle(c *coin, in *currency, from, to, step int64) ([4]float64, bool) {
	const samples = 12
	out := [4]float64{0, math.Inf(-1), math.Inf(1), 0}
	some := false
	for i := range int64(samples + 1) {
		t := min(from+i*step/samples, to)
		v, ok := w.price(c, in, t)
		if !ok {
			continue
		}
		if !some {
			out[0], some = v, true
		}
		out[1], out[2], out[3] = max(out[1], v), min(out[2], v), v
		if t == to {
			break
		}
	}
	return out, some
}
