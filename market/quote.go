package market

import "time"

// Pair is an asset and the currency it is quoted in.
type Pair struct {
	Asset    string
	Currency Currency
}

// Quote is one observation of a pair's price by a provider. Values are the provider's own; see the methods for the
// readings that clients get.
type Quote struct {
	Pair
	Price         float64   // finite, not negative
	MarketCap     float64   // in the currency; 0 where the provider does not know it; NaN: null
	Volume24h     float64   // traded in the last 24 h, in the currency; NaN: null
	Change24h     float64   // percent; NaN: null
	LastUpdatedAt time.Time // when the provider observed the price; the fetch time where it does not say
	FetchedAt     time.Time // when we asked
	Source        string    // the provider
}

// Newer is the quote to keep of a pair's stored quote and one just fetched. Providers answer out of caches of their own,
// so two calls may go back in time: the later observation wins, and the later fetch says how fresh it is.
func Newer(stored, fetched Quote) Quote {
	if stored.LastUpdatedAt.After(fetched.LastUpdatedAt) {
		if fetched.FetchedAt.After(stored.FetchedAt) {
			stored.FetchedAt = fetched.FetchedAt
		}
		return stored
	}
	if fetched.FetchedAt.Before(stored.FetchedAt) {
		fetched.FetchedAt = stored.FetchedAt
	}
	return fetched
}
