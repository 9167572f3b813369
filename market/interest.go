package market

import (
	"cmp"
	"slices"
	"sync"
	"time"
)

// interest remembers which pairs were asked for lately, in this process. A call for prices carries hundreds of pairs for the
// same credit as one, so each call takes along what will soon be asked for again.
type interest struct {
	shards [16]interestShard
}

type interestShard struct {
	mu    sync.Mutex
	asked map[Pair]int64 // Unix ms
}

const (
	interestFor = 7 * 24 * time.Hour // how long a pair counts as asked for
	maxInterest = 2048               // pairs in a shard; when full, it forgets those that were not asked for in the last tenth of interestFor, or all
)

func (in *interest) shard(p Pair) *interestShard {
	h := uint32(2166136261)
	for i := range len(p.Asset) {
		h = (h ^ uint32(p.Asset[i])) * 16777619
	}
	return &in.shards[(h^uint32(len(p.Currency)))%uint32(len(in.shards))]
}

// touch notes that the pairs are asked for.
func (in *interest) touch(pairs []Pair, now time.Time) {
	at := now.UnixMilli()
	for _, p := range pairs {
		s := in.shard(p)
		s.mu.Lock()
		if s.asked == nil {
			s.asked = make(map[Pair]int64)
		}
		if _, ok := s.asked[p]; !ok && len(s.asked) >= maxInterest {
			s.forget(at)
		}
		s.asked[p] = at
		s.mu.Unlock()
	}
}

func (s *interestShard) forget(now int64) {
	for p, at := range s.asked {
		if now-at > interestFor.Milliseconds()/10 {
			delete(s.asked, p)
		}
	}
	if len(s.asked) >= maxInterest {
		clear(s.asked)
	}
}

// lately are the pairs that are still of interest, the last asked for first.
func (in *interest) lately(now time.Time) []Pair {
	type asked struct {
		Pair
		at int64
	}
	var all []asked
	since := now.Add(-interestFor).UnixMilli()
	for i := range in.shards {
		s := &in.shards[i]
		s.mu.Lock()
		for p, at := range s.asked {
			if at < since {
				delete(s.asked, p)
				continue
			}
			all = append(all, asked{p, at})
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
