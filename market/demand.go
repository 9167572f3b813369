package market

import "sync"

// Demand is how often something was asked for: a series with its number of days, or, without interval and days, a price.
type Demand struct {
	SeriesKey
	Days  Days
	Asked int64
}

// IsPrice tells whether it is a price that was asked for.
func (d Demand) IsPrice() bool { return !d.OnChain() && !d.Interval.Valid() }

// demand counts which series clients ask for (their prices are counted on the board), until somebody takes the counts to where they are kept. It is bounded: when it is
// full, what is new is not counted.
type demand struct {
	shards [16]demandShard
}

type demandShard struct {
	mu    sync.Mutex
	asked map[Demand]int64 // Asked is 0 in the key
}

const maxDemand = 512 // in a shard

func (d *demand) add(what Demand) {
	s := &d.shards[hash(what.Asset)%uint32(len(d.shards))]
	s.mu.Lock()
	defer s.mu.Unlock()
	n, ok := s.asked[what]
	switch {
	case ok || len(s.asked) < maxDemand:
		if s.asked == nil {
			s.asked = make(map[Demand]int64)
		}
		s.asked[what] = n + 1
	default:
	}
}

// hash is FNV-1a.
func hash(text string) uint32 {
	h := uint32(2166136261)
	for i := range len(text) {
		h = (h ^ uint32(text[i])) * 16777619
	}
	return h
}

func (d *demand) series(requests []SeriesRequest) {
	for _, r := range requests {
		d.add(Demand{SeriesKey: r.SeriesKey, Days: r.Days})
	}
}

// TakeDemand is what clients asked for since the last call, in no order.
func (s *Service) TakeDemand() []Demand {
	var all []Demand
	s.board.takeDemand(func(p Pair, n int64) {
		all = append(all, Demand{SeriesKey: SeriesKey{Asset: p.Asset, Currency: p.Currency}, Asked: n})
	})
	for i := range s.demand.shards {
		shard := &s.demand.shards[i]
		shard.mu.Lock()
		for what, n := range shard.asked {
			what.Asked = n
			all = append(all, what)
		}
		clear(shard.asked)
		shard.mu.Unlock()
	}
	return all
}
