package wire

import "github.com/coingraph/coingraph/market"

// Plan cuts ascending ranges of grid instants into the fewest calls of so many rows at most, none of them of instants from
// end on, which are still to come. Beyond is what is wanted before first, where the provider's history begins for us. All
// of a call's instants are wanted, or lie between such that are.
func Plan(i market.Interval, missing []market.Range, first, end, rows int64) (calls, beyond []market.Range) {
	most := rows * i.Step()
	for _, r := range missing {
		if b := (market.Range{From: r.From, To: min(r.To, first)}); !b.Empty() {
			beyond = append(beyond, b)
		}
		rest := r.Intersect(market.Range{From: first, To: end})
		for !rest.Empty() {
			if n := len(calls); n > 0 && rest.From < calls[n-1].From+most { // the last call has room
				calls[n-1].To = min(rest.To, calls[n-1].From+most)
				rest.From = calls[n-1].To
				continue
			}
			calls = append(calls, market.Range{From: rest.From, To: min(rest.To, rest.From+most)})
			rest.From = calls[len(calls)-1].To
		}
	}
	return calls, beyond
}

// Ceil is the first grid instant at or after an instant.
func Ceil(i market.Interval, t int64) int64 {
	if f := i.Floor(t); f < t {
		return f + i.Step()
	}
	return t
}
