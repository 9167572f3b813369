package cache

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/redis/go-redis/v9"

	"github.com/coingraph/coingraph/market"
)

// Redis is a [market.Cache] that replicas share: one server, a Sentinel's master, or a Redis Cluster. Each call is one
// pipeline, which a Cluster needs too: MGET over several slots fails there.
type Redis struct {
	client  redis.UniversalClient
	timeout time.Duration
	breaker circuitbreaker.CircuitBreaker[any]
	faults  faultLog
	tally   tally
}

// RedisOptions are the options of [NewRedis].
type RedisOptions struct {
	// Timeout bounds one Get or Set; a caller's context that ends earlier wins. The client must heed contexts, as those
	// of [Open] do. Default 100 ms.
	Timeout time.Duration
	// Log is told of faults, once a second at most. It must be set.
	Log *slog.Logger
}

// RedisStats are figures for metrics, counted since the start.
type RedisStats struct {
	Hits, Misses uint64 // keys
	Faults       uint64 // calls and values with something wrong
	Skipped      uint64 // calls not made because Redis is known to be away
	Open         bool   // Redis is known to be away now
}

type tally struct{ hits, misses, skipped atomic.Uint64 }

const (
	breakerFailures = 5           // so many calls without an answer, one after the other, and Redis counts as away
	breakerDelay    = time.Second // for so long; then the next call is the probe
)

// NewRedis makes a Redis on the client, which stays the caller's to close. Redis need not be there yet.
func NewRedis(client redis.UniversalClient, o RedisOptions) *Redis {
	if o.Timeout <= 0 {
		o.Timeout = 100 * time.Millisecond
	}
	r := &Redis{client: client, timeout: o.Timeout, faults: faultLog{log: o.Log}}
	r.breaker = circuitbreaker.NewBuilder[any]().
		WithFailureThreshold(breakerFailures).
		WithSuccessThreshold(1).
		WithDelay(breakerDelay).
		OnClose(func(circuitbreaker.StateChangedEvent) {
			o.Log.Info("redis answers again", "event", "cache.recovered")
		}).
		Build()
	return r
}

// Get looks the keys up; see [market.Cache]. When only some commands of the pipeline were answered, those are hits.
func (r *Redis) Get(ctx context.Context, keys []string) []market.CacheHit {
	hits := make([]market.CacheHit, len(keys))
	r.lookup(ctx, keys, func(i int, value []byte, _ time.Duration) { hits[i].Value = value })
	return hits
}

// lookup calls found with the index of each key that Redis has, its value, and what is left of its time to live.
func (r *Redis) lookup(ctx context.Context, keys []string, found func(i int, value []byte, left time.Duration)) {
	if len(keys) == 0 {
		return
	}
	cmds := r.pipelined(ctx, func(p redis.Pipeliner) {
		for _, key := range keys {
			p.Get(ctx, key)
		}
	})
	now, hits := time.Now(), 0
	for i, cmd := range cmds {
		// A command may hold both a value and an error: a Cluster client that runs out of time while it retries one node
		// marks all commands as failed, those too that the other nodes have answered. The envelope tells.
		sealed, err := cmd.(*redis.StringCmd).Bytes()
		if len(sealed) == 0 && err != nil {
			continue
		}
		value, expires, ok := unseal(sealed)
		if !ok {
			r.faults.note(ctx, fmt.Errorf("the value of key %q is not one that a cache wrote", keys[i]))
			continue
		}
		if left := expires.Sub(now); left > 0 {
			hits++
			found(i, value, left)
		}
	}
	r.tally.hits.Add(uint64(hits))
	r.tally.misses.Add(uint64(len(keys) - hits))
}

// Near is no hit at all: nothing of Redis is in this process; see [market.Cache].
func (r *Redis) Near(keys []string) []market.CacheHit { return make([]market.CacheHit, len(keys)) }

// Set stores the entries; see [market.Cache]. Redis counts in milliseconds: a shorter TTL is none.
func (r *Redis) Set(ctx context.Context, entries []market.CacheEntry) {
	kept := 0
	for _, e := range entries {
		if e.TTL >= time.Millisecond {
			kept++
		}
	}
	if kept == 0 {
		return
	}
	r.pipelined(ctx, func(p redis.Pipeliner) {
		now := time.Now()
		for _, e := range entries {
			if e.TTL >= time.Millisecond {
				ttl := min(e.TTL, maxTTL).Truncate(time.Millisecond)
				p.Set(ctx, e.Key, seal(e.Value, now.Add(ttl)), ttl)
			}
		}
	})
}

// pipelined sends the commands in one pipeline and gives them back with their answers, unless Redis is known to be away.
func (r *Redis) pipelined(ctx context.Context, fill func(redis.Pipeliner)) []redis.Cmder {
	if over(ctx) {
		return nil
	}
	if !r.breaker.TryAcquirePermit() {
		r.tally.skipped.Add(1)
		return nil
	}
	timed, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	pipe := r.client.Pipeline()
	fill(pipe)
	cmds, _ := pipe.Exec(timed) // the error is that of the first command that failed; judge looks at all

	answered, err := judge(cmds)
	hurried := over(ctx) // then the lack of an answer says nothing of Redis
	switch {
	case answered:
		r.breaker.RecordSuccess()
	case !hurried || r.breaker.IsHalfOpen(): // a probe's permit must be given back, whatever came of it
		r.breaker.RecordFailure()
	}
	if err != nil && !hurried {
		r.faults.note(ctx, err)
	}
	return cmds
}

// over tells whether the context has ended. It looks at the deadline too: that of a connection, which is the same, may
// be noticed a moment before.
func over(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	return ctx.Err() != nil || ok && !time.Now().Before(deadline)
}

// judge tells whether the server answered any of the commands, and the first fault among them. A server that answers
// that it can answer nothing has not answered.
func judge(cmds []redis.Cmder) (answered bool, fault error) {
	for _, cmd := range cmds {
		err := cmd.Err()
		if err == nil || errors.Is(err, redis.Nil) {
			answered = true
			continue
		}
		var reply redis.Error
		if errors.As(err, &reply) && !redis.IsLoadingError(err) && !redis.IsAuthError(err) && !redis.IsClusterDownError(err) &&
			!redis.IsMasterDownError(err) && !redis.IsMaxClientsError(err) {
			answered = true
		}
		if fault == nil {
			fault = err
		}
	}
	return answered, fault
}

// Ping asks the server for an answer, each master of a Cluster. It is for readiness, and neither heeds nor moves the
// breaker. It takes as long as the context and the client's timeouts allow.
func (r *Redis) Ping(ctx context.Context) error {
	var err error
	if cluster, ok := r.client.(*redis.ClusterClient); ok {
		err = cluster.ForEachMaster(ctx, func(ctx context.Context, master *redis.Client) error { return master.Ping(ctx).Err() })
	} else {
		err = r.client.Ping(ctx).Err()
	}
	if err != nil {
		return fmt.Errorf("cache: redis does not answer: %w", err)
	}
	return nil
}

// Stats are the current figures.
func (r *Redis) Stats() RedisStats {
	return RedisStats{
		Hits: r.tally.hits.Load(), Misses: r.tally.misses.Load(), Skipped: r.tally.skipped.Load(),
		Faults: r.faults.total.Load(), Open: !r.breaker.IsClosed(),
	}
}
