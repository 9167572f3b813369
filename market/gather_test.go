package market_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/coingraph/coingraph/fault"
	"github.com/coingraph/coingraph/market"
)

// recorded makes the source remember what each call asked for. The calls numbered in held wait until they are let go.
func (h *house) recorded(held ...int) (calls func() [][]market.Pair, letGo func()) {
	var mu sync.Mutex
	var all [][]market.Pair
	wait := make(chan struct{})
	give := h.source.quotes
	h.source.quotes = func(pairs []market.Pair) ([]market.Quote, error) {
		mu.Lock()
		all = append(all, slices.Clone(pairs))
		n := len(all)
		mu.Unlock()
		if slices.Contains(held, n) {
			<-wait
		}
		return give(pairs)
	}
	calls = func() [][]market.Pair {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(all)
	}
	return calls, func() { close(wait) }
}

func (h *house) await(what string, condition func() bool) {
	h.t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for tick := time.NewTicker(time.Millisecond); !condition(); <-tick.C {
		if time.Now().After(deadline) {
			h.t.Fatalf("%s did not come", what)
		}
	}
}

func (h *house) price(pairs ...market.Pair) {
	h.t.Helper()
	for _, a := range h.Prices(h.t.Context(), pairs, fresh) {
		if a.Err != nil {
			h.t.Error(a.Err)
		}
	}
}

// TestCallsTakeAlongWhatIsAskedFor: a call that is made anyhow renews what others ask for, so they cost none.
func TestCallsTakeAlongWhatIsAskedFor(t *testing.T) {
	h := newHouse(t)
	h.source.roomy = true
	calls, _ := h.recorded()
	h.price(pairs("usd", "bitcoin")...)
	h.price(pairs("usd", "ethereum", "0x")...)
	if got := calls(); len(got) != 2 || len(got[1]) != 3 {
		t.Fatalf("the calls were for %v", got)
	}
	h.clock.Advance(ttl)
	h.restart() // nothing is remembered of who asked
	h.price(pairs("usd", "bitcoin")...)
	h.clock.Advance(ttl / 2)
	h.price(pairs("usd", "ethereum")...)
	if got := calls(); len(got) != 4 || len(got[3]) != 2 {
		t.Fatalf("the calls were for %v", got)
	}
	h.clock.Advance(ttl * 3 / 4) // bitcoin would be too old by now, if it had not come along
	h.price(pairs("usd", "bitcoin", "ethereum")...)
	if got := calls(); len(got) != 4 {
		t.Errorf("the calls were for %v", got)
	}
}

// TestWhatIsAskedForNeverMisses: a price that is about to expire is renewed behind the caller's back, once; one that
// nobody asks for is not.
func TestWhatIsAskedForNeverMisses(t *testing.T) {
	h := newHouse(t)
	calls, letGo := h.recorded(2)
	h.price(pairs("usd", "bitcoin", "ethereum")...)
	h.clock.Advance(ttl - ttl/20)
	for range 10 {
		h.price(pairs("usd", "bitcoin")...) // answered at once, though the call is held
	}
	h.await("the renewal", func() bool { return len(calls()) == 2 })
	letGo()
	h.await("its end", func() bool {
		_, inMemory := h.PricesInMemory(t.Context(), pairs("usd", "bitcoin"), fresh)
		a := h.Prices(t.Context(), pairs("usd", "bitcoin"), fresh)
		return inMemory && a[0].Value.FetchedAt.Equal(h.clock.Now())
	})
	h.clock.Advance(ttl / 2)
	h.price(pairs("usd", "bitcoin")...)
	if got := calls(); len(got) != 2 || !slices.Equal(got[1], pairs("usd", "bitcoin")) {
		t.Errorf("the calls were for %v", got)
	}
}

// TestAnAbsentPriceIsRemembered for longer than a price is good.
func TestAnAbsentPriceIsRemembered(t *testing.T) {
	h := newHouse(t)
	h.source.quotes = func([]market.Pair) ([]market.Quote, error) { return nil, nil }
	for range 4 {
		if a := h.Prices(t.Context(), pairs("usd", "bitcoin"), fresh); !fault.Is(a[0].Err, fault.NotFound) {
			t.Fatalf("got %+v", a)
		}
		h.clock.Advance(ttl)
	}
	if n := h.source.nQuotes.Load(); n != 1 {
		t.Errorf("%d calls", n)
	}
}

// busy are leases that another replica holds until it lets go.
type busy struct {
	mu     sync.Mutex
	claims []market.Claim // one for each round; the last for ever
	asked  int
}

func (b *busy) Claim(_ context.Context, keys []string) ([]market.Claim, func([]string, bool)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	claim := b.claims[min(b.asked, len(b.claims)-1)]
	b.asked++
	claims := make([]market.Claim, len(keys))
	for i := range claims {
		claims[i] = claim
	}
	return claims, func([]string, bool) {}
}

// TestAnotherReplicaHasTheLease: its answer is found in the database, and no call is made.
func TestAnotherReplicaHasTheLease(t *testing.T) {
	h := newHouse(t)
	other := h.Service
	h.leases = &busy{claims: []market.Claim{market.Held, market.Held, market.GrantedAfter}}
	h.restart()
	calls, _ := h.recorded()
	mine := make(chan []market.Answer[*market.Price], 1)
	// The other replica stores its answer after this one looked into the database for the first time.
	h.store.onQuotes = func() {
		h.store.onQuotes = nil
		other.Prices(t.Context(), pairs("usd", "bitcoin"), fresh)
	}
	mine <- h.Prices(t.Context(), pairs("usd", "bitcoin"), fresh)
	if a := <-mine; a[0].Err != nil {
		t.Error(a[0].Err)
	}
	if got := calls(); len(got) != 1 {
		t.Errorf("the calls were for %v", got)
	}

	h.leases.(*busy).asked = 0
	h.store.onHistories = func() {
		h.store.onHistories = nil
		other.Charts(t.Context(), []market.ChartRequest{chart("bitcoin", market.Daily, 30)}, fresh)
	}
	if c, err := h.chartOf(chart("bitcoin", market.Daily, 30)); err != nil || c.Timestamps.Len() != 30 {
		t.Errorf("got %v, %v", c, err)
	}
	if n := h.source.nCharts.Load(); n != 1 {
		t.Errorf("%d calls for charts", n)
	}
}

// TestALeaseThatNeverEnds: the caller's time does.
func TestALeaseThatNeverEnds(t *testing.T) {
	h := newHouse(t)
	h.leases = &busy{claims: []market.Claim{market.Held}}
	h.budget = 50 * time.Millisecond
	h.restart()
	if a := h.Prices(t.Context(), pairs("usd", "bitcoin"), fresh); !fault.Is(a[0].Err, fault.UpstreamTimeout) {
		t.Errorf("got %+v", a[0])
	}
	if _, err := h.chartOf(chart("bitcoin", market.Daily, 30)); !fault.Is(err, fault.UpstreamTimeout) {
		t.Errorf("got %v", err)
	}
	if h.source.nQuotes.Load()+h.source.nCharts.Load() > 0 {
		t.Error("a call was made")
	}
}
