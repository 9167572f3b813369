package jobs

import (
	"context"
	"errors"
	"time"

	"github.com/coingraph/coingraph/market"
)

// Lease is the right of a holder to work under a name.
type Lease struct {
	Name   string
	Epoch  int64 // counts up with each acquisition
	Holder string
}

var (
	// ErrFenced says that a lease has ended, or has another holder: what was to be written was not.
	ErrFenced = errors.New("the lease is lost")
	// ErrKeyTaken says that an idempotency key was used for something else.
	ErrKeyTaken = errors.New("the idempotency key was used with other arguments")
)

// Store keeps leases, runs and what clients asked for. It fails with fault.StoreUnavailable, or with the context's error.
// Times of leases and runs are by the database's clock.
type Store interface {
	// AcquireLease takes a lease that is free or expired, for so long; false: somebody has it. A holder does not get its own
	// lease again before it expires.
	AcquireLease(ctx context.Context, name, holder string, lasts time.Duration) (Lease, bool, error)
	// RenewLease has a lease last so long from now on. It fails with ErrFenced once somebody else has taken it or it was
	// released; an expired lease that nobody took is good again.
	RenewLease(ctx context.Context, l Lease, lasts time.Duration) error
	// ReleaseLease ends a lease. One that is lost already is no error.
	ReleaseLease(ctx context.Context, l Lease) error

	// SubmitRun adds a run, queued, and gives it; or, and then false, the one that it is the same as: one with the same key,
	// or, without a key, one of the same kind and arguments that is not finished. A scheduled run is not added, and the
	// zero Run given, if one was scheduled for that instant or a later one. It fails with ErrKeyTaken where the key is that
	// of a run of another kind or with other arguments.
	SubmitRun(ctx context.Context, r Run) (run Run, added bool, err error)
	// BeginRun gives the oldest run of a kind that is not finished to the holder of a lease: it is running then, and has one
	// more attempt. False: there is none. It fails with ErrFenced.
	BeginRun(ctx context.Context, l Lease, kind Kind) (Run, bool, error)
	// SaveRun stores a run's state, arguments and progress, and tells whether its cancellation was requested. It fails with
	// ErrFenced.
	SaveRun(ctx context.Context, l Lease, r Run) (cancelRequested bool, err error)
	// CancelRun requests the cancellation of a run that is not finished; a queued one is cancelled at once. False: there is
	// no such run.
	CancelRun(ctx context.Context, number int64) (Run, bool, error)
	// Run is a run; false: there is no such one.
	Run(ctx context.Context, number int64) (Run, bool, error)
	// Runs are the newest runs before a number (0: all), the newest first.
	Runs(ctx context.Context, before int64, limit int) ([]Run, error)
	// CountRuns is how many runs there are.
	CountRuns(ctx context.Context) (int, error)
	// HasWork tells whether a run of the kind is not finished.
	HasWork(ctx context.Context, kind Kind) (bool, error)
	// PruneRuns deletes runs that finished before an instant.
	PruneRuns(ctx context.Context, before time.Time) error

	// StoredSeries are the series of which anything is stored.
	StoredSeries(ctx context.Context) ([]market.SeriesKey, error)

	// ScheduledSince is the instant given at the first call with the name, whoever made it.
	ScheduledSince(ctx context.Context, name string, now time.Time) (time.Time, error)

	// AddDemand adds to what was asked for on a day (UTC). Of what is new on a day that has very much already, nothing is
	// kept.
	AddDemand(ctx context.Context, day time.Time, asked []market.Demand) error
	// Demand is what was asked for since a day, summed up, the most asked for first.
	Demand(ctx context.Context, since time.Time, limit int) ([]market.Demand, error)
	// PruneDemand deletes what was asked for before a day.
	PruneDemand(ctx context.Context, before time.Time) error
}
