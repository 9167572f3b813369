package coingecko

import (
	"log/slog"
	"testing"
	"time"

	"github.com/coingraph/coingraph/fetch/wire/wiretest"
)

const testKey = wiretest.Key

// client asks a server, at a fixed time.
func client(t *testing.T, u *wiretest.Upstream, plan Plan, now time.Time) *Client {
	t.Helper()
	o := Options{Plan: plan, BaseURL: u.URL + "/api/v3", Now: func() time.Time { return now }, Log: slog.New(slog.NewTextHandler(t.Output(), nil))}
	if plan != Public {
		o.Keys = []string{testKey}
	}
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.wire.CloseIdleConnections)
	return c
}

// recordings are CoinGecko's recorded bodies that match a pattern, by file name. Without recordings the test skips.
func recordings(t testing.TB, pattern string) map[string][]byte {
	t.Helper()
	return wiretest.Recordings(t, "../..", "coingecko", pattern)
}
