// Package cache keeps encoded values for a while: in memory, in Redis, or in memory over Redis. [Memory], [Redis] and
// [Tiered] are each a [market.Cache]; the suite in cachetest says what that means.
//
// A cache has no errors. What Redis cannot answer in time is a miss, and a Redis that does not answer at all is left
// alone for a second at a time: see package pipeline, which has the breaker. The first call after that is the probe, and waits
// for its answer.
//
// Only the absence of answers opens the breaker. A server that answers "out of memory" or "read only" to a write is
// still good for reads; so is a cluster that has lost one of its masters, of whose keys alone there are misses.
package cache
