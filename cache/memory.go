package cache

import (
	"bytes"
	"context"
	"math"
	"strings"
	"time"

	"github.com/maypok86/otter/v2"

	"github.com/coingraph/coingraph/market"
)

// Memory is a [market.Cache] in this process, bounded by bytes. When it is full, the entries go that are the least
// likely to be asked for again (W-TinyLFU). Values are shared with those who set and get them, not copied.
type Memory struct {
	entries *otter.Cache[string, item]
}

// MemoryOptions are the options of [NewMemory].
type MemoryOptions struct {
	// MaxBytes bounds keys, values and an overhead for each entry. An entry that is larger than that is not kept. While
	// others are evicted to make room for new ones, the sum may be higher for a moment. Default 64 MiB.
	MaxBytes int64
}

// MemoryStats are figures for metrics.
type MemoryStats struct {
	Entries int
	Bytes   int64 // as MaxBytes counts them
}

type item struct {
	value []byte
	ttl   time.Duration
}

// entryOverhead is what an entry costs beside its key and value, as TestMemoryCountsWhatItHolds measures it.
const entryOverhead = 160

// NewMemory makes an empty Memory. Close it to stop its clean-up at once; it also stops when nobody uses the Memory any more.
func NewMemory(o MemoryOptions) *Memory {
	if o.MaxBytes <= 0 {
		o.MaxBytes = 64 << 20
	}
	return &Memory{otter.Must(&otter.Options[string, item]{
		MaximumWeight: uint64(o.MaxBytes),
		Weigher: func(key string, it item) uint32 {
			return uint32(min(entryOverhead+len(key)+len(it.value), math.MaxUint32))
		},
		ExpiryCalculator: otter.ExpiryWritingFunc(func(e otter.Entry[string, item]) time.Duration { return e.Value.ttl }),
	})}
}

// Get looks the keys up; see [market.Cache].
func (m *Memory) Get(_ context.Context, keys []string) []market.CacheHit {
	hits := make([]market.CacheHit, len(keys))
	for i, key := range keys {
		if it, ok := m.entries.GetIfPresent(key); ok {
			hits[i] = market.CacheHit{Value: it.value, Near: true}
		}
	}
	return hits
}

// Begin is Get: there is nothing to wait for; see [market.Cache].
func (m *Memory) Begin(ctx context.Context, keys []string) func() []market.CacheHit {
	hits := m.Get(ctx, keys)
	return func() []market.CacheHit { return hits }
}

// Near is Get: all of it is in memory; see [market.Cache].
func (m *Memory) Near(keys []string) []market.CacheHit { return m.Get(context.Background(), keys) }

// Set stores the entries; see [market.Cache].
func (m *Memory) Set(_ context.Context, entries []market.CacheEntry) {
	for _, e := range entries {
		m.put(e, maxTTL)
	}
}

func (m *Memory) put(e market.CacheEntry, longest time.Duration) {
	if e.TTL > 0 {
		m.entries.Set(e.Key, newItem(e.Value, min(e.TTL, longest)))
	}
}

// fill keeps a value that was found elsewhere, unless another one has been set since the look-up: that is newer.
func (m *Memory) fill(key string, value []byte, ttl time.Duration) {
	if ttl > 0 {
		if len(value) < large { // then both are parts of something that belongs to many
			key, value = strings.Clone(key), bytes.Clone(value)
		}
		m.entries.SetIfAbsent(key, newItem(value, ttl))
	}
}

func newItem(value []byte, ttl time.Duration) item {
	if value == nil {
		value = []byte{} // a nil Value would be a miss
	}
	return item{value, min(ttl, maxTTL)}
}

// Stats are the current figures.
func (m *Memory) Stats() MemoryStats {
	return MemoryStats{Entries: m.entries.EstimatedSize(), Bytes: int64(m.entries.WeightedSize())}
}

// Close stops the clean-up in the background. A closed Memory still works, but keeps what has expired until it needs the room.
func (m *Memory) Close() { m.entries.StopAllGoroutines() }
