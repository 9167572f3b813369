package cache

import (
	"context"
	"time"

	"github.com/coingraph/coingraph/market"
)

// Tiered is a [market.Cache] of a Memory over a Redis: near answers first, far is asked for what near lacks, and what it
// finds fills near for what is left of its time to live there.
//
// Near does not hear of what other replicas set: until its entry expires it may hold an older value than far.
type Tiered struct {
	near    *Memory
	far     *Redis
	nearTTL time.Duration
}

// TieredOptions are the options of [NewTiered].
type TieredOptions struct {
	// NearTTL bounds how long near keeps an entry, whatever its TTL. Default: no bound of its own.
	NearTTL time.Duration
}

// NewTiered makes a Tiered.
func NewTiered(near *Memory, far *Redis, o TieredOptions) *Tiered {
	if o.NearTTL <= 0 {
		o.NearTTL = maxTTL
	}
	return &Tiered{near, far, o.NearTTL}
}

// Get looks the keys up; see [market.Cache].
func (t *Tiered) Get(ctx context.Context, keys []string) []market.CacheHit {
	return t.lookup(ctx, keys, false)()
}

// Begin looks the keys up in near, and starts a look-up in far for what near lacks; see [market.Cache].
func (t *Tiered) Begin(ctx context.Context, keys []string) func() []market.CacheHit {
	return t.lookup(ctx, keys, true)
}

func (t *Tiered) lookup(ctx context.Context, keys []string, park bool) func() []market.CacheHit {
	hits := t.near.Get(ctx, keys)
	var lacking []string
	var places []int // where in hits the lacking keys belong
	for i := range hits {
		if hits[i].Value == nil {
			if lacking == nil {
				lacking, places = make([]string, 0, len(keys)-i), make([]int, 0, len(keys)-i)
			}
			lacking, places = append(lacking, keys[i]), append(places, i)
		}
	}
	if len(lacking) == 0 {
		return func() []market.CacheHit { return hits }
	}
	l := t.far.lookup(ctx, lacking)
	if park {
		l.park(ctx)
	}
	return func() []market.CacheHit {
		l.finish(ctx, func(i int, value []byte, left time.Duration) {
			hits[places[i]].Value = value
			t.near.fill(lacking[i], value, min(left, t.nearTTL))
		})
		return hits
	}
}

// Near looks the keys up in near alone; see [market.Cache].
func (t *Tiered) Near(keys []string) []market.CacheHit { return t.near.Near(keys) }

// Set stores the entries, near first: near has them also when far is away. See [market.Cache].
func (t *Tiered) Set(ctx context.Context, entries []market.CacheEntry) {
	for _, e := range entries {
		t.near.put(e, t.nearTTL)
	}
	t.far.Set(ctx, entries)
}
