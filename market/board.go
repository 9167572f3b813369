package market

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// board is what this process has of prices: of each pair that was asked for lately its current price as it goes out, when
// it was last asked for, and how often.
//
// It stands in front of the cache, whose values are bytes that have to be found by a key made for the purpose, checked,
// decoded and written anew for each answer. Who asks for a price on the board pays one look-up in a map.
//
// When a pair was asked for is what lets a call for prices, which carries hundreds of pairs for the same credit as one, take
// along what will soon be asked for again.
type board struct {
	shards [16]boardShard
	prices int // that a shard keeps at most
}

type boardShard struct {
	mu     sync.RWMutex
	places map[Pair]*boardPlace
	kept   int // places with a price
}

// boardPlace is one pair's. It is never taken away from who holds it: a place that was forgotten only finds no one else.
type boardPlace struct {
	pair  Pair
	price atomic.Pointer[Price]
	at    atomic.Int64 // when it was last asked for, Unix ms
	asked atomic.Int64 // how often since [Service.TakeDemand]
}

const (
	interestFor = 7 * 24 * time.Hour // how long a pair counts as asked for
	maxPlaces   = 2048               // in a shard; when full, it forgets those that were not asked for in the last tenth of interestFor, or all
	priceBytes  = 1 << 10            // what a price on the board costs, its place included
)

func (b *board) shard(p Pair) *boardShard {
	return &b.shards[(hash(p.Asset)^uint32(len(p.Currency)))%uint32(len(b.shards))]
}

// find is the pair's place; nil: it has none.
func (b *board) find(p Pair) *boardPlace {
	s := b.shard(p)
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.places[p]
}

// price is the pair's price, if it is there and fresh at the time given.
func (b *board) price(p Pair, now time.Time) (*boardPlace, *Price) {
	at := b.find(p)
	if at == nil {
		return nil, nil
	}
	if price := at.price.Load(); price != nil && price.FreshUntil.After(now) {
		return at, price
	}
	return nil, nil
}

// touch notes that the pair of the place is asked for.
func (at *boardPlace) touch(now time.Time) {
	// Within a second it is the same: a store makes the other cores fetch the line anew.
	if ms := now.UnixMilli(); ms-at.at.Load() >= 1000 || ms < at.at.Load() {
		at.at.Store(ms)
	}
	at.asked.Add(1)
}

// touch notes that the pairs are asked for.
func (b *board) touch(pairs []Pair, now time.Time) {
	for _, p := range pairs {
		b.place(p, now).touch(now)
	}
}

// place is the pair's place, a new one if it has none.
func (b *board) place(p Pair, now time.Time) *boardPlace {
	if at := b.find(p); at != nil {
		return at
	}
	s := b.shard(p)
	s.mu.Lock()
	defer s.mu.Unlock()
	if at := s.places[p]; at != nil {
		return at
	}
	if len(s.places) >= maxPlaces {
		s.forget(now.UnixMilli())
	}
	if s.places == nil {
		s.places = make(map[Pair]*boardPlace)
	}
	at := &boardPlace{pair: p}
	s.places[p] = at
	return at
}

func (s *boardShard) forget(now int64) {
	for p, at := range s.places {
		if now-at.at.Load() > interestFor.Milliseconds()/10 {
			s.drop(p, at)
		}
	}
	if len(s.places) >= maxPlaces {
		for p, at := range s.places {
			s.drop(p, at)
		}
	}
}

func (s *boardShard) drop(p Pair, at *boardPlace) {
	delete(s.places, p)
	if at.price.Load() != nil {
		s.kept--
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
	pair := p.Raw.Pair
	at := b.place(pair, now)
	s := b.shard(pair)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch old := at.price.Load(); {
	case s.places[pair] != at: // it was forgotten meanwhile
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
	if p.Rendered == nil {
		shown := *p
		shown.Rendered = p.render()
		p = &shown // others may read the one that was given already
	}
	at.price.Store(p)
}

// clear takes prices away.
func (s *boardShard) clear(which func(*Price) bool) {
	for _, at := range s.places {
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
		for p, at := range s.places {
			last := at.at.Load()
			switch {
			case last >= since:
				all = append(all, asked{p, last})
			case last > 0: // one of 0 is being made
				s.drop(p, at)
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
		for p, at := range s.places {
			if n := at.asked.Swap(0); n > 0 {
				give(p, n)
			}
		}
		s.mu.RUnlock()
	}
}
