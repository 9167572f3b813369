package cryptoquant

import (
	"bytes"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coingraph/coingraph/fetch/simulator"
	"github.com/coingraph/coingraph/fetch/wire/wiretest"
	"github.com/coingraph/coingraph/market"
)

const root = "../.."

var midMarch = time.Date(2026, 3, 10, 12, 30, 20, 0, time.UTC)

// client asks a server at a fixed time.
func client(t testing.TB, base string, now time.Time) *Client {
	t.Helper()
	c, err := New(Options{BaseURL: base + "/v1", Key: wiretest.Key, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.wire.CloseIdleConnections)
	return c
}

// knowing is a client to which the plan is known, and gives everything: a test of something else sees no call for it.
func knowing(t testing.TB, base string, now time.Time) *Client {
	c := client(t, base, now)
	c.plan.until = now.Add(time.Hour)
	return c
}

// logged makes a client log into a buffer.
func logged(c *Client) *bytes.Buffer {
	var b bytes.Buffer
	c.log = slog.New(slog.NewTextHandler(&b, nil))
	return &b
}

func key(m market.Metric, i market.Interval) market.SeriesKey {
	return market.SeriesKey{Asset: "bitcoin", Metric: m, Interval: i}
}

// days are the range of the days from..to, both included.
func days(t testing.TB, from, to string) []market.Range {
	return []market.Range{{From: wiretest.At(t, from+"T00:00:00Z"), To: wiretest.At(t, to+"T00:00:00Z") + market.Daily.Step()}}
}

// simulated is a simulator at a fixed time, behind a server.
func simulated(t testing.TB, now time.Time, o simulator.CryptoQuant) (*simulator.Simulator, string) {
	t.Helper()
	sim := simulator.New(simulator.Options{Seed: 3, Now: func() time.Time { return now }, CryptoQuant: o})
	server := httptest.NewServer(sim)
	t.Cleanup(server.Close)
	return sim, server.URL
}

// rowsOf counts the calls for rows.
func rowsOf(sim *simulator.Simulator) int {
	n := 0
	for endpoint, count := range sim.Counts() {
		if strings.HasPrefix(endpoint, "/v1/{asset}/") {
			n += count
		}
	}
	return n
}
