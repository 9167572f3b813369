// Package jobs is the work that no client waits for: when it is done, which replica does it, and what happened. There are
// two kinds, the daily refresh and the backfill of history.
//
// # A run
//
// A run is a row of the database. Whoever wants work done submits one, with an idempotency key or without; the scheduler
// does so with the instant that the run is due as the key. A run that is the same as one not finished yet is that one.
// Any replica may work on it, one at a time for each kind:
//
//	queued ──▶ running ──▶ succeeded, failed (something that is offered could not be had), cancelled
//	              ▲   │
//	              └───┘ its replica died, or stopped: the next one goes on
//
// A run has no state of its own to resume from. What it is to do is planned from what the store knows of each series, and
// each answer of a provider is stored with that knowledge in one transaction. So a run that is begun again, by whomever
// and however often, buys what is missing then, and nothing twice.
//
// # The lease and the fence
//
// To work on runs of a kind a replica holds the kind's lease: a row with an epoch that counts up with each new holder, and
// an expiry by the database's clock, which the holder puts off every third of its length.
//
//	free, or expired ── acquire: epoch+1 ──▶ held ── renew ──▶ held
//	       ▲                                  │
//	       └── release, or not renewed ───────┘
//
// A holder that lost its lease learns so from the next renewal, and its work is cancelled. One that was suspended meanwhile
// may be just about to write, so each write of a run looks in its own transaction whether the lease still has its holder
// and epoch, and locks the row against a new epoch until it commits. A write that finds another holder fails with
// [ErrFenced] and changes nothing.
//
// # When
//
// The scheduler looks every few seconds for the last instant of its schedule (UTC) that has passed. Unless a run was
// submitted for it or for a later one, it submits one. So a run that was missed, because nothing was up, is made up for
// once, and not once for each time it was missed; a clock that jumps back causes none. What was due before the database
// first saw a scheduler is not made up for.
package jobs
