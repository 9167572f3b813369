package fetch

import (
	"cmp"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/coingraph/coingraph/fault"
)

// errShut is in the cause of every error that the gate gives.
var errShut = errors.New("no call was made: the provider is shut")

// maxFailures is how many failures in a row shut a provider. A chart's eight series that fail side by side are not yet
// an outage.
const maxFailures = 10

// gate decides whether a call may be made to a provider. It is a circuit breaker that opens for more than one reason.
// Let through, a call owes it nothing: one that never comes back costs no more than the next probe's delay.
type gate struct {
	probe time.Duration

	mu       sync.Mutex
	why      *fault.Error // what shut it; nil: it is open
	until    time.Time    // when it lets the next call through, while it is shut
	turn     int          // changes when it shuts, and with each probe
	failures int          // in a row
}

// change is what a call's outcome did to the gate.
type change int

const (
	unchanged change = iota
	opened
	paused
	shut
)

// enter lets a call through and gives its turn, or gives the fault that shut the gate with the time that is left.
func (g *gate) enter(now time.Time) (turn int, refused *fault.Error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.why == nil {
		return g.turn, nil
	}
	if left := g.until.Sub(now); left > 0 {
		return 0, &fault.Error{Kind: g.why.Kind, RetryAfter: left, Cause: fmt.Errorf("%w: %w", errShut, g.why)}
	}
	if g.why.Kind == fault.UpstreamRateLimited {
		g.why = nil // the pause is over, for all
		return g.turn, nil
	}
	g.turn++
	g.until = now.Add(g.probe)
	return g.turn, nil
}

// leave takes note of a call's outcome; nil: it was answered. Of calls that were let through before the gate shut, only
// a 429 still counts: the longest pause is kept.
func (g *gate) leave(turn int, now time.Time, f *fault.Error) change {
	g.mu.Lock()
	defer g.mu.Unlock()
	if f != nil && f.Kind == fault.UpstreamRateLimited {
		return g.pause(now.Add(cmp.Or(f.RetryAfter, g.probe)), f)
	}
	if turn != g.turn {
		return unchanged
	}
	switch {
	case f != nil && (f.Kind == fault.UpstreamHost || f.Kind == fault.UpstreamKey || f.Kind == fault.UpstreamBlocked):
		return g.shut(now, f)
	case f != nil && outage(f.Kind):
		g.failures++
		if g.why != nil || g.failures >= maxFailures {
			return g.shut(now, f)
		}
		return unchanged
	}
	// Answered, if only with a refusal of what was asked.
	g.failures = 0
	if g.why == nil {
		return unchanged
	}
	g.why = nil
	return opened
}

func (g *gate) pause(until time.Time, f *fault.Error) change {
	isPaused := g.why != nil && g.why.Kind == fault.UpstreamRateLimited
	if isPaused && !until.After(g.until) {
		return unchanged
	}
	g.why, g.until = f, until
	g.turn++
	if isPaused {
		return unchanged
	}
	return paused
}

func (g *gate) shut(now time.Time, f *fault.Error) change {
	same := g.why != nil && (g.why.Kind == f.Kind || outage(g.why.Kind) && outage(f.Kind))
	g.why, g.until = f, now.Add(max(g.probe, f.RetryAfter))
	g.turn++
	if same {
		return unchanged
	}
	return shut
}

// outage tells whether the provider failed, where a refusal says that it is there.
func outage(k fault.Kind) bool {
	return k == fault.UpstreamUnavailable || k == fault.UpstreamTimeout || k == fault.UpstreamNonsense
}
