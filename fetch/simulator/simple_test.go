package simulator

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coingraph/coingraph/market"
)

func marketCurrency(s string) market.Currency { return market.Currency(s) }

// keys are the keys of a JSON object in the order of the wire.
func keys(t *testing.T, object []byte) []string {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(object))
	if _, err := d.Token(); err != nil {
		t.Fatal(err)
	}
	var out []string
	for d.More() {
		k, err := d.Token()
		if err != nil {
			t.Fatal(err)
		}
		var skipped json.RawMessage
		if err := d.Decode(&skipped); err != nil {
			t.Fatal(err)
		}
		out = append(out, fmt.Sprint(k))
	}
	return out
}

func TestSimplePriceKeys(t *testing.T) {
	h := serve(t, Options{})
	get := func(query string) []byte {
		res, body := h.get(t, "/simple/price?"+query)
		if res.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s %s", query, res.Status, body)
		}
		return body
	}
	body := get("ids=solana,%20bitcoin,nothing,0x,_,bitcoin,1move%20token,boringdao-%5Bold%5D&vs_currencies=USD,eur,usdt,eur")
	if got, want := keys(t, body), []string{"0x", "1move token", "_", "bitcoin", "boringdao-[old]", "solana"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(body, &all); err != nil {
		t.Fatal(err)
	}
	for id, one := range all {
		if got := keys(t, one); !slices.Equal(got, []string{"usd", "eur"}) {
			t.Errorf("%s has %q", id, got)
		}
	}
	body = get("ids=bitcoin&vs_currencies=usd,btc&include_market_cap=true&include_24hr_vol=true&include_24hr_change=true&include_last_updated_at=true")
	all = nil
	if err := json.Unmarshal(body, &all); err != nil {
		t.Fatal(err)
	}
	want := []string{"usd", "usd_market_cap", "usd_24h_vol", "usd_24h_change", "btc", "btc_market_cap", "btc_24h_vol", "btc_24h_change", "last_updated_at"}
	if got := keys(t, all["bitcoin"]); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	for query, want := range map[string]string{
		"ids=nothing&vs_currencies=usd":                                 `{}`,
		"ids=bitcoin&vs_currencies=usdt":                                `{"bitcoin":{}}`,
		"ids=bitcoin&vs_currencies=usdt&include_last_updated_at=true":   `{"bitcoin":{}}`,
		"ids=bitcoin&vs_currencies=btc,sats":                            `{"bitcoin":{"btc":1.0,"sats":100000000}}`,
		"names=Bitcoin&vs_currencies=btc":                               `{"Bitcoin":{"btc":1.0}}`,
		"symbols=btc&vs_currencies=btc":                                 `{"btc":{"btc":1.0}}`,
		"ids=bitcoin&symbols=eth&vs_currencies=btc":                     `{"bitcoin":{"btc":1.0}}`,
		"ids=ethereum&vs_currencies=eth&precision=3":                    `{"ethereum":{"eth":1.0}}`,
		"ids=ethereum&vs_currencies=eth&precision=0":                    `{"ethereum":{"eth":1}}`,
		"symbols=sol,brett&vs_currencies=sol&include_platform=whatever": "",
	} {
		if got := string(get(query)); want != "" && got != want {
			t.Errorf("%s: got %s, want %s", query, got, want)
		}
	}
	// Of several coins with a symbol the largest is meant: solana, not wrapped-solana.
	var bySymbol, byID map[string]map[string]float64
	h.fetch(t, "/simple/price?symbols=sol&vs_currencies=usd&include_market_cap=true", &bySymbol)
	h.fetch(t, "/simple/price?ids=solana&vs_currencies=usd&include_market_cap=true", &byID)
	if bySymbol["sol"]["usd_market_cap"] != byID["solana"]["usd_market_cap"] || len(byID["solana"]) != 2 {
		t.Errorf("%v by symbol, %v by id", bySymbol, byID)
	}
}

func TestSimplePriceValues(t *testing.T) {
	h := serve(t, Options{})
	ids, currencies := make([]string, 0, 400), make([]string, 0, 63)
	for _, a := range Assets() {
		ids = append(ids, a.ID)
	}
	for _, c := range market.AllCurrencies() {
		currencies = append(currencies, string(c))
	}
	query := "/simple/price?ids=" + strings.ReplaceAll(strings.Join(ids, ","), " ", "%20") + "&vs_currencies=" + strings.Join(currencies, ",") +
		"&precision=full&include_market_cap=true&include_24hr_vol=true&include_24hr_change=true&include_last_updated_at=true"
	var all map[string]map[string]*float64
	h.fetch(t, query, &all)
	if len(all) != len(ids) {
		t.Fatalf("%d of %d assets", len(all), len(ids))
	}
	stale := 0
	for id, got := range all {
		if len(got) != 4*63+1 {
			t.Fatalf("%s has %d keys", id, len(got))
		}
		for _, c := range market.AllCurrencies() {
			want, ok := h.Quote(id, c, h.now())
			if !ok || *got[string(c)] != want.Price || *got[string(c)+"_market_cap"] != want.MarketCap || *got[string(c)+"_24h_vol"] != want.Volume24h ||
				*got["last_updated_at"] != float64(want.UpdatedAt/1000) {
				t.Fatalf("%s in %s: %+v", id, c, want)
			}
			change := got[string(c)+"_24h_change"]
			if change == nil != math.IsNaN(want.Change24h) || change != nil && *change != want.Change24h {
				t.Fatalf("%s in %s: the change is %v, want %v", id, c, change, want.Change24h)
			}
			if change == nil {
				stale++
				if *got[string(c)+"_24h_vol"] != 0 {
					t.Errorf("%s is stale with a volume", id)
				}
			}
		}
	}
	if stale == 0 || stale%63 != 0 {
		t.Errorf("%d changes are null", stale)
	}
}

// The forms of numbers in recorded quotes are ours for the same values.
func TestRecordedQuotesHaveOurForms(t *testing.T) {
	number := regexp.MustCompile(`"(\w+)":\s*([0-9.e+-]+)`)
	for _, name := range []string{
		"0x_usd__id_0x", "2tokens_vs_eth__exp", "3ids_vs_eth", "3ids_vs_eth__dai", "3ids_vs_usd", "bitcoin_usd__2026", "bitcoin_usd__integer",
		"ethereum-classic_aave_usd", "ethereum_8_currencies", "ethereum_btc__pro_host", "griffain_pudgy_usd__small", "hydro-protocol_usd__small",
		"long_id_usd", "usd-coin_usd__one", "xceltoken-plus_usd__exp",
	} {
		body := recorded(t, "simple_price__"+name+".json")
		found := number.FindAllSubmatch(body, -1)
		if len(found) == 0 {
			t.Errorf("%s: no number", name)
		}
		for _, m := range found {
			var f float64
			if err := json.Unmarshal(m[2], &f); err != nil {
				t.Fatal(err)
			}
			_, coin := coinCurrencies[market.Currency(m[1])]
			if got := string(appendPrice(nil, f, decimals(f, coin))); got != string(m[2]) {
				t.Errorf("%s: %s came as %s", name, m[2], got)
			}
		}
	}
}

func TestHeaders(t *testing.T) {
	h := serve(t, Options{})
	aged := 0
	for i := range 40 {
		res, _ := h.get(t, "/simple/price?ids=bitcoin&vs_currencies=usd,eur")
		for k, want := range map[string]string{
			"Content-Type":  "application/json; charset=utf-8",
			"Cache-Control": "max-age=30, public, must-revalidate, s-maxage=60",
			"Vary":          "Accept-Encoding, Origin",
		} {
			if got := res.Header.Get(k); got != want {
				t.Errorf("%s is %q, want %q", k, got, want)
			}
		}
		tag := res.Header.Get("ETag")
		if !regexp.MustCompile(`^W/"[0-9a-f]{16}"$`).MatchString(tag) {
			t.Errorf("the ETag is %s", tag)
		}
		if res.Header.Get("Age") != "" {
			aged++
		}
		if i == 0 {
			if res, body := h.get(t, "/simple/price?ids=bitcoin&vs_currencies=usd,eur", "If-None-Match", tag); res.StatusCode != http.StatusNotModified || len(body) > 0 {
				t.Errorf("with its own ETag: %s", res.Status)
			}
		}
		h.advance(time.Minute)
	}
	if aged == 0 || aged == 40 {
		t.Errorf("%d of 40 answers have an Age", aged)
	}
}

func TestLists(t *testing.T) {
	h := serve(t, Options{})
	var coins []struct {
		ID, Symbol, Name string
		Platforms        map[string]string
	}
	h.fetch(t, "/coins/list", &coins)
	all := Assets()
	if len(coins) != len(all) {
		t.Fatalf("%d of %d coins", len(coins), len(all))
	}
	for i, a := range all {
		if c := coins[i]; c.ID != a.ID || c.Symbol != a.Symbol || c.Name != a.Name || c.Platforms != nil {
			t.Errorf("%+v came as %+v", a, c)
		}
	}
	h.fetch(t, "/coins/list?include_platform=true", &coins)
	forms := map[string]int{}
	for _, c := range coins {
		forms[fmt.Sprintf("%d platforms, %d characters", len(c.Platforms), len(c.Platforms["ethereum"]))]++
	}
	if len(forms) != 3 || forms["1 platforms, 42 characters"] < 200 {
		t.Errorf("got %v", forms)
	}
	var currencies []market.Currency
	h.fetch(t, "/simple/supported_vs_currencies", &currencies)
	if !slices.Equal(currencies, market.AllCurrencies()) {
		t.Errorf("got %v", currencies)
	}
	if _, body := h.get(t, "/ping"); string(body) != `{"gecko_says":"(V3) To the Moon!"}` {
		t.Errorf("/ping says %s", body)
	}
	// An answer has the same entries for a coin as a recording.
	if real := recorded(t, "coins_list__2025-08-03.json"); !bytes.Contains(real, []byte(`{"id":"_","symbol":"gib","name":"༼ つ ◕_◕ ༽つ"}`)) {
		t.Error("the recording changed")
	}
	if _, body := h.get(t, "/coins/list"); !bytes.Contains(body, []byte(`{"id":"_","symbol":"gib","name":"༼ つ ◕_◕ ༽つ"}`)) {
		t.Error("_ is not as recorded")
	}
}
