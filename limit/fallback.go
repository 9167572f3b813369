package limit

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"
)

// Fallback is a [Meter] that counts in Redis and, while Redis cannot, in this replica alone. It never fails with
// fault.StoreUnavailable.
//
// The local budget is what the limit still leaves of the window as this replica last heard it from Redis, less what it allows
// itself. So while Redis is away nobody gets more of one replica than the limit, of R replicas more than R times the limit;
// a single replica that loses Redis in the middle of a window stays exact. Once Redis answers again its counts alone rule, and what
// was spent meanwhile is not added to them.
//
// A Redis that answers but cannot count (read only, out of memory) is asked each time: that costs its round trip.
type Fallback struct {
	redis *Redis
	local *Memory
	log   *slog.Logger

	locals atomic.Uint64 // operations counted locally
	next   atomic.Int64  // when the next line may be logged, in Unix ns
}

// FallbackOptions are the options of [NewFallback].
type FallbackOptions struct {
	// Log is told that limits are counted locally, and why: once a second at most. Default: nobody is told.
	Log *slog.Logger
}

// NewFallback makes a Fallback with the policy of the Redis.
func NewFallback(r *Redis, o FallbackOptions) *Fallback {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Fallback{redis: r, local: NewMemory(r.policy), log: o.Log}
}

// Charge implements [Meter].
func (f *Fallback) Charge(ctx context.Context, subject, tier string, units Units) (Status, error) {
	return f.redis.policy.charge(ctx, f, subject, tier, units)
}

// Peek implements [Meter].
func (f *Fallback) Peek(ctx context.Context, subject, tier string) ([]Limit, error) {
	s, err := f.Charge(ctx, subject, tier, Units{})
	return s.Limits, err
}

// Locals is how many operations were counted locally since the start.
func (f *Fallback) Locals() uint64 { return f.locals.Load() }

func (f *Fallback) count(ctx context.Context, subject string, t *tier, units Units) (tally, error) {
	counted, err := f.redis.count(ctx, subject, t, units)
	switch {
	case err == nil:
		f.local.learn(counted, subject)
		return counted, nil
	case ctx.Err() != nil:
		return tally{}, ctx.Err()
	}
	f.locals.Add(1)
	f.note(ctx, err)
	return f.local.countAt(f.redis.serverTime(f.redis.opts.Now()), subject, t, units), nil
}

// note logs that limits are counted locally: when Redis is away, each request meets that.
func (f *Fallback) note(ctx context.Context, err error) {
	now, next := time.Now().UnixNano(), f.next.Load()
	if now >= next && f.next.CompareAndSwap(next, now+int64(time.Second)) {
		f.log.WarnContext(ctx, "limits are counted by this replica alone", "event", "limit.local", "operations", f.locals.Load(), "error", err)
	}
}
