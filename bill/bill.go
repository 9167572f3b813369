// Package bill is the memory of what calls to data vendors were spent on: each call is booked with its provider, its key
// of the pool, its lane, its operation, its asset and the consumer who caused it. Admins ask what was spent, and quotas
// whose counts were lost are rebuilt from it.
//
// Calls that have all of that in common are one line for each minute, so that the bill grows with the variety of what
// is asked, and not with the traffic. Lines are kept for 90 days.
package bill

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/coingraph/coingraph/limit/quota"
)

// retention is how long lines are kept: longer than the longest window that a quota usually has.
const retention = 90 * 24 * time.Hour

// Call is a call that was made.
type Call struct {
	At        time.Time // when it was over
	Provider  string
	Key       string // the id of the provider's key, see [quota.KeyID]
	Lane      quota.Lane
	Operation string // the endpoint's pattern
	Asset     string // "": several at once, or none
	Caller    string // who caused it: the id of an API key or a token's subject; "": nobody outside
	Failed    bool
}

// Line is the calls of one minute that have all else in common.
type Line struct {
	Minute    time.Time // its beginning, UTC
	Provider  string
	Key       string
	Lane      string
	Operation string
	Asset     string
	Caller    string
	Calls     int // that were made, the failed ones among them
	Failed    int
}

// By is what the bill is split by.
type By string

// The ways to split the bill.
const (
	ByKey       By = "KEY" // the consumer's
	ByOperation By = "OPERATION"
	ByAsset     By = "ASSET"
	ByLane      By = "LANE"
)

// Row is a part of the bill.
type Row struct {
	Name   *string // nil: nobody's, or nothing in particular
	Calls  int
	Failed int
}

// Store keeps the bill. Its methods fail with fault.StoreUnavailable or the context's error.
type Store interface {
	// Book adds the lines' calls to those of the same lines that are stored, all or none. A line may occur several times.
	// Texts keep what a database can hold of them.
	Book(ctx context.Context, lines []Line) error
	// Spend is the provider's bill from the minute of an instant on, split; what was spent most on is first, and of equals
	// the one whose name comes first. Limit is how many rows there are at most.
	Spend(ctx context.Context, provider string, by By, since time.Time, limit int) ([]Row, error)
	// Calls are the provider's calls from the minute of an instant on, in a line for each key and minute, of which nothing
	// else is given, in any order.
	Calls(ctx context.Context, provider string, since time.Time) ([]Line, error)
	// PruneBill deletes the lines of minutes before an instant and tells how many.
	PruneBill(ctx context.Context, before time.Time) (int, error)
}

// MarshalGQL writes the GraphQL enum value.
func (b By) MarshalGQL(w io.Writer) { _, _ = io.WriteString(w, strconv.Quote(string(b))) }

// UnmarshalGQL reads the GraphQL enum value.
func (b *By) UnmarshalGQL(v any) error {
	s, _ := v.(string)
	switch *b = By(s); *b {
	case ByKey, ByOperation, ByAsset, ByLane:
		return nil
	}
	return fmt.Errorf("a bill is split by KEY, OPERATION, ASSET or LANE")
}
