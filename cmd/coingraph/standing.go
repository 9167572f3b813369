package main

import (
	"context"
	"sync"
	"time"

	"github.com/coingraph/coingraph/fault"
	"github.com/coingraph/coingraph/limit/quota"
	"github.com/coingraph/coingraph/telemetry"
)

const (
	standingWithin = time.Second            // for the question where the providers stand; Prometheus waits ten
	standingGood   = 250 * time.Millisecond // how long its answer is good for: the metrics of one scrape
)

// standing is where the providers stand, as metrics have it. It asks Redis or the database once for all metrics of a
// scrape, and has nothing to tell while these cannot be asked.
type standing struct {
	read func(context.Context) ([]quota.Status, error)

	mu       sync.Mutex
	asked    time.Time
	statuses []quota.Status
}

func (s *standing) all() []quota.Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Since(s.asked) < standingGood {
		return s.statuses
	}
	ctx, cancel := context.WithTimeout(context.Background(), standingWithin)
	defer cancel()
	statuses, err := s.read(ctx)
	if err != nil {
		statuses = nil // what was true a while ago would be taken for what is
	}
	s.asked, s.statuses = time.Now(), statuses
	return statuses
}

// quotas are the windows of each provider, with all keys of its pool together.
func (s *standing) quotas() []telemetry.Quota {
	var all []telemetry.Quota
	for _, status := range s.all() {
		first := len(all)
		for _, key := range status.Keys {
			for _, w := range key.Windows {
				at := first
				for at < len(all) && all[at].Window != w.Per {
					at++
				}
				if at == len(all) {
					all = append(all, telemetry.Quota{Provider: status.Provider, Window: w.Per})
				}
				all[at].Limit += w.Max
				all[at].Left += max(0, w.Max-w.Used)
			}
		}
	}
	return all
}

// The states of a provider's gate.
const (
	gateOpen   = "open"
	gatePaused = "paused"
	gateShut   = "shut"
)

// gateOf is the state of a provider for whoever asks it next. It is open as long as one key of its pool may be sent, and
// paused where the only keys that are not refused rest.
func gateOf(s quota.Status) string {
	if s.Breaker.Shut {
		return gateShut
	}
	state := gateShut
	for _, key := range s.Keys {
		switch {
		case !key.Gate.Shut, key.Gate.Why == fault.UpstreamRateLimited && !key.Gate.Waiting(s.At):
			return gateOpen
		case key.Gate.Why == fault.UpstreamRateLimited:
			state = gatePaused
		}
	}
	return state
}
