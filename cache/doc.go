// Package cache keeps encoded values for a while: in memory, in Redis, or in memory over Redis. [Memory], [Redis] and
// [Tiered] are each a [market.Cache]; the suite in cachetest says what that means.
//
// A cache has no errors. What Redis cannot answer in time is a miss, and a Redis that does not answer at all is left
// alone for a second at a time:
//
//	closed ── 5 calls in a row without an answer ──▶ open ── 1 s later ──▶ half open: the next call is the probe
//	   ▲                                              ▲                          │            │
//	   │                                              └── the probe fails ───────┘            │
//	   └──────────────────────── the probe is answered ──────────────────────────────────────┘
//
// Only the absence of answers opens the breaker. A server that answers "out of memory" or "read only" to a write is
// still good for reads; so is a cluster that has lost one of its masters.
package cache
