// Package storetest is what market.Store, audit.Store, auth.KeyStore, bill.Store and jobs.Store promise, as tests that any implementation runs.
package storetest

import (
	"cmp"
	"context"
	"math"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/coingraph/coingraph/audit"
	"github.com/coingraph/coingraph/auth"
	"github.com/coingraph/coingraph/bill"
	"github.com/coingraph/coingraph/jobs"
	"github.com/coingraph/coingraph/market"
)

// Store is what is tested.
type Store interface {
	market.Store
	audit.Store
	auth.KeyStore
	bill.Store
	jobs.Store
	// Fence is the store for the holder of a lease.
	Fence(l jobs.Lease) market.Store
}

// Opener makes a database that is empty and ready, and gives a function that connects to it: called twice, it gives two
// stores that share it as replicas do. Both end with the test.
type Opener func(t *testing.T) (connect func() Store)

// Run tests a kind of store; each test has a database of its own. Instants have to be kept to the millisecond.
func Run(t *testing.T, open Opener) {
	for _, group := range []struct {
		name  string
		tests []test
	}{
		{"Quotes", quoteTests},
		{"Series", seriesTests},
		{"Metrics", metricTests},
		{"Quarantine", quarantineTests},
		{"Catalogue", catalogueTests},
		{"Log", logTests},
		{"Keys", keyTests},
		{"Bill", billTests},
		{"Jobs", jobTests},
	} {
		t.Run(group.name, func(t *testing.T) {
			for _, test := range group.tests {
				t.Run(test.name, func(t *testing.T) {
					t.Parallel()
					test.run(t, open(t))
				})
			}
		})
	}
}

type test struct {
	name string
	run  func(t *testing.T, connect func() Store)
}

// tb is what [testing.T] and rapid.T have in common.
type tb interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// epoch is a day that tests count from.
var epoch = time.Date(2026, 3, 29, 0, 0, 0, 0, time.UTC)

func ms(t time.Time) int64 { return t.UnixMilli() }

// at is so many seconds after the epoch.
func at(seconds int) time.Time { return epoch.Add(time.Duration(seconds) * time.Second) }

// numbers are doubles that get lost where one is not careful.
var numbers = []float64{0, math.Copysign(0, -1), 5e-324, 2.2250738585072011e-308, 1.2e-07, 0.1, 123456789012345.67, 5.2e15, 1 << 53, 1e300, math.MaxFloat64}

var null = math.NaN()

// equal are options that take doubles bit by bit, NaN being null whatever its bits.
func equal() gocmp.Options {
	return gocmp.Options{
		gocmp.Comparer(func(a, b float64) bool {
			return math.Float64bits(a) == math.Float64bits(b) || a != a && b != b
		}),
		cmpopts.EquateEmpty(),
	}
}

func check[T any](t tb, what string, got, want T) {
	t.Helper()
	if diff := gocmp.Diff(want, got, equal()); diff != "" {
		t.Fatalf("%s (-want +got):\n%s", what, diff)
	}
}

func must(t tb, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func sortedQuotes(t tb, s Store, pairs []market.Pair) []market.Quote {
	t.Helper()
	quotes, err := s.Quotes(context.Background(), pairs)
	must(t, err)
	slices.SortFunc(quotes, func(a, b market.Quote) int {
		return cmp.Or(cmp.Compare(a.Asset, b.Asset), cmp.Compare(a.Currency, b.Currency))
	})
	return quotes
}

func history(t tb, s Store, key market.SeriesKey, r market.Range) market.History {
	t.Helper()
	histories, err := s.Histories(context.Background(), []market.Window{{SeriesKey: key, Range: r}})
	must(t, err)
	if len(histories) != 1 {
		t.Fatalf("%d histories of one window", len(histories))
	}
	return histories[0]
}

// canceled is a context that has ended.
func canceled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}
