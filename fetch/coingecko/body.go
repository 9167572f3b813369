package coingecko

import (
	"time"

	"github.com/coingraph/coingraph/fetch/wire"
	"github.com/coingraph/coingraph/market"
)

// ReadBody reads a body of /coins/{id}/market_chart that was kept, as if it had been fetched at the time given. The trailing
// point of now, if it has one, is left out: it is no part of a chart.
func ReadBody(body []byte, interval market.Interval, fetchedAt time.Time) ([]market.Point, error) {
	members, err := wire.Object(body)
	if err != nil {
		return nil, err
	}
	s, err := decodeChart(members, interval, true, fetchedAt)
	if err != nil {
		return nil, err
	}
	stamp(s.points, fetchedAt)
	return s.points, nil
}
