package market

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"sync"
	"testing"
	"time"
)

// newBoard is a service with nothing but a board, for so many prices in a shard.
func newBoard(prices int) *Service {
	s := &Service{opts: Options{PriceTTL: time.Hour, Now: func() time.Time { return t0 }}}
	s.board.prices = prices
	return s
}

func shownPrice(asset string, c Currency, price float64, fetchedAt time.Time) *Price {
	q := Quote{Pair: Pair{asset, c}, Price: price, MarketCap: math.NaN(), Volume24h: 1, Change24h: -1, LastUpdatedAt: fetchedAt, FetchedAt: fetchedAt, Source: "test"}
	return q.read(Asset{ID: asset, Symbol: "x", Name: "X"}, time.Hour, fetchedAt)
}

// TestHandTakes: what is on the board and fresh is at hand, whatever stands beside it, and what is used counts as asked for.
func TestHandTakes(t *testing.T) {
	s := newBoard(100)
	old := t0.Add(-time.Hour)
	s.board.show([]*Price{shownPrice("a", "usd", 1, t0), shownPrice("a", "eur", 2, t0), shownPrice("b", "usd", 3, t0)}, t0)
	s.board.show([]*Price{shownPrice("c", "usd", 4, old)}, old)
	pairs := []Pair{{"a", "eur"}, {"a", "gbp"}, {"c", "usd"}, {"b", "usd"}, {"a", "usd"}, {"a", "usd"}, {"d", "usd"}}
	found, hand := make([]*Price, len(pairs)), s.AtHand()
	if lacking := hand.Take(pairs, found); !slices.Equal(lacking, []int{1, 2, 6}) {
		t.Errorf("lacking are %v", lacking)
	}
	for i, want := range []Number{2, 0, 0, 3, 1, 1, 0} {
		if got := found[i]; (got == nil) != (want == 0) || got != nil && got.Price != want {
			t.Errorf("%v: %+v, want %v", pairs[i], got, want)
		}
	}
	if n := len(demanded(s)); n > 0 {
		t.Errorf("%d pairs count as asked for before the answer is used", n)
	}
	hand.Again(t.Context(), t0)
	if got, want := demanded(s), (map[Pair]int64{{"a", "eur"}: 1, {"b", "usd"}: 1, {"a", "usd"}: 2}); !maps.Equal(got, want) {
		t.Errorf("asked for were %v, want %v", got, want)
	}
	if lately := s.board.lately(t0); !slices.Equal(lately, []Pair{{"a", "eur"}, {"a", "usd"}, {"b", "usd"}}) {
		t.Errorf("lately: %v", lately)
	}
}

func demanded(s *Service) map[Pair]int64 {
	all := make(map[Pair]int64)
	s.board.takeDemand(func(p Pair, n int64) { all[p] += n })
	return all
}

// TestDemandIsSampled, once there is much of it: the sum is about right, and small ones are exact.
func TestDemandIsSampled(t *testing.T) {
	s := newBoard(0)
	const often = 100_000
	for range often {
		s.board.touch([]Pair{{"often", "usd"}}, t0)
	}
	for range exactly {
		s.board.touch([]Pair{{"seldom", "usd"}}, t0)
	}
	got := demanded(s)
	// The standard deviation is sample*sqrt(often/sample), 1265; by six of them one run in 5*10^8 is wrong.
	if n := got[Pair{"often", "usd"}]; n < often-7590 || n > often+7590 || got[Pair{"seldom", "usd"}] != exactly {
		t.Errorf("counted were %v", got)
	}
}

// TestWrittenPrices: a text is kept for its selection and its price alone, where others will ask for it.
func TestWrittenPrices(t *testing.T) {
	s := newBoard(100)
	s.board.show([]*Price{shownPrice("a", "usd", 1, t0)}, t0)
	find := func() *Price {
		found := make([]*Price, 1)
		s.AtHand().Take([]Pair{{"a", "usd"}}, found)
		return found[0]
	}
	one, other := new(int), new(int)
	p := find()
	p.KeepWritten(one, []byte("text"))
	if p.Written(one) != "text" || p.Written(other) != "" || p.named("old").Written(one) != "" || string(p.named("old").JSON().Value(PriceNumber)) != "1" {
		t.Errorf("%q, %q, %q", p.Written(one), p.Written(other), p.named("old").Written(one))
	}
	for p.Written(other) == "" {
		p.KeepWritten(other, []byte("other"))
	}
	if p.Written(one) != "" || p.Written(other) != "other" {
		t.Errorf("%q, %q", p.Written(one), p.Written(other))
	}
	s.board.show([]*Price{shownPrice("a", "usd", 2, t0.Add(time.Second))}, t0)
	if p := find(); p.Price != 2 || p.Written(other) != "" {
		t.Errorf("the next price has the last one's text: %q", p.Written(other))
	}
	// Nobody else will ask for one that is not on the board.
	alone := shownPrice("a", "usd", 1, t0)
	alone.KeepWritten(one, []byte("text"))
	if alone.Written(one) != "" {
		t.Error("a text was kept of a price that one caller has")
	}
}

// TestBoardIsBounded, in places and in prices, and counts right what it forgets.
func TestBoardIsBounded(t *testing.T) {
	s := newBoard(8)
	now, currencies := t0, []Currency{"usd", "eur", "gbp"}
	for i := range 3 * maxPlaces * len(s.board.shards) {
		now = now.Add(time.Second)
		p := Pair{fmt.Sprint("asset-", i/3), currencies[i%3]}
		s.board.touch([]Pair{p}, now)
		if i%5 == 0 {
			s.board.show([]*Price{shownPrice(p.Asset, p.Currency, 1, now)}, now)
		}
	}
	check := func() {
		t.Helper()
		for i := range s.board.shards {
			shard := &s.board.shards[i]
			places, kept := 0, 0
			for at := range shard.all() {
				places++
				if at.price.Load() != nil {
					kept++
				}
			}
			if places != shard.places || kept != shard.kept || places > maxPlaces || kept > 8 {
				t.Errorf("shard %d has %d places and %d prices, and counts %d and %d", i, places, kept, shard.places, shard.kept)
			}
		}
	}
	check()
	if n := len(s.board.lately(now)); n == 0 {
		t.Error("nothing is of interest")
	}
	s.board.clear()
	check()
	if n := len(s.board.lately(now.Add(2 * interestFor))); n != 0 {
		t.Errorf("%d pairs are still of interest", n)
	}
	check()
}

// TestBoardAtOnce has everything happen side by side, for the race detector.
func TestBoardAtOnce(t *testing.T) {
	s := newBoard(4)
	var group sync.WaitGroup
	for worker := range 4 {
		group.Go(func() {
			for i := range 2000 {
				pairs := []Pair{{fmt.Sprint("asset-", i%50), "usd"}, {fmt.Sprint("asset-", i%50), "eur"}}
				found, hand := make([]*Price, 2), s.AtHand()
				for _, i := range hand.Take(pairs, found) {
					s.board.show([]*Price{shownPrice(pairs[i].Asset, pairs[i].Currency, float64(i+1), t0)}, t0)
				}
				for i, p := range found {
					if p == nil {
						continue
					}
					if text := p.Written(s); p.Price != Number(i+1) || text != "" && text != string(p.JSON().Value(PriceNumber)) {
						t.Errorf("%v is %v, written %q", pairs[i], p.Price, text)
					}
					p.KeepWritten(s, p.JSON().Value(PriceNumber))
				}
				hand.Again(t.Context(), t0)
				switch {
				case i%500 == 0:
					s.board.clear()
				case i%300 == 0:
					s.board.lately(t0.Add(time.Duration(worker) * interestFor))
				case i%200 == 0:
					demanded(s)
				}
			}
		})
	}
	group.Wait()
}
