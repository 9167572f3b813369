package coingecko

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/coingraph/coingraph/market"
)

// TestTheGuardTakesNothing: no recorded chart loses a point to the guard. Terra's crash, of more than 99.99 % in a week, is one.
func TestTheGuardTakesNothing(t *testing.T) {
	seen := 0
	for name, body := range recordings(t, "market_chart__*.json") {
		interval := market.Daily
		if strings.Contains(name, "hourly") {
			interval = market.Hourly
		}
		var members map[string]json.RawMessage
		if json.Unmarshal(body, &members) != nil {
			continue // cut by whoever recorded it
		}
		s, err := decodeChart(members, interval, true, time.Now())
		if err != nil {
			continue // likewise; TestRecordedCharts knows which
		}
		seen++
		w := market.SeriesWrite{SeriesKey: market.SeriesKey{Asset: "recorded", Currency: "usd", Interval: interval}}
		w.Points, w.FetchedAt = s.points, time.Now()
		if got := (market.Guard{Factor: 20}).Inspect(w, market.History{}); len(got.Quarantined) > 0 || len(got.Points) != len(s.points) {
			t.Errorf("%s: held back %+v", name, got.Quarantined)
		}
	}
	if seen < 3 {
		t.Errorf("only %d recorded charts could be read", seen)
	}
}
