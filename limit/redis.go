package limit

import (
	"context"
	_ "embed" // for the script
	"log/slog"
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
type Redis struct {
	policy *Policy
	lanes  *pipeline.Lanes
	opts   RedisOptions
	sha    string
	ahead  atomic.Int64 // of the server's clock over this replica's, in ns
	names  names
	spare  sync.Pool // of *call

	operations, roundTrips, faults atomic.Uint64
}

// RedisOptions are the options of [NewRedis].
type RedisOptions struct {
	// Lanes are what the charges take to Redis, where others take them too. Default: lanes of the meter's own.
	Lanes *pipeline.Lanes
	// Timeout bounds what a charge may take on lanes of the meter's own; a caller's context that ends earlier wins. The
	// client must be as package pipeline wants it. Default 100 ms.
	Timeout time.Duration
	// Log is told when Redis answers again. Default: nobody is told.
	Log *slog.Logger
	// Now is this replica's clock. It need not be right. Default time.Now.
	Now func() time.Time
}

// RedisStats are figures for metrics, counted since the start.
type RedisStats struct {
	Operations uint64 // sent to Redis
	RoundTrips uint64 // that they took: fewer, where concurrent ones shared them
	Faults     uint64 // operations that Redis was too late for, refused or could not be sent
	Open       bool   // a server is known to be away now, and charges for it are not sent
}

//go:embed charge.lua
var chargeScript string

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
	return &Redis{policy: p, lanes: o.Lanes, opts: o, sha: redis.NewScript(chargeScript).Hash(), names: newNames()}
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
	return RedisStats{r.operations.Load(), r.roundTrips.Load(), r.faults.Load(), away > 0}
}

func (r *Redis) count(ctx context.Context, subject string, t *tier, units Units) (tally, error) {
	tag := ""
	if r.lanes.Clustered() {
		tag = "{" + subject + "}"
	}
	lane := r.lanes.For(ctx, tag)
	if lane.Away() {
		if lane.Permit() {
			// A probe charges nothing, and is not waited for: the call is counted elsewhere, or refused there.
			c := r.newCall(subject, t, Units{})
			c.Probe()
			lane.Start(&c.Call)
		}
		return tally{}, pipeline.ErrAway
	}
	c := r.newCall(subject, t, units)
	if err := lane.Do(ctx, &c.Call); err != nil {
		return tally{}, err
	}
	counted, err := c.tally, c.err
	r.spare.Put(c)
	return counted, err
}

// now is the server's time, as far as the last answer tells.
func (r *Redis) now() time.Time { return r.opts.Now().Add(time.Duration(r.ahead.Load())) }
