package market

import (
	"cmp"
	"iter"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// board is what this process has of prices: of each pair that was asked for lately its current price as it goes out, when
// it was last asked for, and how often.
//
// It stands in front of the cache, whose values are bytes that have to be found by a key made for the purpose, checked,
// decoded and written anew for each answer. Who asks for an asset's prices on the board pays one look-up in a map, and for each of them
// what it costs to copy a text: what was written of a price is kept with it; see [Price.KeepWritten].
//
// When a pair was asked for is what lets a call for prices, which carries hundreds of pairs for the same credit as one, take
// along what will soon be asked for again.
type board struct {
	shards [16]boardShard
	prices int // that a shard keeps at most
}

type boardShard struct {
	mu     sync.RWMutex
	assets map[string][]boardPlaced // a list is never changed, but replaced: who has found it reads it without the lock
	places int
	kept   int // places with a price
}

// boardPlaced is an asset's place for a currency.
type boardPlaced struct {
	currency Currency
	*boardPlace
}

// boardPlace is one pair's. It is never taken away from who holds it: a place that was forgotten only finds no one else.
type boardPlace struct {
	pair  Pair
	price atomic.Pointer[Price]
	at    atomic.Int64 // when it was last asked for, Unix ms
	asked atomic.Int64 // how often since [Service.TakeDemand], as [boardPlace.touch] counts
}

const (
	interestFor = 7 * 24 * time.Hour // how long a pair counts as asked for
	maxPlaces   = 2048               // in a shard; when full, it forgets those that were not asked for in the last tenth of interestFor, or all
	priceBytes  = 5 << 8             // what a price on the board costs, its place included
)

func (b *board) shard(asset string) *boardShard {
	return &b.shards[hash(asset)%uint32(len(b.shards))]
}

// of are the asset's places.
func (b *board) of(asset string) []boardPlaced {
	s := b.shard(asset)
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.assets[asset]
}

// in is the place for the currency among an asset's; nil: it has none.
func in(places []boardPlaced, c Currency) *boardPlace {
	for i := range places {
		if places[i].currency == c {
			return places[i].boardPlace
		}
	}
	return nil
}

// What is asked for more often than exactly times is counted by every one in sample uses, chosen at random, which counts for all of
// them: the others leave the place's line to the other cores' caches.
const (
	exactly = 64
	sample  = 16
)

// sampled tells whether a use is one of those that count for all.
func sampled() bool { return rand.Uint32()%sample == 0 } //nolint:gosec // nothing depends on who guesses it

// touch notes that the pair of the place is asked for.
func (at *boardPlace) touch(now time.Time, sampled bool) {
	// Within a second it is the same.
	if ms := now.UnixMilli(); ms-at.at.Load() >= 1000 || ms < at.at.Load() {
		at.at.Store(ms)
	}
	switch {
	case at.asked.Load() < exactly:
		at.asked.Add(1)
	case sampled:
		at.asked.Add(sample)
	}
}

// touch notes that the pairs are asked for.
func (b *board) touch(pairs []Pair, now time.Time) {
	counts := sampled()
	var asset string
	var of []boardPlaced // its places
	for _, p := range pairs {
		if p.Asset != asset {
			asset, of = p.Asset, b.of(p.Asset)
		}
		at := in(of, p.Currency)
		if at == nil {
			at = b.place(p, now)
		}
		at.touch(now, counts)
	}
}

// place is the pair's place, a new one if it has none.
func (b *board) place(p Pair, now time.Time) *boardPlace {
	if at := in(b.of(p.Asset), p.Currency); at != nil {
		return at
	}
	s := b.shard(p.Asset)
	s.mu.Lock()
	defer s.mu.Unlock()
	if at := in(s.assets[p.Asset], p.Currency); at != nil {
		return at
	}
	if s.places >= maxPlaces {
		s.forget(now.UnixMilli())
	}
	if s.assets == nil {
		s.assets = make(map[string][]boardPlaced)
	}
	at, old := &boardPlace{pair: p}, s.assets[p.Asset]
	s.assets[p.Asset] = append(old[:len(old):len(old)], boardPlaced{p.Currency, at})
	s.places++
	return at
}

func (s *boardShard) forget(now int64) {
	s.drop(func(at *boardPlace) bool { return now-at.at.Load() > interestFor.Milliseconds()/10 })
	if s.places >= maxPlaces {
		s.drop(func(*boardPlace) bool { return true })
	}
}

// drop forgets places.
func (s *boardShard) drop(which func(*boardPlace) bool) {
	for asset, places := range s.assets {
		var left []boardPlaced
		for _, at := range places {
			switch {
			case !which(at.boardPlace):
				left = append(left, at)
			case at.price.Load() != nil:
				s.kept--
			}
		}
		switch s.places -= len(places) - len(left); {
		case len(left) == 0:
			delete(s.assets, asset)
		case len(left) < len(places):
			s.assets[asset] = left
		}
	}
}

// all are the shard's places.
func (s *boardShard) all() iter.Seq[*boardPlace] {
	return func(yield func(*boardPlace) bool) {
		for _, places := range s.assets {
			for _, at := range places {
				if !yield(at.boardPlace) {
					return
				}
			}
		}
	}
}

// show puts up those of the prices that are fresh by the rule for everybody.
func (b *board) show(prices []*Price, now time.Time) {
	if b.prices == 0 {
		return
	}
	for _, p := range prices {
		if p.FreshUntil.After(now) {
			b.put(p, now)
		}
	}
}

// put shows a price, unless a later one is there.
func (b *board) put(p *Price, now time.Time) {
	pair := Pair{p.Asset.ID, p.Currency}
	at := b.place(pair, now)
	s := b.shard(pair.Asset)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch old := at.price.Load(); {
	case in(s.assets[pair.Asset], pair.Currency) != at: // it was forgotten meanwhile
		return
	case old != nil && old.FetchedAt.After(p.FetchedAt):
		return
	case old == nil && s.kept >= b.prices:
		s.clear(func(p *Price) bool { return !p.FreshUntil.After(now) })
		if s.kept >= b.prices {
			s.clear(func(*Price) bool { return true })
		}
		s.kept++
	case old == nil:
		s.kept++
	}
	at.price.Store(p.shown()) // others may read the one that was given already
}

// clear takes prices away.
func (s *boardShard) clear(which func(*Price) bool) {
	for at := range s.all() {
		if p := at.price.Load(); p != nil && which(p) {
			at.price.Store(nil)
			s.kept--
		}
	}
}

// clear takes all prices away: what they say of their assets is no longer true.
func (b *board) clear() {
	for i := range b.shards {
		s := &b.shards[i]
		s.mu.Lock()
		s.clear(func(*Price) bool { return true })
		s.mu.Unlock()
	}
}

// lately are the pairs that are still of interest, the last asked for first.
func (b *board) lately(now time.Time) []Pair {
	type asked struct {
		Pair
		at int64
	}
	var all []asked
	since := now.Add(-interestFor).UnixMilli()
	for i := range b.shards {
		s := &b.shards[i]
		s.mu.Lock()
		s.drop(func(at *boardPlace) bool {
			last := at.at.Load()
			return last > 0 && last < since // one of 0 is being made
		})
		for at := range s.all() {
			if last := at.at.Load(); last >= since {
				all = append(all, asked{at.pair, last})
			}
		}
		s.mu.Unlock()
	}
	slices.SortFunc(all, func(a, b asked) int {
		return cmp.Or(cmp.Compare(b.at, a.at), cmp.Compare(a.Asset, b.Asset), cmp.Compare(a.Currency, b.Currency))
	})
	pairs := make([]Pair, len(all))
	for i, a := range all {
		pairs[i] = a.Pair
	}
	return pairs
}

// takeDemand gives how often each pair was asked for since the last call.
func (b *board) takeDemand(give func(Pair, int64)) {
	for i := range b.shards {
		s := &b.shards[i]
		s.mu.RLock()
		for at := range s.all() {
			if n := at.asked.Swap(0); n > 0 {
				give(at.pair, n)
			}
		}
		s.mu.RUnlock()
	}
}
