package limit

import (
	"context"
	_ "embed" // for the script
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
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
// Charges that come while others are on their way share the next round trip; see lane. Whatever was sent is never sent
// again, unless its answer says that it has changed nothing. A server that hung, and now comes to the charges that it was
// sent meanwhile, leaves them: nobody waits for them any more, they have been counted elsewhere.
type Redis struct {
	policy *Policy
	client redis.UniversalClient
	opts   RedisOptions
	script *redis.Script
	ahead  atomic.Int64 // of the server's clock over this replica's, in ns

	common *lane
	lanes  sync.Map // on a cluster: of each master's address, its *lane

	operations, roundTrips, faults atomic.Uint64
}

// RedisOptions are the options of [NewRedis].
type RedisOptions struct {
	// Timeout bounds what a charge may take, once it is this charge's turn; a caller's context that ends earlier wins. The
	// client must heed contexts and send nothing twice on its own; on a Cluster, its read timeout must be longer. Default 100 ms.
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
	if o.Timeout <= 0 {
		o.Timeout = 100 * time.Millisecond
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	r := &Redis{policy: p, client: client, opts: o, script: redis.NewScript(chargeScript)}
	r.common = newLane(r)
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
	s := RedisStats{r.operations.Load(), r.roundTrips.Load(), r.faults.Load(), !r.common.breaker.IsClosed()}
	r.lanes.Range(func(_, l any) bool {
		s.Open = s.Open || !l.(*lane).breaker.IsClosed()
		return !s.Open
	})
	return s
}

func (r *Redis) count(ctx context.Context, subject string, t *tier, units Units) (tally, error) {
	c := &call{subject: subject, tier: t, units: units, done: make(chan struct{})}
	if err := r.lane(ctx, subject).do(ctx, c); err != nil {
		return tally{}, err
	}
	return c.tally, nil
}

// now is the server's time, as far as the last answer tells.
func (r *Redis) now() time.Time { return r.opts.Now().Add(time.Duration(r.ahead.Load())) }

// lane is the way to the server that has the subject's counters. The masters of a cluster have one each, so that one that
// hangs holds up nobody else's charges. While the cluster is unknown, all take the common one.
func (r *Redis) lane(ctx context.Context, subject string) *lane {
	cluster, ok := r.client.(*redis.ClusterClient)
	if !ok || !r.common.breaker.IsClosed() {
		return r.common
	}
	ctx, cancel := context.WithTimeout(ctx, r.opts.Timeout)
	defer cancel()
	master, err := cluster.MasterForKey(ctx, "{"+subject+"}")
	if err != nil {
		return r.common
	}
	addr := master.Options().Addr
	l, ok := r.lanes.Load(addr)
	if !ok {
		l, _ = r.lanes.LoadOrStore(addr, newLane(r))
	}
	return l.(*lane)
}

// once is a command that the client must not send again on its own when an answer fails to come.
type once struct{ *redis.Cmd }

// NoRetry implements [redis.Cmder].
func (once) NoRetry() bool { return true }

// command is the script's call for a charge that is sent and waited for until the times given, by this replica's clock; with
// the script's whole text when the server does not have it yet.
func (r *Redis) command(ctx context.Context, c *call, sent, until time.Time, whole bool) once {
	ahead := time.Duration(r.ahead.Load())
	start := r.policy.start(sent.Add(ahead))
	name, script := "evalsha", r.script.Hash()
	if whole {
		name, script = "eval", chargeScript
	}
	n, tag, suffix := len(c.tier.endpoints), "rate:{"+c.subject+"}:", ":"+strconv.FormatInt(start, 10)
	args := make([]any, 0, 6+3*n)
	args = append(args, name, script, n)
	for _, e := range c.tier.endpoints {
		args = append(args, tag+e.String()+suffix)
	}
	args = append(args, r.policy.window, start, until.Add(ahead).UnixMicro())
	for i, e := range c.tier.endpoints {
		args = append(args, c.tier.maxArgs[i], c.units[e])
	}
	return once{redis.NewCmd(ctx, args...)}
}

// read takes the script's answer; not current when the server's time is not the one that the command was for.
func (c *call) read(answer []any) (current bool, err error) {
	numbers := make([]int64, len(answer))
	for i, v := range answer {
		n, ok := v.(int64)
		if !ok {
			return false, fmt.Errorf("the script answered a %T", v)
		}
		numbers[i] = n
	}
	switch {
	case len(numbers) == 2 && numbers[0] == otherTime:
	case len(numbers) != 2+len(c.tier.endpoints):
		return false, fmt.Errorf("the script answered %d numbers", len(numbers))
	default:
		current = true
	}
	c.tally = tally{charged: numbers[0] == charged, now: time.UnixMicro(numbers[1])}
	for i, n := range numbers[2:] {
		c.tally.counts[c.tier.endpoints[i]] = int(n)
	}
	return current, nil
}

// What the script answers first, beside 0 for refused.
const (
	charged   = 1
	otherTime = -1
)
