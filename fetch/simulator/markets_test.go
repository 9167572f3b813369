package simulator

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coingraph/coingraph/market"
)

type marketEntry struct {
	ID        string   `json:"id"`
	Price     float64  `json:"current_price"`
	MarketCap float64  `json:"market_cap"`
	Rank      *int     `json:"market_cap_rank"`
	Volume    float64  `json:"total_volume"`
	High      *float64 `json:"high_24h"`
	Low       *float64 `json:"low_24h"`
	ATH       float64  `json:"ath"`
	ATL       float64  `json:"atl"`
	Updated   string   `json:"last_updated"`
}

func TestMarkets(t *testing.T) {
	h := serve(t, Options{})
	var all []marketEntry
	for page := 1; ; page++ {
		var some []marketEntry
		res, body := h.get(t, fmt.Sprintf("/coins/markets?vs_currency=usd&per_page=250&page=%d", page))
		if err := json.Unmarshal(body, &some); err != nil {
			t.Fatal(err)
		}
		if res.Header.Get("Total") != fmt.Sprint(len(Assets())) || res.Header.Get("Per-Page") != "250" {
			t.Errorf("total %s, per-page %s", res.Header.Get("Total"), res.Header.Get("Per-Page"))
		}
		if hasNext := strings.Contains(res.Header.Get("Link"), `rel="next"`); hasNext != (page == 1) {
			t.Errorf("page %d: link %s", page, res.Header.Get("Link"))
		}
		if all = append(all, some...); len(some) < 250 {
			break
		}
	}
	if len(all) != len(Assets()) || all[0].ID != "bitcoin" {
		t.Fatalf("%d coins, the first %s", len(all), all[0].ID)
	}
	unranked := 0
	for i, e := range all {
		if i > 0 && e.MarketCap > all[i-1].MarketCap {
			t.Errorf("%s is out of order", e.ID)
		}
		if e.Rank == nil {
			unranked++
		} else if *e.Rank != i+1 {
			t.Errorf("%s is number %d at the place %d", e.ID, *e.Rank, i+1)
		}
		q, ok := h.Quote(e.ID, "usd", h.now())
		if !ok || e.Price != round(q.Price, decimals(q.Price, false)) || math.Abs(e.MarketCap-q.MarketCap) > 1 {
			t.Errorf("%+v, the quote is %+v", e, q)
		}
		if e.High != nil && (*e.High < *e.Low || *e.High < e.Price*0.999 || *e.Low > e.Price*1.001) {
			t.Errorf("%s: high %v, low %v, price %v", e.ID, *e.High, *e.Low, e.Price)
		}
		if e.ATH < e.Price*0.999 || e.ATL > e.Price*1.001 {
			t.Errorf("%s: ath %v, atl %v, price %v", e.ID, e.ATH, e.ATL, e.Price)
		}
	}
	if unranked == 0 {
		t.Error("no unverified supply")
	}
	for query, want := range map[string][]string{
		"ids=litecoin,bitcoin,nothing":              {"bitcoin", "litecoin"},
		"ids=litecoin,bitcoin&order=market_cap_asc": {"litecoin", "bitcoin"},
		"ids=litecoin,bitcoin&order=id_desc":        {"litecoin", "bitcoin"},
		"ids=litecoin,bitcoin&order=volume_desc":    {"bitcoin", "litecoin"},
		"ids=litecoin,bitcoin&order=volume_asc":     {"litecoin", "bitcoin"},
		"symbols=sol":                               {"solana"},
		"names=Dogecoin":                            {"dogecoin"},
		"order=id_asc&per_page=2&page=2":            {"1move token", "_"},
		"order=id_asc&per_page=250&page=9":          {},
	} {
		var some []marketEntry
		h.fetch(t, "/coins/markets?vs_currency=usd&"+query, &some)
		got := []string{}
		for _, e := range some {
			got = append(got, e.ID)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", query, got, want)
		}
	}
}

func TestMarketsHaveTheRecordedFields(t *testing.T) {
	var real, ours []map[string]any
	if err := json.Unmarshal(recorded(t, "coins_markets__usd__first2.json"), &real); err != nil {
		t.Fatal(err)
	}
	serve(t, Options{}).fetch(t, "/coins/markets?vs_currency=usd&per_page=1", &ours)
	want, got := slices.Sorted(maps.Keys(real[0])), slices.Sorted(maps.Keys(ours[0]))
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestOHLC(t *testing.T) {
	h := serve(t, Options{Plan: Pro})
	now := h.now().UnixMilli()
	for _, c := range []struct {
		query string
		step  int64
		rows  int
	}{
		{"days=1", 30 * minute, 48},
		{"days=7", 4 * hour, 42},
		{"days=14", 4 * hour, 84},
		{"days=30", 4 * hour, 180},
		{"days=90", 4 * day, 23},
		{"days=365", 4 * day, 92},
		{"days=30&interval=daily", day, 30},
		{"days=7&interval=hourly", hour, 168},
	} {
		var rows [][5]float64
		h.fetch(t, "/coins/ethereum/ohlc?vs_currency=usd&"+c.query, &rows)
		if len(rows) != c.rows {
			t.Errorf("%s: %d rows, want %d", c.query, len(rows), c.rows)
		}
		for i, r := range rows {
			if int64(r[0])%c.step != 0 || i > 0 && int64(r[0])-int64(rows[i-1][0]) != c.step {
				t.Fatalf("%s: row %d closes at %v", c.query, i, r[0])
			}
			if r[2] < max(r[1], r[4]) || r[3] > min(r[1], r[4]) {
				t.Fatalf("%s: row %d is %v", c.query, i, r)
			}
		}
		if last := int64(rows[len(rows)-1][0]); last <= now || last-now > c.step {
			t.Errorf("%s: the last row closes at %d, now is %d", c.query, last, now)
		}
	}
	var rows [][5]float64
	h.fetch(t, "/coins/ethereum/ohlc?vs_currency=usd&days=max", &rows)
	if len(rows) < 1000 {
		t.Errorf("max has %d rows", len(rows))
	}
}

func TestHistory(t *testing.T) {
	h := serve(t, Options{Plan: Pro})
	type history struct {
		ID, Symbol, Name string
		MarketData       *struct {
			CurrentPrice map[string]float64 `json:"current_price"`
			MarketCap    map[string]float64 `json:"market_cap"`
			TotalVolume  map[string]float64 `json:"total_volume"`
		} `json:"market_data"`
	}
	for _, date := range []string{"01-01-2024", "2024-01-01"} {
		var got history
		h.fetch(t, "/coins/ethereum/history?localization=false&date="+date, &got)
		if got.ID != "ethereum" || got.Symbol != "eth" || got.MarketData == nil || len(got.MarketData.CurrentPrice) != 63 {
			t.Fatalf("%s: %+v", date, got)
		}
		for cur, p := range got.MarketData.CurrentPrice {
			want, _ := h.Price("ethereum", market.Currency(cur), at(t, "2024-01-01T00:00:00Z"))
			if p != want || !(got.MarketData.MarketCap[cur] > p) || !(got.MarketData.TotalVolume[cur] > 0) {
				t.Errorf("%s: %v, want %v", cur, p, want)
			}
		}
	}
	var old, before history
	h.fetch(t, "/coins/ethereum/history?date=30-12-2016", &old)
	if _, there := old.MarketData.CurrentPrice["sol"]; there || len(old.MarketData.CurrentPrice) < 50 {
		t.Errorf("in 2016 there were %d currencies", len(old.MarketData.CurrentPrice))
	}
	if h.fetch(t, "/coins/ethereum/history?date=30-12-2013", &before); before.ID != "ethereum" || before.MarketData != nil {
		t.Errorf("before the listing: %+v", before)
	}
	yesterday := serve(t, Options{})
	var got history
	yesterday.fetch(t, "/coins/bitcoin/history?date="+yesterday.now().Add(-24*time.Hour).Format("02-01-2006"), &got)
	if res, _ := yesterday.get(t, "/coins/bitcoin/history?date=30-12-2016"); got.MarketData == nil || res.StatusCode != http.StatusUnauthorized {
		t.Errorf("without a plan: yesterday %+v, 2016 %s", got, res.Status)
	}
}
