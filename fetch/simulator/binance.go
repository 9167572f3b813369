package simulator

import (
	"net/http"
	"strconv"
	"strings"
)

func refuseBinance(status int) *reply {
	code := map[int]int{http.StatusTooManyRequests: -1003, http.StatusTeapot: -1003, http.StatusBadRequest: -1100}[status]
	return binanceError(status, code, http.StatusText(status))
}

func binanceError(status, code int, message string) *reply {
	p := refuse(status, struct {
		Code    int    `json:"code"`
		Message string `json:"msg"`
	}{code, message})
	if status == http.StatusTooManyRequests || status == http.StatusTeapot {
		p.header.Set("Retry-After", "30")
	}
	return p
}

// binance is /klines of pairs with USDT: the oldest rows from startTime on, and the running candle as the last.
func (s *Simulator) binance(q *request) *reply {
	if q.endpoint() == "unknown" {
		return refuseBinance(http.StatusNotFound)
	}
	base, ok := strings.CutSuffix(q.query.Get("symbol"), "USDT")
	c := s.bySymbol(base, q.now)
	if !ok || c == nil || base != strings.ToUpper(base) {
		return binanceError(http.StatusBadRequest, -1121, "Invalid symbol.")
	}
	var step int64
	switch q.query.Get("interval") {
	case "1d":
		step = daily
	case "1h":
		step = hourly
	default:
		return binanceError(http.StatusBadRequest, -1120, "Invalid interval.")
	}
	from, okFrom := q.whole("startTime", q.now-500*step, 0, 1<<50)
	to, okTo := q.whole("endTime", q.now, 0, 1<<50)
	limit, okLimit := q.whole("limit", 500, 1, 1000)
	if !okFrom || !okTo || !okLimit {
		return refuseBinance(http.StatusBadRequest)
	}
	b := []byte{'['}
	for t := (max(from, c.listed) + step - 1) / step * step; t <= min(to, q.now) && limit > 0; t += step {
		limit--
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = s.appendCandle(b, c, t, step, q.now)
	}
	p := plainJSON(append(b, ']'))
	p.header.Set("X-Mbx-Used-Weight-1m", "2")
	return p
}

// appendCandle appends a row; high and low are those of its ends.
func (s *Simulator) appendCandle(b []byte, c *coin, t, step, now int64) []byte {
	open, last := s.world.usd(c, t), s.world.usd(c, min(t+step, now))
	volume := s.world.volumeUSD(c, t+step, last) * float64(step) / float64(day)
	text := func(f float64) {
		b = append(strconv.AppendFloat(append(b, `,"`...), f, 'f', 8, 64), '"')
	}
	b = strconv.AppendInt(append(b, '['), t, 10)
	for _, f := range [...]float64{open, max(open, last), min(open, last), last, volume / last} {
		text(f)
	}
	b = strconv.AppendInt(append(b, ','), t+step-1, 10)
	text(volume)
	b = append(b, `,1000`...)
	text(volume / last / 2)
	text(volume / 2)
	return append(b, `,"0"]`...)
}
