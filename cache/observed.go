package cache

import (
	"context"
	"strings"

	"github.com/coingraph/coingraph/market"
	"github.com/coingraph/coingraph/telemetry"
)

// Observed is a [market.Cache] that counts the hits and misses of another, by tier and by the kind of value, which its keys
// begin with.
type Observed struct {
	market.Cache
	metrics *telemetry.Metrics
}

// NewObserved makes an Observed.
func NewObserved(c market.Cache, m *telemetry.Metrics) *Observed { return &Observed{c, m} }

// Get looks the keys up; see [market.Cache].
func (o *Observed) Get(ctx context.Context, keys []string) []market.CacheHit {
	hits := o.Cache.Get(ctx, keys)
	o.count(keys, hits)
	return hits
}

// Begin starts a look-up; see [market.Cache]. It is counted when it is waited for.
func (o *Observed) Begin(ctx context.Context, keys []string) func() []market.CacheHit {
	wait := o.Cache.Begin(ctx, keys)
	return func() []market.CacheHit {
		hits := wait()
		o.count(keys, hits)
		return hits
	}
}

// Near looks the keys up; see [market.Cache]. Only what answers a question alone is counted: where a key lacks, all of them
// are looked up again.
func (o *Observed) Near(keys []string) []market.CacheHit {
	hits := o.Cache.Near(keys)
	for _, hit := range hits {
		if hit.Value == nil {
			return hits
		}
	}
	o.count(keys, hits)
	return hits
}

// count adds up runs of keys that have the same outcome: the keys of one look-up are of one kind, and mostly of one tier.
func (o *Observed) count(keys []string, hits []market.CacheHit) {
	const missed = telemetry.Upstream
	tier := func(i int) telemetry.Tier {
		switch {
		case hits[i].Value == nil:
			return missed
		case hits[i].Near:
			return telemetry.Memory
		}
		return telemetry.Redis
	}
	for i := 0; i < len(keys); {
		kind, first, n := keys[i][:strings.IndexByte(keys[i], ':')+1], tier(i), 1
		for i+n < len(keys) && tier(i+n) == first && strings.HasPrefix(keys[i+n], kind) {
			n++
		}
		i += n
		kind = strings.TrimSuffix(kind, ":")
		if first == missed {
			o.metrics.CacheMisses(kind, n)
		} else {
			o.metrics.CacheHits(first, kind, n)
		}
	}
}
