package cache

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/coingraph/coingraph/market"
	"github.com/coingraph/coingraph/pipeline"
)

// Redis is a [market.Cache] that replicas share: one server, a Sentinel's master, or a Redis Cluster. Calls at the same
// time share pipelines, also with the meter; see package pipeline.
type Redis struct {
	client redis.UniversalClient
	lanes  *pipeline.Lanes
	faults faultLog
	tally  tally
	spare  sync.Pool // of *lookup
}

// RedisOptions are the options of [NewRedis].
type RedisOptions struct {
	// Lanes are what the calls take to Redis, where others take them too. Default: lanes of the cache's own.
	Lanes *pipeline.Lanes
	// Timeout bounds one Get or Set on lanes of the cache's own; a caller's context that ends earlier wins. The client must
	// be as package pipeline wants it; those of [Open] are. Default 100 ms.
	Timeout time.Duration
	// Log is told of faults, once a second at most. It must be set.
	Log *slog.Logger
}

// RedisStats are figures for metrics, counted since the start.
type RedisStats struct {
	Hits, Misses uint64 // keys
	Faults       uint64 // calls and values with something wrong
	Skipped      uint64 // calls not made because Redis is known to be away
	Open         bool   // Redis is known to be away now: of a Cluster, all of it
}

type tally struct{ hits, misses, skipped atomic.Uint64 }

// NewRedis makes a Redis on the client, which stays the caller's to close. Redis need not be there yet.
func NewRedis(client redis.UniversalClient, o RedisOptions) *Redis {
	if o.Lanes == nil {
		o.Lanes = pipeline.New(client, pipeline.Options{Timeout: o.Timeout})
	}
	o.Lanes.OnRecovery(func() { o.Log.Info("redis answers again", "event", "cache.recovered") })
	return &Redis{client: client, lanes: o.Lanes, faults: faultLog{log: o.Log}}
}

// Get looks the keys up; see [market.Cache]. What came before an answer was cut are hits.
func (r *Redis) Get(ctx context.Context, keys []string) []market.CacheHit {
	hits := make([]market.CacheHit, len(keys))
	r.lookup(ctx, keys).finish(ctx, func(i int, value []byte, _ time.Duration) { hits[i].Value = value })
	return hits
}

// Begin starts a look-up that rides with what is sent next; see [market.Cache].
func (r *Redis) Begin(ctx context.Context, keys []string) func() []market.CacheHit {
	l := r.lookup(ctx, keys)
	l.park(ctx)
	return func() []market.CacheHit {
		hits := make([]market.CacheHit, len(keys))
		l.finish(ctx, func(i int, value []byte, _ time.Duration) { hits[i].Value = value })
		return hits
	}
}

// Near is no hit at all: nothing of Redis is in this process; see [market.Cache].
func (r *Redis) Near(keys []string) []market.CacheHit { return make([]market.CacheHit, len(keys)) }

// Set stores the entries; see [market.Cache]. Redis counts in milliseconds: a shorter TTL is none.
func (r *Redis) Set(ctx context.Context, entries []market.CacheEntry) {
	var keys []string
	var cmds []redis.Cmder
	now, bytes := time.Now(), 0
	for _, e := range entries {
		if e.TTL >= time.Millisecond {
			ttl := min(e.TTL, maxTTL).Truncate(time.Millisecond)
			keys = append(keys, e.Key)
			cmds = append(cmds, redis.NewStatusCmd(ctx, "set", e.Key, seal(e.Value, now.Add(ttl)), "px", ttl.Milliseconds()))
			bytes += len(e.Value)
		}
	}
	_ = r.do(ctx, keys, cmds, bytes) // faults are noted
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
	away, all := r.lanes.Away()
	return RedisStats{
		Hits: r.tally.hits.Load(), Misses: r.tally.misses.Load(), Skipped: r.tally.skipped.Load(),
		Faults: r.faults.total.Load(), Open: away == all,
	}
}
