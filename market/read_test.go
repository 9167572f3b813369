package market_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/coingraph/coingraph/fault"
	"github.com/coingraph/coingraph/market"
	"github.com/coingraph/coingraph/telemetry"
)

// TestCallersShareAVisitToTheStore: what is looked for while two visits are under way makes one, and each caller gets what
// it asked for, by its own rule, and is told where it came from.
func TestCallersShareAVisitToTheStore(t *testing.T) {
	h := newHouse(t)
	h.price(pairs("usd", "coin-000", "coin-001", "coin-002", "coin-003", "coin-004", "coin-005")...)
	h.clock.Advance(ttl / 2)
	h.restart()
	h.expect("before", budget{selects: 1, saves: 1, calls: 1})

	gate := make(chan struct{})
	h.store.onQuotes = func() { <-gate }
	var group sync.WaitGroup
	ask := func(want telemetry.Tier, fresh market.Freshness, assets ...string) {
		group.Go(func() {
			ctx, tally := telemetry.WithTally(t.Context())
			for i, a := range h.Prices(ctx, pairs("usd", assets...), fresh) {
				if a.Err != nil || a.Value.Asset.ID != assets[i] {
					t.Errorf("%s: got %+v %v", assets[i], a.Value, a.Err)
				}
			}
			if got := tally.Outcome(); got != want.String() {
				t.Errorf("%v came from %s, want %s", assets, got, want)
			}
		})
	}
	for i, asset := range []string{"coin-000", "coin-001"} {
		ask(telemetry.Database, fresh, asset)
		h.await("a visit", func() bool { return h.store.quotes.Load() == int32(i+1) })
	}
	ask(telemetry.Database, fresh, "coin-002", "coin-003")
	h.await("who waits", func() bool { return h.Sought() == 1 })
	ask(telemetry.Upstream, market.Freshness{MaxAge: ttl / 4}, "coin-004", "coin-006")
	h.await("a second one who waits", func() bool { return h.Sought() == 2 })
	gone, leave := context.WithCancel(t.Context())
	left := make(chan error)
	go func() { left <- h.Prices(gone, pairs("usd", "coin-005"), fresh)[0].Err }()
	h.await("a third one who waits", func() bool { return h.Sought() == 3 })
	leave()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("who left got %v", err)
	}
	close(gate)
	group.Wait()
	h.await("what was looked for by the one who left", func() bool {
		_, ok := h.PricesInMemory(t.Context(), pairs("usd", "coin-005"), fresh)
		return ok
	})
	// The two that were alone, the one for the three, and the call to the provider cache each at once.
	h.expect("six prices from the store and two from the provider", budget{cacheGets: 5, cacheSets: 4, selects: 3, saves: 1, calls: 1})
}

// TestAPanicInTheStoreIsAFaultOfThatVisit: all who share it are told, and the next visit is made.
func TestAPanicInTheStoreIsAFaultOfThatVisit(t *testing.T) {
	h := newHouse(t)
	gate := make(chan struct{})
	h.store.onQuotes = func() { <-gate; panic("made up") }
	var group sync.WaitGroup
	for i, asset := range []string{"coin-000", "coin-001", "coin-002", "coin-003", "coin-004"} {
		group.Go(func() {
			if a := h.Prices(t.Context(), pairs("usd", asset), fresh)[0]; !fault.Is(a.Err, fault.Internal) {
				t.Errorf("%s: got %+v %v", asset, a.Value, a.Err)
			}
		})
		h.await("the caller", func() bool { return int(h.store.quotes.Load())+h.Sought() == i+1 })
	}
	close(gate)
	group.Wait()
	if n := h.store.quotes.Load(); n != 3 {
		t.Errorf("%d visits for the first two and the rest, want 3", n)
	}
	h.store.onQuotes = nil
	for _, asset := range []string{"coin-000", "coin-005", "coin-006"} {
		h.price(pairs("usd", asset)...)
	}
}
