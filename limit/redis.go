package limit

import (
	"context"
	"crypto/rand"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/coingraph/coingraph/pipeline"
)

// Redis is a [Meter] that replicas share: on one server, a Sentinel's master, or a Redis Cluster. The counter of a subject
// and an endpoint is the key
//
//	rate:{<subject>}:<endpoint>:<beginning of the window in Unix s>
//
// which expires with its window. The braces are a cluster's hash tag: all counters of a subject are on one node.
//
// One call of a script reads the server's clock, compares, adds and sets the expiry. A script must be told its keys
// beforehand, though the clock that names them is the server's: so this replica guesses the window from its own clock,
// corrected by the difference that the last answer showed. A wrong guess (the first one of a replica whose clock is wrong, or the edge
// of a window on the way) changes nothing and is answered with the server's time, and the charge is sent again. To build the
// names in the script instead would work on today's Redis, but is against its rules
// (https://redis.io/docs/latest/develop/programmability/eval-intro/#script-parameterization), and a slot that moves to
// another node would split its counters: the cluster looks for the keys that it is told of.
//
// Charges that come while others are on their way share the next round trip, also with what the cache looks up; see
// package pipeline. Whatever was sent is never sent again, unless its answer says that it has changed nothing. A server that
// hung, and now comes to the charges that it was sent meanwhile, leaves them: nobody waits for them any more, they have been
// counted elsewhere.
//
// Of a subject with several charges on their way at once, units are leased: counted in advance, given to operations without a round
// trip, and given back when the lease ends. The hash
//
//	rate:{<subject>}:leases:<beginning of the window in Unix s>
//
// says who holds how many until when. The limit stays exact: nobody is given what Redis has not counted, and nobody is refused
// while units may come back. A replica that dies with a lease takes to the window's end what it had not used of it: an eighth, at most,
// of what was left. What a status says of other replicas is up to a lease old.
type Redis struct {
	policy *Policy
	lanes  *pipeline.Lanes
	opts   RedisOptions
	ahead  atomic.Int64 // of the server's clock over this replica's, in ns
	spare  sync.Pool    // of *call

	accounts accounts
	replica  string // before the number of each lease
	leases   atomic.Uint64

	operations, roundTrips, leased, faults atomic.Uint64
}

// RedisOptions are the options of [NewRedis].
type RedisOptions struct {
	// Lanes are what the charges take to Redis, where others take them too. Default: lanes of the meter's own.
	Lanes *pipeline.Lanes
	// Timeout bounds what a charge may take on lanes of the meter's own; a caller's context that ends earlier wins. The
	// client must be as package pipeline wants it. Default 100 ms.
	Timeout time.Duration
	// Lease is how long units are leased for subjects that ask much at once; see [Redis]. 0: never. At most 1 s.
	Lease time.Duration
	// Log is told when Redis answers again. Default: nobody is told.
	Log *slog.Logger
	// Now is this replica's clock. It need not be right. Default time.Now.
	Now func() time.Time
}

// RedisStats are figures for metrics, counted since the start.
type RedisStats struct {
	Operations uint64 // sent to Redis
	Leased     uint64 // charges that were not, because this replica had leased units for them
	RoundTrips uint64 // that they took: fewer, where concurrent ones shared them
	Faults     uint64 // operations that Redis was too late for, refused or could not be sent
	Open       bool   // a server is known to be away now, and charges for it are not sent
}

// NewRedis makes a Redis on the client, which stays the caller's to close. Redis need not be there yet.
func NewRedis(client redis.UniversalClient, p *Policy, o RedisOptions) *Redis {
	if o.Lanes == nil {
		o.Lanes = pipeline.New(client, pipeline.Options{Timeout: o.Timeout})
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	o.Lanes.OnRecovery(func() { o.Log.Info("redis answers again: limits are shared", "event", "limit.recovered") })
	r := &Redis{policy: p, lanes: o.Lanes, opts: o, replica: rand.Text()[:8] + "-"}
	r.accounts = newAccounts(r)
	return r
}

// Charge implements [Meter].
func (r *Redis) Charge(ctx context.Context, subject, tier string, units Units) (Status, error) {
	return r.policy.charge(ctx, r, subject, tier, units)
}

// Peek implements [Meter].
func (r *Redis) Peek(ctx context.Context, subject, tier string) ([]Limit, error) {
	s, err := r.Charge(ctx, subject, tier, Units{})
	return s.Limits, err
}

// Stats are the current figures.
func (r *Redis) Stats() RedisStats {
	away, _ := r.lanes.Away()
	return RedisStats{r.operations.Load(), r.leased.Load(), r.roundTrips.Load(), r.faults.Load(), away > 0}
}

// Close gives back what is leased, as long as the context lasts: before the end of a replica, when nothing charges any more.
func (r *Redis) Close(ctx context.Context) {
	all := r.accounts.all()
	for _, a := range all {
		a.end()
	}
	for _, a := range all {
		for a.leases() && ctx.Err() == nil {
			pause(ctx, askAgain)
		}
	}
}

// askAgain is how soon a charge that is held asks again, then twice as late each time up to the most.
const askAgain, askAgainMost = 5 * time.Millisecond, 40 * time.Millisecond

func (r *Redis) count(ctx context.Context, subject string, t *tier, units Units) (tally, error) {
	for wait := askAgain; ; wait = min(2*wait, askAgainMost) {
		now := r.opts.Now()
		a := r.accounts.at(subject, t, r.start(now))
		counted, ok, renew := a.take(now, units)
		if renew != nil {
			renew.send()
		}
		if ok {
			r.leased.Add(1)
			return counted, nil
		}
		got, err := r.charge(ctx, a, units)
		a.settled(ctx)
		counted = a.back(got, err)
		if err != nil || got.outcome != held {
			return counted, err
		}
		a.end() // perhaps it is this replica that has what is wanted
		if pause(ctx, wait); ctx.Err() != nil {
			return tally{}, ctx.Err()
		}
	}
}

// charge has Redis charge the operation.
func (r *Redis) charge(ctx context.Context, a *account, units Units) (answer, error) {
	lane := r.lane(ctx, a.subject)
	if lane.Away() {
		if lane.Permit() {
			// A probe charges nothing, and is not waited for: the call is counted elsewhere, or refused there.
			c := r.newCall(a, Units{})
			c.Probe()
			lane.Start(&c.Call)
		}
		return answer{}, pipeline.ErrAway
	}
	c := r.newCall(a, units)
	if err := lane.Do(ctx, &c.Call); err != nil {
		return answer{}, err
	}
	got, err := c.answer, c.err
	r.spare.Put(c)
	return got, err
}

// lane is the way to the subject's counters.
func (r *Redis) lane(ctx context.Context, subject string) *pipeline.Lane {
	tag := ""
	if r.lanes.Clustered() {
		tag = "{" + subject + "}"
	}
	return r.lanes.For(ctx, tag)
}

// sends counts what goes with the pipeline.
func (r *Redis) sends(t *pipeline.Trip, first bool) {
	if t.First(r) {
		r.roundTrips.Add(1)
	}
	if first {
		r.operations.Add(1)
	}
}

// until is when nobody waits for the pipeline any more, in µs, by the server's clock.
func (r *Redis) until(t *pipeline.Trip, now time.Time) int64 {
	return r.serverTime(now).Add(t.Until.Sub(t.Sent)).UnixMicro()
}

// start is when the window of this replica's time began, in Unix s.
func (r *Redis) start(now time.Time) int64 { return r.policy.start(r.serverTime(now)) }

// serverTime is the server's time, as far as the last answer tells, when this replica's clock shows the other.
func (r *Redis) serverTime(now time.Time) time.Time { return now.Add(time.Duration(r.ahead.Load())) }

// overdue is how much longer than itself those who are held wait for a lease: as long as its end may be on its way.
func (r *Redis) overdue() time.Duration { return max(r.lanes.Timeout(), overdueAfter) }

// newLeaseID is an id that no other lease of any replica has.
func (r *Redis) newLeaseID() string { return r.replica + strconv.FormatUint(r.leases.Add(1), 36) }

// pause waits, at most until the context ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
