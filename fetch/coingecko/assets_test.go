package coingecko

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/coingraph/coingraph/fault"
	"github.com/coingraph/coingraph/fetch/wire/wiretest"
	"github.com/coingraph/coingraph/market"
)

// TestRecordedLists compares each row of the recorded lists with what is made of it.
func TestRecordedLists(t *testing.T) {
	for name, body := range recordings(t, "coins_list__*.json") {
		var rows []map[string]any
		if err := json.Unmarshal(body, &rows); err != nil {
			t.Fatal(err)
		}
		got, err := client(t, wiretest.Serve(t, wiretest.Answer(body)), Public, midMarch).Assets(t.Context(), wiretest.Once)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var want []market.Asset
		left := 0
		for _, row := range rows {
			a := market.Asset{ID: row["id"].(string), Symbol: row["symbol"].(string), Name: row["name"].(string)}
			if platforms, ok := row["platforms"].(map[string]any); ok {
				byPlatform := make(map[string]string)
				for platform, address := range platforms {
					byPlatform[platform], _ = address.(string)
				}
				a.Contracts = market.Contracts(byPlatform)
			}
			if !market.ValidAssetID(a.ID) {
				left++
				continue
			}
			want = append(want, a)
		}
		if !slices.Equal(got, want) || left > len(rows)/100 {
			t.Errorf("%s: %d assets, want %d; %d of %d left out", name, len(got), len(want), left, len(rows))
		}
		t.Logf("%s: %d assets, %d left out", name, len(got), left)
	}
}

// TestRecordedCurrencies: the recorded list is of 2019, and holds none that CoinGecko has given up since.
func TestRecordedCurrencies(t *testing.T) {
	for name, body := range recordings(t, "simple_supported_vs_currencies__*.json") {
		var codes []market.Currency
		if err := json.Unmarshal(body, &codes); err != nil {
			t.Fatal(err)
		}
		got, err := client(t, wiretest.Serve(t, wiretest.Answer(body)), Public, midMarch).SupportedCurrencies(t.Context(), wiretest.Once)
		if err != nil || len(got) != len(codes) {
			t.Errorf("%s: %d of %d, %v", name, len(got), len(codes), err)
		}
		for _, cur := range got {
			if !slices.Contains(codes, cur) {
				t.Errorf("%s: %s is invented", name, cur)
			}
		}
	}
}

func TestAssets(t *testing.T) {
	body := `[{"id":"b","symbol":"","name":"B"},{"id":"Bad Id"},{"id":""},{"id":"nul","name":"\u0000"},{"id":"a","symbol":"x","name":"A","platforms":{"ethereum":""}}]`
	got, err := client(t, wiretest.Serve(t, wiretest.Answer([]byte(body))), Public, midMarch).Assets(t.Context(), wiretest.Once)
	if want := []market.Asset{{ID: "b", Name: "B"}, {ID: "a", Symbol: "x", Name: "A"}}; err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestListsRefused(t *testing.T) {
	for _, body := range []string{
		``, `[]`, `null`, `{}`, `{"id":"a"}`, `[1]`, `["a"]`, `[{"id":1}]`, `[{"id":"A"}]`, `[{"id":"a","symbol":1}]`, `[{"id":"a"},{"id":"a"}]`, `[{"id":"a"}`, `[{"id":"a"}]]`,
	} {
		got, err := client(t, wiretest.Serve(t, wiretest.Answer([]byte(body))), Public, midMarch).Assets(t.Context(), wiretest.Once)
		if wiretest.WantKind(t, body, err, fault.UpstreamNonsense); len(got) != 0 {
			t.Errorf("%s: %v", body, got)
		}
	}
	for _, body := range []string{``, `[]`, `["doge"]`, `{}`, `[1]`} {
		_, err := client(t, wiretest.Serve(t, wiretest.Answer([]byte(body))), Public, midMarch).SupportedCurrencies(t.Context(), wiretest.Once)
		wiretest.WantKind(t, body, err, fault.UpstreamNonsense)
	}
	limited := `{"status":{"error_code":429,"error_message":"x"}}`
	_, err := client(t, wiretest.Serve(t, wiretest.Answer([]byte(limited))), Public, midMarch).Assets(t.Context(), wiretest.Once)
	wiretest.WantKind(t, "an error for a list", err, fault.UpstreamRateLimited)
}

func TestCutLists(t *testing.T) {
	var rows []string
	for i := range 50 {
		rows = append(rows, fmt.Sprintf(`{"id":"coin-%d","symbol":"c","name":"Ünïcödé %d"}`, i, i))
	}
	body := "[" + strings.Join(rows, ",") + "]"
	c, err := New(Options{Plan: Public})
	if err != nil {
		t.Fatal(err)
	}
	for n := range len(body) {
		_, err := c.decodeAssets(t.Context(), &reply{Endpoint: coinsList, Status: 200, Body: []byte(body[:n])})
		wiretest.WantKind(t, fmt.Sprint("cut at ", n), err, fault.UpstreamNonsense)
	}
}
