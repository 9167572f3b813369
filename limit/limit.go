// Package limit counts what callers may ask: so many units of each endpoint in a fixed window of time, by their tier.
//
// [Memory] counts in this process, [Redis] for all replicas together. [Fallback] is Redis, and a budget of each replica's
// own while Redis is away. Each is a [Meter]; the suite in limittest says what that means.
package limit

import (
	"context"
	"time"
)

// Endpoint is a kind of work that has a counter of its own, wherever in GraphQL or REST it is asked for.
type Endpoint uint8

// The endpoints.
const (
	SimplePrice Endpoint = iota
	MarketChart
	OnChainMetric
	LogExport
	endpoints // how many there are
)

var endpointNames = [endpoints]string{"simple_price", "market_chart", "on_chain_metric", "log_export"}

// String is the endpoint's name in configuration, keys and answers.
func (e Endpoint) String() string { return endpointNames[e] }

// Units is the work of one whole operation, by endpoint: Units{SimplePrice: 10, MarketChart: 1}.
type Units [endpoints]int

// Hundreds is the units of so many prices or rows: one for each started block of a hundred.
func Hundreds(n int) int { return (n + 99) / 100 }

// Limit is what a subject may ask of one endpoint in the current window.
type Limit struct {
	Endpoint  Endpoint
	Max       int       // units in a window
	Remaining int       // units of them that are left
	ResetsAt  time.Time // the end of the window, UTC, by the clock of the store
}

// Status is where a subject stands after a charge, whether it was accepted or not.
type Status struct {
	// Limits has one element for each endpoint that the tier has units of, in the order of the endpoints.
	Limits []Limit
	// Least is the one with the least left among those that the operation asked for; among all of them if it asked for
	// none that the tier has. It is the zero Limit for a tier without any.
	Least Limit
	// Reset is how long the window still lasts, by the clock of the store: more than 0, at most its length.
	Reset time.Duration
}

// Meter counts the units that subjects spend.
//
// A window is fixed. Windows start at multiples of their length since 1970-01-01 00:00 UTC, by the clock of the store: in
// Redis that is the server's, so that replicas whose clocks differ still agree. In each window a subject gets exactly its tier's
// limit of each endpoint, however many callers and replicas ask at once, and what one window leaves is lost to the next.
//
// A Meter is safe for concurrent use.
type Meter interface {
	// Charge takes the units of one whole operation from what the window leaves the subject: all of them, or, with an
	// error, none. Units of 0 charge nothing, and are never refused; the status is still that of now. It fails with
	//
	//	fault.RateLimited       an endpoint has too few units left; RetryAfter is what is left of the window
	//	fault.TooComplex        more than the whole limit was asked for: no window will ever have room for it
	//	fault.Forbidden         the tier has no units of an endpoint
	//	fault.StoreUnavailable  the store could not be asked in time; the units may have been charged or not
	//	the context's error     likewise, when it ends meanwhile; an ended one charges nothing
	//
	// The status is valid with the first three. The subject is the id of a key or another name that may be shown, never a secret:
	// 1 to 512 bytes of visible ASCII without braces. Another one, and negative units, are errors of the program.
	Charge(ctx context.Context, subject, tier string, units Units) (Status, error)

	// Peek gives the limits of [Status] and charges nothing. It fails like a Charge of no units.
	Peek(ctx context.Context, subject, tier string) ([]Limit, error)
}
