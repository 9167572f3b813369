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
	type outcome struct {
		kind string
		tier telemetry.Tier
	}
	const missed = telemetry.Upstream
	of := func(i int) outcome {
		kind, _, _ := strings.Cut(keys[i], ":")
		switch {
		case hits[i].Value == nil:
			return outcome{kind, missed}
		case hits[i].Near:
			return outcome{kind, telemetry.Memory}
		}
		return outcome{kind, telemetry.Redis}
	}
	for i := 0; i < len(keys); {
		first, n := of(i), 1
		for i+n < len(keys) && of(i+n) == first {
			n++
		}
		if first.tier == missed {
			o.metrics.CacheMisses(first.kind, n)
		} else {
			o.metrics.CacheHits(first.tier, first.kind, n)
		}
		i += n
	}
}
