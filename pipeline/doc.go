// Package pipeline has concurrent callers share round trips to Redis: what the meter charges and what the cache looks up
// goes out together.
//
// A [Lane] is the way to one server. Alone, a call waits for nobody: it is sent at once, on its caller's goroutine. What
// comes while a pipeline is under way waits, and goes out together in the next one (group commit): the more come at once, the fewer
// round trips and writes each costs. The client library's own autopipelining is experimental, and sends again what may
// have been done.
//
// Nobody waits for long behind somebody else. One pipeline at a time is the rule, but there are up to three where the last has been
// under way for a millisecond or where more waits than one takes; and a call that is large goes alone.
//
// A call that may be wanted soon can be parked: it rides with the next call that is sent, whoever sends that, and is sent on its
// own at the latest when it is waited for. Nobody needs to wait for it.
//
// A server that does not answer is left alone for a second at a time:
//
//	closed ── 3 pipelines in a row without an answer ──▶ open ── 1 s later ──▶ half open: one call is the probe
//	   ▲                                                  ▲                      │            │
//	   │                                                  └── no answer to it ───┘            │
//	   └──────────────────────── the probe is answered ──────────────────────────────────────┘
//
// Only the absence of answers opens the breaker. A server that answers "out of memory" or "read only" is still good for reads.
// Pipelines that were under way side by side are not in a row: they count once.
package pipeline
