package market

import (
	"sync"
	"time"

	"github.com/coingraph/coingraph/fault"
)

// refusals remembers for some minutes what a provider refused for good (an asset it does not know, a pair it does not
// have), so that asking again costs no call. It is small and in this process only; when full it begins anew.
type refusals struct {
	now     func() time.Time
	mu      sync.Mutex
	entries map[refused]refusal
}

// refused is what was refused, and by whom.
type refused struct {
	provider string
	SeriesKey
}

type refusal struct {
	err   error
	until time.Time
}

const (
	refusalTTL  = 5 * time.Minute
	maxRefusals = 10_000
)

// isRefusal tells whether a provider said that it does not have what it was asked for.
func isRefusal(err error) bool {
	return fault.Is(err, fault.UpstreamNotFound) || fault.Is(err, fault.UpstreamRejected)
}

// remember keeps the error if it is a refusal.
func (r *refusals) remember(key refused, err error) {
	if !isRefusal(err) {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.entries == nil || len(r.entries) >= maxRefusals {
		r.entries = make(map[refused]refusal) // rather ask some again than grow
	}
	r.entries[key] = refusal{err, r.now().Add(refusalTTL)}
}

// of is the refusal that is remembered of the series, or nil.
func (r *refusals) of(key refused) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	e, ok := r.entries[key]
	if !ok {
		return nil
	}
	if !r.now().Before(e.until) {
		delete(r.entries, key)
		return nil
	}
	return e.err
}
