package limit

import (
	"context"
	"fmt"
	"time"

	"github.com/coingraph/coingraph/fault"
)

// ledger keeps the counters. It knows nothing of faults: that an operation is refused is an answer.
type ledger interface {
	// count adds the units to the subject's counters in the current window if each of them then stays within its maximum,
	// and otherwise none. No single one is above its maximum.
	count(ctx context.Context, subject string, t *tier, units Units) (tally, error)
}

// tally is what a ledger answers.
type tally struct {
	counts  Units // of the tier's endpoints, in the window, the units included if they were charged
	charged bool
	now     time.Time // by the clock of the store
}

// charge is Charge on any ledger; see [Meter].
func (p *Policy) charge(ctx context.Context, l ledger, subject, tierName string, units Units) (Status, error) {
	if !validSubject(subject) {
		return Status{}, fmt.Errorf("limit: %.20q… is no subject", subject)
	}
	if err := ctx.Err(); err != nil {
		return Status{}, err
	}
	t, asked := p.tier(tierName), units
	never, err := t.never(units)
	switch {
	case err != nil:
		return Status{}, err
	case len(t.endpoints) == 0:
		return Status{}, asError(never)
	case never != nil:
		units = Units{} // only to see where the subject stands
	}

	counted, err := l.count(ctx, subject, t, units)
	switch {
	case err == nil:
	case ctx.Err() != nil:
		return Status{}, ctx.Err()
	default:
		return Status{}, fault.Wrap(fault.StoreUnavailable, fmt.Errorf("limit: %w", err))
	}
	status := p.status(t, asked, counted)
	switch {
	case never != nil:
		return status, never
	case !counted.charged:
		return status, t.refusal(units, counted, status.Reset)
	}
	return status, nil
}

// asError spares the caller an interface that holds a nil pointer.
func asError(f *fault.Error) error {
	if f == nil {
		return nil
	}
	return f
}

// never is the fault of an operation that no window has room for.
func (t *tier) never(units Units) (*fault.Error, error) {
	for e := range endpoints {
		switch asked, most := units[e], t.max[e]; {
		case asked < 0:
			return nil, fmt.Errorf("limit: %d units of %s", asked, e)
		case asked > 0 && most == 0:
			return fault.New(fault.Forbidden, "your tier has no %s", e), nil
		case asked > most:
			return fault.New(fault.TooComplex, "the operation asks for %d units of %s, and your tier has %d in a whole window", asked, e, most), nil
		}
	}
	return nil, nil
}

// refusal is the fault of an operation that the next window may have room for.
func (t *tier) refusal(units Units, counted tally, reset time.Duration) *fault.Error {
	f := fault.New(fault.RateLimited, "")
	for _, e := range t.endpoints {
		if left := max(t.max[e]-counted.counts[e], 0); units[e] > left {
			f = fault.New(fault.RateLimited, "rate limit exceeded: the operation asks for %d of %s, and %d of %d are left", units[e], e, left, t.max[e])
			break
		}
	}
	f.RetryAfter = reset
	return f
}

// status is what the caller is told of a tally. A counter may be above its limit, if that was lowered within the window.
func (p *Policy) status(t *tier, asked Units, counted tally) Status {
	resets := time.Unix(p.start(counted.now)+p.window, 0).UTC()
	s := Status{Limits: make([]Limit, len(t.endpoints)), Reset: resets.Sub(counted.now)}
	least, leastAsked := 0, -1
	for i, e := range t.endpoints {
		s.Limits[i] = Limit{Endpoint: e, Max: t.max[e], Remaining: max(t.max[e]-counted.counts[e], 0), ResetsAt: resets}
		if s.Limits[i].Remaining < s.Limits[least].Remaining {
			least = i
		}
		if asked[e] > 0 && (leastAsked < 0 || s.Limits[i].Remaining < s.Limits[leastAsked].Remaining) {
			leastAsked = i
		}
	}
	if leastAsked >= 0 {
		least = leastAsked
	}
	s.Least = s.Limits[least]
	return s
}

// maxSubject is more than any id of a key, any token's subject and any address has.
const maxSubject = 512

// validSubject tells whether the text can stand between the braces of a key: a brace would end the hash tag, which keeps
// the counters of a subject on one node of a cluster.
func validSubject(s string) bool {
	if len(s) == 0 || len(s) > maxSubject {
		return false
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' || s[i] == '{' || s[i] == '}' {
			return false
		}
	}
	return true
}
