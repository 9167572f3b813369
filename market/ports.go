package market

import (
	"context"
	"time"
)

// Store keeps what was fetched. It fails with fault.StoreUnavailable, or with the context's error; it never returns
// half of what was asked.
type Store interface {
	// Quotes are the stored quotes of the pairs. A pair without one is left out; the order is free; asking for a pair
	// twice gives it once.
	Quotes(ctx context.Context, pairs []Pair) ([]Quote, error)
	// SaveQuotes stores the quotes, each as [Newer] says: an older observation never replaces a newer one. Saving
	// the same again changes nothing. A pair may occur several times; the newest wins.
	SaveQuotes(ctx context.Context, quotes []Quote) error

	// Histories are the stored points, tail and knowledge of the windows, index by index, read together in one statement's
	// snapshot. A series that is not stored gives an empty History.
	Histories(ctx context.Context, windows []Window) ([]History, error)
	// SaveSeries stores a provider's answer: within Covers its points replace all that were fetched at the same time or
	// earlier, points outside Covers are added or replaced by stamp, Known is laid over what was known ([MergeKnown]), and the
	// tail replaces an older tail. A stored point with a later FetchedAt stays, and an older point of the same grid instant
	// does not come to stand beside it. Saving the same again changes nothing.
	SaveSeries(ctx context.Context, w SeriesWrite) error

	// Catalogue is the stored list of assets, ascending by id, and when it was fetched; an empty list and the zero time
	// when there is none. When the stored list was not fetched after since, the list is nil and only the time is read.
	Catalogue(ctx context.Context, since time.Time) ([]Asset, time.Time, error)
	// SaveCatalogue replaces the list, unless the stored one was fetched later.
	SaveCatalogue(ctx context.Context, assets []Asset, fetchedAt time.Time) error
}

// Source is where data comes from: the providers, joined. Its errors are faults of the upstream kinds.
type Source interface {
	// Quotes asks for the pairs in as few calls as the provider allows. It may give more than was asked, in any order. A pair
	// that is not among the answers has no price, if the error is nil; with an error, pairs that are missing were not
	// answered, and those that are there are good.
	Quotes(ctx context.Context, pairs []Pair) ([]Quote, error)
	// Chart asks for the missing ranges of a series (ascending grid ranges) in as few calls as the provider's windows
	// allow. Each answer is complete in itself; with an error, the answers that are there are good.
	Chart(ctx context.Context, key SeriesKey, missing []Range) ([]Fetched, error)
	// Assets is the provider's whole catalogue.
	Assets(ctx context.Context) ([]Asset, error)
}

// Cache keeps encoded values for a while. It has no errors: a fault of the cache is a miss, within 100 ms, and the
// cache tells the log and the metrics.
type Cache interface {
	// Get looks all keys up in one round trip. The result has an entry for each key, in order; a nil Value is a miss.
	Get(ctx context.Context, keys []string) []CacheHit
	// Near looks all keys up in this process's memory alone: no round trip, and no waiting. The result is as Get's.
	Near(keys []string) []CacheHit
	// Set stores all entries in one round trip. An entry whose TTL is not positive is not stored.
	Set(ctx context.Context, entries []CacheEntry)
}

// CacheHit is what a look-up found. Value must not be changed: it is shared.
type CacheHit struct {
	Value []byte
	Near  bool // found in this process's memory
}

// CacheEntry is a value to keep.
type CacheEntry struct {
	Key   string
	Value []byte
	TTL   time.Duration
}
