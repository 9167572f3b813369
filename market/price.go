package market

import (
	"math"
	"time"
)

// Price is a quote as clients read it.
type Price struct {
	Asset         Asset
	Currency      Currency
	Price         Number
	MarketCap     Number // null where the provider does not know it, which it says as 0
	Volume24h     Number
	Change24h     Number // percent
	LastUpdatedAt time.Time
	FetchedAt     time.Time
	Source        string
	Stale         bool      // older than the price TTL; only callers who consented get one
	FreshUntil    time.Time // when this answer expires
	Raw           Quote     // what this is a reading of
}

// named is the price under an old id of the asset.
func (p *Price) named(id string) *Price {
	old := *p
	old.Asset.ID = id
	return &old
}

// Freshness is the age of data a caller consents to. The zero value is the rule for everybody: nothing older than its
// TTL, and an upstream failure is an error.
type Freshness struct {
	// MaxAge replaces the TTL as the age up to which a stored value is served without asking a provider. 0: the TTL.
	MaxAge time.Duration
	// StaleIfError is how much older than that a value may be if no provider answers. 0: not at all.
	StaleIfError time.Duration
}

// Answer is a value or the reason why there is none.
type Answer[T any] struct {
	Value T
	Err   error
}

// read makes of a stored quote what clients get.
func (q Quote) read(asset Asset, ttl time.Duration, now time.Time) *Price {
	capKnown := q.MarketCap
	if capKnown == 0 {
		capKnown = math.NaN()
	}
	freshUntil := q.FetchedAt.Add(ttl)
	return &Price{
		Asset: asset, Currency: q.Currency,
		Price: Number(q.Price), MarketCap: Number(capKnown), Volume24h: Number(q.Volume24h), Change24h: Number(q.Change24h),
		LastUpdatedAt: q.LastUpdatedAt, FetchedAt: q.FetchedAt, Source: q.Source,
		Stale: !freshUntil.After(now), FreshUntil: freshUntil, Raw: q,
	}
}

// FreshnessInput is what a caller writes of its [Freshness].
type FreshnessInput struct {
	MaxAgeSeconds       *int
	StaleIfErrorSeconds *int
}
