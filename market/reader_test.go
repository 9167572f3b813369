package market

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coingraph/coingraph/fault"
)

// hanging is a database that does not answer to reads.
type hanging struct{ Store }

func (hanging) Quotes(ctx context.Context, _ []Pair) ([]Quote, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func (hanging) SaveQuotes(context.Context, []Quote) error {
	return fault.New(fault.StoreUnavailable, "")
}

// living is a provider that has everything.
type living struct{ Source }

func (living) Riders(_, _ []Pair) []Pair { return nil }

func (living) Quotes(_ context.Context, pairs []Pair) ([]Quote, error) {
	quotes := make([]Quote, len(pairs))
	for i, p := range pairs {
		quotes[i] = Quote{Pair: p, Price: 1, LastUpdatedAt: time.Now(), FetchedAt: time.Now()}
	}
	return quotes, nil
}

// nowhere is a cache that keeps nothing.
type nowhere struct{ Cache }

func (nowhere) Set(context.Context, []CacheEntry) {}

// TestWhoWaitsBehindAHangingStore loses little more by it than who was first, and then has the provider asked.
func TestWhoWaitsBehindAHangingStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const timeout = 2 * time.Second
		s := NewService(Options{
			Store: hanging{}, Source: living{}, Cache: nowhere{}, Now: time.Now, Log: slog.New(slog.DiscardHandler),
			PriceTTL: time.Minute, StoreTimeout: timeout,
		})
		begun := time.Now()
		var calls []*call[quoted]
		for i := range 10 {
			c, mine := s.quotes.claim([]Pair{{fmt.Sprintf("coin-%d", i), "usd"}})
			calls = append(calls, c...)
			s.read(&sought{mine, t.Context(), begun.Add(-time.Minute), begun})
		}
		for i, c := range calls {
			got, err := c.wait(t.Context())
			if err != nil || got.err != nil || got.quote == nil {
				t.Errorf("caller %d got %+v %v", i, got, err)
			}
		}
		// The first two have a visit each, and all the rest then have one that is short.
		if took, want := time.Since(begun), timeout+timeout/4; took != want {
			t.Errorf("it took %v, want %v", took, want)
		}
	})
}

// TestAVisitHasAnEnd: one for several callers is bounded, and a caller who alone wants more gets it.
func TestAVisitHasAnEnd(t *testing.T) {
	var r reader
	want := func(pairs int) *sought { return &sought{claim: &claim[Pair, quoted]{keys: make([]Pair, pairs)}} }
	for range maxReads {
		if got := r.add(want(1)); len(got) != 1 {
			t.Fatalf("a visit for %d begins, want one", len(got))
		}
	}
	for _, pairs := range []int{1, maxRead - 1, 1, maxRead + 1, 2} {
		if got := r.add(want(pairs)); got != nil {
			t.Fatal("there is a visit too many")
		}
	}
	for _, callers := range []int{2, 1, 1, 1, 0, 0} {
		if got := r.next(); len(got) != callers {
			t.Errorf("the next visit is for %d, want %d", len(got), callers)
		}
	}
	if got := r.add(want(1)); len(got) != 1 {
		t.Error("an idle reader does not begin")
	}
}
