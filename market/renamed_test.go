package market_test

import (
	"testing"
	"time"

	"github.com/coingraph/coingraph/fault"
	"github.com/coingraph/coingraph/market"
)

// TestARenamedIDGoesOnAnswering under its old name, out of the same history and at no further cost.
func TestARenamedIDGoesOnAnswering(t *testing.T) {
	h := newHouse(t)
	list := []market.Asset{{ID: "matic-network", Symbol: "matic", Name: "Polygon", Contracts: "ethereum:0x7d1a"}, {ID: "bitcoin", Symbol: "btc", Name: "Bitcoin"}}
	h.source.assets = func() ([]market.Asset, error) { return list, nil }
	h.clock.Advance(24 * time.Hour)
	h.restart()
	before, err := h.chartOf(chart("matic-network", market.Daily, 30))
	if err != nil {
		t.Fatal(err)
	}

	list = []market.Asset{{ID: "polygon-ecosystem-token", Symbol: "pol", Name: "POL", Contracts: "ethereum:0x7d1a"}, list[1]}
	h.clock.Advance(7 * time.Hour)
	h.restart()
	h.source.nCharts.Store(0)
	for range 2 { // the second time out of memory
		after, err := h.chartOf(chart("matic-network", market.Daily, 30))
		if err != nil || after.Asset.ID != "matic-network" || after.Asset.Symbol != "pol" || after.Timestamps.Len() != before.Timestamps.Len() {
			t.Fatalf("got %+v, %v", after, err)
		}
		now, err := h.chartOf(chart("polygon-ecosystem-token", market.Daily, 30))
		if err != nil || now.Asset.ID != "polygon-ecosystem-token" {
			t.Fatalf("got %+v, %v", now, err)
		}
	}
	if n := h.source.nCharts.Load(); n > 0 {
		t.Errorf("the history was bought again, in %d calls", n)
	}
	old, present := market.Pair{Asset: "matic-network", Currency: "usd"}, market.Pair{Asset: "polygon-ecosystem-token", Currency: "usd"}
	h.source.nQuotes.Store(0)
	answers := h.Prices(t.Context(), []market.Pair{old, present, old}, fresh)
	if answers[0].Err != nil || answers[0].Value.Asset.ID != old.Asset || answers[1].Value.Asset.ID != present.Asset || answers[2].Value.Asset.ID != old.Asset ||
		answers[0].Value.Price != answers[1].Value.Price || h.source.nQuotes.Load() != 1 {
		t.Errorf("got %+v in %d calls", answers, h.source.nQuotes.Load())
	}
	if a, err := h.Asset(t.Context(), "matic-network"); err != nil || a.ID != "matic-network" || a.Name != "POL" {
		t.Errorf("got %+v, %v", a, err)
	}
	page, unknown, err := h.Assets(t.Context(), market.AssetQuery{IDs: []string{"matic-network", "nothing"}, First: 10})
	if err != nil || len(unknown) != 1 || len(page.Nodes) != 1 || page.Nodes[0].ID != "matic-network" {
		t.Errorf("got %+v, %v, %v", page, unknown, err)
	}
	if to, ok := h.RenamedTo("matic-network"); !ok || to != present.Asset {
		t.Errorf("renamed to %q, %v", to, ok)
	}
	if _, ok := h.RenamedTo("bitcoin"); ok {
		t.Error("bitcoin is renamed")
	}

	// Back again, it is itself.
	list = append(list, market.Asset{ID: "matic-network", Symbol: "matic", Name: "Polygon", Contracts: "polygon:0x1010"})
	h.clock.Advance(7 * time.Hour)
	h.restart()
	if _, ok := h.RenamedTo("matic-network"); ok {
		t.Error("an id that is back is still taken for an old one")
	}
	if _, err := h.Asset(t.Context(), "gone"); !fault.Is(err, fault.NotFound) {
		t.Errorf("got %v", err)
	}
}
