package simulator

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coingraph/coingraph/market"
)

func TestAssetTable(t *testing.T) {
	all := Assets()
	if len(all) < 300 {
		t.Errorf("only %d assets", len(all))
	}
	ids := make([]string, len(all))
	kinds := map[Kind]int{}
	var young, fresh, unverified int
	for i, a := range all {
		ids[i] = a.ID
		kinds[a.Kind]++
		if !market.ValidAssetID(a.ID) {
			t.Errorf("%q is no asset id", a.ID)
		}
		if !(a.Price > 0) || a.Supply < 0 || a.Listed.Year() < 2013 {
			t.Errorf("implausible: %+v", a)
		}
		age := at(t, "2026-11-23T00:00:00Z").Sub(a.Listed)
		if age < 365*24*time.Hour {
			young++
		}
		if age < 30*24*time.Hour {
			fresh++
		}
		if a.Supply == 0 {
			unverified++
		}
	}
	if !slices.IsSorted(ids) {
		t.Error("not ascending by id")
	}
	if young < 5 || fresh < 3 || unverified < 5 || len(kinds) != 5 || kinds[Illiquid] < 10 {
		t.Errorf("%d younger than a year, %d than a month, %d unverified, kinds %v", young, fresh, unverified, kinds)
	}
	for _, id := range strings.Fields(`bitcoin ethereum tether usd-coin solana dogecoin cardano terra-luna 0x _ avalanche-2
		binancecoin ripple polkadot chainlink shiba-inu pepe dai wrapped-bitcoin litecoin uniswap aave stellar monero bitcoin-cash
		ethereum-classic tron pudgy-penguins hydro-protocol xceltoken-plus boringdao-[old]`) {
		if !slices.Contains(ids, id) {
			t.Errorf("%s lacks", id)
		}
	}
	if !slices.Contains(ids, "1move token") {
		t.Error("1move token lacks")
	}
}

// Ids, symbols and names are facts: they must be those of CoinGecko's own list.
func TestAssetsAreReal(t *testing.T) {
	var rows []struct{ ID, Symbol, Name string }
	if err := json.Unmarshal(recorded(t, "coins_list__2025-08-03.json"), &rows); err != nil {
		t.Fatal(err)
	}
	real := map[string][2]string{}
	for _, r := range rows {
		real[r.ID] = [2]string{r.Symbol, r.Name}
	}
	gone := []string{"hydro-protocol", "xceltoken-plus"} // priced in recordings of 2023, delisted since
	for _, a := range Assets() {
		want, ok := real[a.ID]
		if slices.Contains(gone, a.ID) {
			if ok {
				t.Errorf("%s is in the list after all", a.ID)
			}
			continue
		}
		if got := [2]string{a.Symbol, a.Name}; got != want {
			t.Errorf("%s: got %q, want %q", a.ID, got, want)
		}
	}
}
