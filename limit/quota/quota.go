// Package quota keeps what may be asked of data vendors: so many calls in each window of time for each API key, what a
// vendor said of a key (a pause after a 429, a refusal), and whether the vendor is there at all. All replicas keep it
// together: in Redis, or without Redis in the database. The suite in quotatest says what that means.
//
// # Windows
//
// Windows slide. A window is cut into 120 buckets, and a call counts until its whole bucket has left the window: so no
// window of that length, wherever it begins, ever has more calls than the limit, and a call comes back at most a 120th
// of the window late. Time is the store's, so that replicas whose clocks differ agree. A call is counted before it is
// made, and each retry is a call.
//
// # Lanes
//
// Work that nobody waits for leaves a reserve to work that somebody does. A call in a lane is let through while the
// window's count, whoever spent it, stays below the lane's part of the limit: interactive all of it, refresh 80 %,
// backfill 50 %. One call is let through in any case when the window is empty. After a pause the lanes come back in the
// same order, a second apart.
//
// # The pool
//
// Of a vendor's keys that are neither paused nor refused, the one with the largest part of its limits left is taken. A
// pause and a refusal are a key's own. A refused key is tried again by one call each Probe when the whole pool is
// refused, and by one each 60 Probes while others work.
//
// # The breaker
//
// Ten failures of the vendor in a row, whichever replicas met them, or a block page shut it for all keys; then one call
// each Probe, of all replicas together, is let through, and one that is answered opens it:
//
//	closed ── 10 failures in a row, or a block page ──▶ open ── Probe later ──▶ half open: one call
//	   ▲                                                 ▲                        │         │
//	   │                                                 └──── it failed, too ────┘         │
//	   └───────────────────────────── it was answered ──────────────────────────────────────┘
//
// A call that was let through owes nothing: a probe that never comes back costs no more than the wait for the next.
//
// # When the store is away, or has forgotten
//
// Then a replica has a budget of its own: a tenth of each limit, and never more than what was left when it last heard.
// What it spends is told to the store when that is back. Counts that a store does not have (a Redis that was restarted
// empty, a new length of a window, a move from the database to Redis) are rebuilt from the bill, so the month does not
// begin anew; without the bill nothing is known, and the replica lives on its own budget.
package quota

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"time"

	"github.com/coingraph/coingraph/fault"
)

// Lane is who waits for a call.
type Lane uint8

// The lanes, from the one that may spend most.
const (
	Interactive Lane = iota // a client is waiting
	Refresh                 // what is held is renewed
	Backfill                // history is filled
	lanes                   // how many there are
)

var laneNames = [lanes]string{"interactive", "refresh", "backfill"}

// shares are what the lanes may fill a window to, in percent.
var shares = [lanes]int{100, 80, 50}

// String is the lane's name in the bill and in logs.
func (l Lane) String() string { return laneNames[l] }

// headstart is how much later each lane comes back after a pause than the one above.
const headstart = time.Second

// Rate is a limit: at most Max calls in each window of the length Per.
type Rate struct {
	Max int           // 1 or more
	Per time.Duration // whole seconds
}

// inLane is what a lane may fill the window to.
func (r Rate) inLane(l Lane) int { return max(1, int(int64(r.Max)*int64(shares[l])/100)) }

// slices is how many buckets a window has.
const slices = 120

// bucket is the length of a bucket in ms.
func (r Rate) bucket() int64 { return max(1, (r.Per.Milliseconds()+slices-1)/slices) }

// Pool is a provider's API keys and what each may spend. It never changes.
type Pool struct {
	Provider string        // a short name of letters, digits and -
	Keys     []string      // the ids of the keys, see [KeyID]; one at least
	Rates    []Rate        // of each key; none: no limit
	Probe    time.Duration // between two calls to what is shut
}

// KeyID names a key of a pool in stores, logs and the bill: "keyless" for none, otherwise the beginning of its SHA-256.
func KeyID(key string) string {
	if key == "" {
		return "keyless"
	}
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:4])
}

// Grant allows one call.
type Grant struct {
	Key int       // which of the pool's keys to send
	At  time.Time // when it was counted, by the store's clock

	turn, keyTurn int64 // of the gates that it was let through
	clean         bool  // that it is answered is no news
	local         bool  // from the replica's own budget
}

// Change is what a report did.
type Change uint8

// The changes.
const (
	Unchanged Change = iota
	Opened           // what was shut answers again
	Paused           // the key rests until the vendor's pause is over
	Shut             // the vendor is shut for all
	Refused          // the key is shut
)

// Status is where a provider stands.
type Status struct {
	Provider string
	At       time.Time // by the store's clock
	Breaker  Gate
	Failures int // in a row
	Keys     []KeyStatus
}

// Gate is whether calls are let through.
type Gate struct {
	Shut  bool
	Why   fault.Kind // what shut it
	Since time.Time  // when it shut
	Until time.Time  // when the next call may go through
}

// Waiting tells whether no call is let through at an instant; shut and not waiting, the next one is a probe.
func (g Gate) Waiting(at time.Time) bool { return g.Shut && at.Before(g.Until) }

// KeyStatus is where a key of the pool stands.
type KeyStatus struct {
	ID      string
	Gate    Gate // paused, or refused
	Windows []Window
}

// Window is what a key spent in a window that ends now.
type Window struct {
	Rate
	Used     int
	ResetsAt time.Time // when all that is counted will have slid out; the status' own time when nothing is
}

// Spent is calls that were made.
type Spent struct {
	Key   string // its id
	At    time.Time
	Calls int
}

// Keeper is a store of the counts and gates of providers. Each Do is atomic, and counts by the store's clock. It fails
// when the store could not be asked in time; what was asked may have been done or not.
type Keeper interface {
	Do(ctx context.Context, p *Pool, r Request) (Answer, error)
}

// Request is what a [Keeper] is asked: to take a call, to note what became of one, or only to look.
type Request struct {
	Take   bool
	Lane   Lane // of the call to take
	Report *Report

	// Debts are calls that were counted nowhere yet.
	Debts []Spent
	// Seed, when Seeded, is what was spent as far as the bill knows. It is for the windows that the keeper has no counts
	// of, and for no others.
	Seeded bool
	Seed   []Spent
}

// Answer is what a [Keeper] answers.
type Answer struct {
	// Lost: counts of a window are not there, and there was no seed. Nothing was done, and nothing else is said.
	Lost bool

	Grant   Grant    // valid if Refusal is nil, of a Request with Take
	Refusal *Refusal // why no call may be made
	Change  Change   // of a Report
	Status  Status   // after what was done
}

// Refusal is why no call may be made now.
type Refusal struct {
	Kind fault.Kind    // what shut the gate, or fault.QuotaExhausted
	Wait time.Duration // until a call may be made, if nobody else makes one
}

// Report is what became of a call.
type Report struct {
	Grant Grant
	end   end
	why   fault.Kind
	wait  time.Duration // that the vendor asks for
}

// end is how a call ended, as far as gates go.
type end uint8

const (
	answered   end = iota // if only with a refusal of what was asked
	failed                // an outage, or nonsense
	limited               // a 429
	keyRefused            // the key or its host
	blocked               // our address
)

func endOf(f *fault.Error) end {
	if f == nil {
		return answered
	}
	switch f.Kind {
	case fault.UpstreamUnavailable, fault.UpstreamTimeout, fault.UpstreamNonsense:
		return failed
	case fault.UpstreamRateLimited:
		return limited
	case fault.UpstreamKey, fault.UpstreamHost:
		return keyRefused
	case fault.UpstreamBlocked:
		return blocked
	default:
		return answered
	}
}

// ReportOf is the report of a call that ended with a fault, or well with nil.
func ReportOf(g Grant, f *fault.Error) Report {
	r := Report{Grant: g, end: endOf(f)}
	if f != nil {
		r.why, r.wait = f.Kind, f.RetryAfter
	}
	return r
}
