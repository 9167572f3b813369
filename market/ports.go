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

	// Histories are the stored points, tail and knowledge of the windows, index by index: those of charts read together in one
	// statement's snapshot, and likewise those of metrics. A series that is not stored gives an empty History.
	Histories(ctx context.Context, windows []Window) ([]History, error)
	// SaveSeries stores a provider's answer: within Covers its points replace all that were fetched at the same time or
	// earlier, but for other providers' at instants where it has none; points outside Covers are added or replaced by
	// stamp, Known is laid over what was known ([MergeKnown]), and the tail, which a metric has not, replaces an older tail. A
	// stored point with a later FetchedAt stays, and an older point of the same grid instant does not come to stand beside it.
	// Quarantined points are kept apart, one for each stamp and source until it is released; a stored point of the same grid
	// instant and price goes, and one of another price stays if Points has none of that instant. [History.Apply] is this rule.
	// Saving the same again changes nothing.
	SaveSeries(ctx context.Context, w SeriesWrite) error

	// Quarantine gives up to limit quarantined points, released ones among them, with ids below the one given (0: all), the
	// latest first.
	Quarantine(ctx context.Context, below int64, limit int) ([]QuarantineEntry, error)
	// Release makes a quarantined point one like all others: stored as [Store.SaveSeries] would, so that a point of the same
	// grid instant that was fetched later stays in its place. Releasing it again changes nothing. It gives the entry; nil when
	// there is none with this id.
	Release(ctx context.Context, id int64, by string, at time.Time) (*QuarantineEntry, error)

	// Catalogue is the stored list of assets, ascending by id, and when it was fetched; an empty list and the zero time
	// when there is none. When the stored list was not fetched after since, the list is nil and only the time is read.
	Catalogue(ctx context.Context, since time.Time) ([]Asset, time.Time, error)
	// SaveCatalogue replaces the list, unless the stored one was fetched later. Ids that [Renamed] finds to have gone are kept as
	// aliases, and the series under them go on under the present id, if it has none of its own.
	SaveCatalogue(ctx context.Context, assets []Asset, fetchedAt time.Time) error
	// Aliases are the old ids that go on answering, ascending. An alias leads to a present id, over however many renamings.
	Aliases(ctx context.Context) ([]Alias, error)
}

// Source is where data comes from: the providers, joined. Its errors are faults of the upstream kinds.
type Source interface {
	// Quotes asks for the pairs in as few calls as the provider allows. It may give more than was asked, in any order. A pair
	// that is not among the answers has no price, if the error is nil; with an error, pairs that are missing were not
	// answered, and those that are there are good.
	Quotes(ctx context.Context, pairs []Pair) ([]Quote, error)
	// Riders are those of more that can be asked for together with pairs and cost no further call. It makes none.
	Riders(pairs, more []Pair) []Pair
	// Providers are the names of those that are asked for such a series, in order of preference.
	Providers(key SeriesKey) []string
	// Series asks one of them for the missing ranges of a chart or a metric (ascending grid ranges) in as few calls as its
	// windows allow. Each answer is complete in itself; with an error, the answers that are there are good.
	Series(ctx context.Context, provider string, key SeriesKey, missing []Range) ([]Fetched, error)
	// Assets is the provider's whole catalogue.
	Assets(ctx context.Context) ([]Asset, error)
	// Offers are the metrics that there are, those of a preferred provider first. It makes no call.
	Offers() []Offer
}

// BulkSource is a Source for work that nobody waits for.
type BulkSource interface {
	Source
	// SeriesStep is Series, but makes one call that is answered, so that its answer can be stored before the next one is made;
	// more: there may be calls left to make. It may give no answer and more: the call was for what the provider has to be
	// asked first.
	SeriesStep(ctx context.Context, provider string, key SeriesKey, missing []Range) (answers []Fetched, more bool, err error)
	// Calls is how many calls Series would make, as far as that can be known without making one.
	Calls(provider string, key SeriesKey, missing []Range) int
	// Ranking are the ids of the assets with the largest market caps, the largest first, at most n of them.
	Ranking(ctx context.Context, n int) ([]string, error)
}

// Cache keeps encoded values for a while. It has no errors: a fault of the cache is a miss, within 100 ms, and the
// cache tells the log and the metrics. A value whose bytes may have changed on the way, or where they were kept, is such a
// fault: who asks does not read through what it gets.
type Cache interface {
	// Get looks all keys up in one round trip. The result has an entry for each key, in order; a nil Value is a miss.
	Get(ctx context.Context, keys []string) []CacheHit
	// Begin starts a Get and gives what waits for its answer, to be called once or not at all. A look-up that costs a round
	// trip rides with whatever this process sends to the same server next, such as the meter's charge, and goes out at the
	// latest when it is waited for: so begin it, do what is to be done meanwhile, then wait. Who does not want it any more
	// forgets it: what nobody waits for is no fault, and is counted nowhere. The keys must not be changed meanwhile.
	Begin(ctx context.Context, keys []string) (wait func() []CacheHit)
	// Near looks all keys up in this process's memory alone: no round trip, and no waiting. The result is as Get's.
	Near(keys []string) []CacheHit
	// Set stores all entries in one round trip. An entry whose TTL is not positive is not stored.
	Set(ctx context.Context, entries []CacheEntry)
}

// Leases let one replica at a time ask a provider for something, so that the others find its answer instead.
type Leases interface {
	// Claim claims all keys (each once) in one round trip. The result has a claim for each key, in order. What was granted is
	// kept until it is released, and ends by itself some seconds after its holder died. Release gives back those of the
	// keys that were granted; done tells that an answer is stored. Where it cannot be found out who holds a lease it is
	// granted: rather two calls to a provider than none.
	Claim(ctx context.Context, keys []string) (claims []Claim, release func(keys []string, done bool))
}

// Claim is what became of a claim.
type Claim uint8

// The claims.
const (
	Held         Claim = iota // somebody else has it
	Granted                   // and for some seconds nobody had it
	GrantedAfter              // and who had it a moment ago has stored an answer
)

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
