package simulator

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"
)

// clock is a time that tests set.
type clock struct{ ms atomic.Int64 }

func (c *clock) now() time.Time           { return time.UnixMilli(c.ms.Load()).UTC() }
func (c *clock) set(t time.Time)          { c.ms.Store(t.UnixMilli()) }
func (c *clock) advance(d time.Duration)  { c.ms.Add(d.Milliseconds()) }
func at(t *testing.T, s string) time.Time { return must(t)(time.Parse(time.RFC3339, s)) }
func ms(t *testing.T, s string) int64     { return at(t, s).UnixMilli() }
func must(t *testing.T) func(time.Time, error) time.Time {
	return func(v time.Time, err error) time.Time {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// host is a simulator behind a real server.
type host struct {
	*Simulator
	*clock
	url string
}

// serve starts a simulator at 2026-11-23 18:41:43.250 UTC.
func serve(t *testing.T, opts Options) *host {
	t.Helper()
	h := &host{clock: new(clock)}
	h.set(at(t, "2026-11-23T18:41:43.250Z"))
	opts.Now = h.clock.now
	h.Simulator = New(opts)
	server := httptest.NewServer(h.Simulator)
	t.Cleanup(server.Close)
	h.url = server.URL
	return h
}

// get asks for a target below /api/v3.
func (h *host) get(t *testing.T, target string, header ...string) (*http.Response, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, h.url+"/api/v3"+target, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, body
}

// fetch asks for a target that must be answered with 200, and decodes the answer.
func (h *host) fetch(t *testing.T, target string, into any) {
	t.Helper()
	res, body := h.get(t, target)
	if res.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d %s", target, res.StatusCode, body)
	}
	if err := json.Unmarshal(body, into); err != nil {
		t.Fatalf("%s: %v in %.200s", target, err, body)
	}
}

// wireChart is a chart as it comes; a null is a nil.
type wireChart struct {
	Prices       [][2]*float64 `json:"prices"`
	MarketCaps   [][2]*float64 `json:"market_caps"`
	TotalVolumes [][2]*float64 `json:"total_volumes"`
}

func stamps(rows [][2]*float64) []int64 {
	out := make([]int64, len(rows))
	for i, r := range rows {
		out[i] = int64(*r[0])
	}
	return out
}

func (h *host) chart(t *testing.T, target string) wireChart {
	t.Helper()
	var c wireChart
	h.fetch(t, target, &c)
	return c
}

// recorded reads a recorded answer of the real API, which only a full work place has.
func recorded(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "..", "shared", "recorded", "coingecko", filepath.FromSlash(name)))
	if err != nil {
		t.Skipf("skipped: there are no recorded bodies, which are no part of the project; this test alone needs them: %v", err)
	}
	return b
}

func TestNewRefusesContradictions(t *testing.T) {
	a := Asset{ID: "x", Price: 1, Kind: Alt}
	for name, opts := range map[string]Options{
		"plan":    {Plan: "gold"},
		"kind":    {Assets: []Asset{{ID: "x", Price: 1}}},
		"twice":   {Assets: []Asset{a, a}},
		"tracks":  {Assets: []Asset{{ID: "x", Price: 1, Kind: Pegged, Tracks: "nothing"}}},
		"chained": {Assets: []Asset{{ID: "x", Price: 1, Kind: Pegged, Tracks: "tether"}}},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("New took it")
				}
			}()
			New(opts)
		})
	}
}

// Assets of one's own replace the built-in ones, and are still priced in all currencies.
func TestOwnAssets(t *testing.T) {
	listed := at(t, "2026-11-20T00:00:00Z")
	h := serve(t, Options{Assets: []Asset{{ID: "x", Symbol: "x", Name: "X", Price: 2, Listed: listed, Kind: Alt}}})
	var list []map[string]any
	h.fetch(t, "/coins/list", &list)
	if len(list) != 1 || list[0]["id"] != "x" {
		t.Fatalf("got the list %v", list)
	}
	var prices map[string]map[string]float64
	h.fetch(t, "/simple/price?ids=x,bitcoin&vs_currencies=usd,btc,eur", &prices)
	if len(prices) != 1 || len(prices["x"]) != 3 {
		t.Fatalf("got %v", prices)
	}
	h.set(listed.Add(-time.Second))
	h.fetch(t, "/simple/price?ids=x&vs_currencies=usd", &prices)
	var before []any
	if h.fetch(t, "/coins/list", &before); len(before) != 0 {
		t.Errorf("before its listing the coin is in the list: %v", before)
	}
}
