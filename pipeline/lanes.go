package pipeline

import (
	"context"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/redis/go-redis/v9"
)

// Lanes are the ways to a Redis: one server, a Sentinel's master, or a Redis Cluster. The masters of a cluster have a
// [Lane] each, so that one that hangs holds up nobody who wants another. While the cluster is unknown, all take a common one.
type Lanes struct {
	client  redis.UniversalClient
	cluster *redis.ClusterClient // nil: it is none
	timeout time.Duration
	common  *Lane
	known   atomic.Bool // the cluster

	mu        sync.RWMutex
	masters   map[string]*Lane // by address
	recovered []func()
}

// Options are the options of [New].
type Options struct {
	// Timeout bounds what a call may take; a caller's context that ends earlier wins. Default 100 ms.
	Timeout time.Duration
}

const (
	breakerFailures = 3           // so many pipelines without an answer, one after the other, and the server counts as away
	breakerDelay    = time.Second // for so long; then there is a probe
)

// New makes Lanes on the client, which stays the caller's to close. It must heed contexts and send nothing twice on its own what
// says so (NoRetry); on a Cluster, its read timeout must be longer than Timeout. Redis need not be there yet.
func New(client redis.UniversalClient, o Options) *Lanes {
	if o.Timeout <= 0 {
		o.Timeout = 100 * time.Millisecond
	}
	l := &Lanes{client: client, timeout: o.Timeout, masters: map[string]*Lane{}}
	l.cluster, _ = client.(*redis.ClusterClient)
	l.common = l.newLane()
	return l
}

func (l *Lanes) newLane() *Lane {
	return &Lane{lanes: l, breaker: circuitbreaker.NewBuilder[any]().
		WithFailureThreshold(breakerFailures).
		WithSuccessThreshold(1).
		WithDelay(breakerDelay).
		OnClose(func(circuitbreaker.StateChangedEvent) {
			l.mu.RLock()
			defer l.mu.RUnlock()
			for _, f := range l.recovered {
				f()
			}
		}).
		Build()}
}

// OnRecovery has the function called when a server that was away answers again. It must return at once.
func (l *Lanes) OnRecovery(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.recovered = append(l.recovered, f)
}

// Timeout is what a call may take.
func (l *Lanes) Timeout() time.Duration { return l.timeout }

// Clustered tells whether keys may belong to several lanes.
func (l *Lanes) Clustered() bool { return l.cluster != nil }

// For is the way to the server that has the key. It waits only while a cluster is still unknown: for the timeout, or until
// the context ends.
func (l *Lanes) For(ctx context.Context, key string) *Lane {
	if l.cluster == nil || l.common.Away() {
		return l.common
	}
	if !l.known.Load() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, l.timeout)
		defer cancel()
	}
	master, err := l.cluster.MasterForKey(ctx, key)
	if err != nil {
		return l.common
	}
	l.known.Store(true)
	addr := master.Options().Addr
	l.mu.RLock()
	lane := l.masters[addr]
	l.mu.RUnlock()
	if lane != nil {
		return lane
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if lane = l.masters[addr]; lane == nil {
		lane = l.newLane()
		l.masters[addr] = lane
	}
	return lane
}

// Away counts the servers, or the ways to them, that are known to be away now, and how many there are.
func (l *Lanes) Away() (away, all int) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	lanes := slices.Collect(maps.Values(l.masters))
	if len(lanes) == 0 || l.common.Away() {
		lanes = append(lanes, l.common)
	}
	for _, lane := range lanes {
		if lane.Away() {
			away++
		}
	}
	return away, len(lanes)
}
