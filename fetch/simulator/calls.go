package simulator

import (
	"context"
	"maps"
	"regexp"
	"slices"
	"sync"
	"time"
)

// Call is a request that arrived, whatever became of it.
type Call struct {
	Method   string    `json:"method"`
	Endpoint string    `json:"endpoint"` // "/coins/{id}/market_chart", "/v1/{asset}/market-indicator/mvrv"; "unknown"
	Target   string    `json:"target"`   // path and query, without keys; of CoinGecko's what is below /api/v3
	Key      string    `json:"key"`      // where a key was: "header", "query", "" (nowhere)
	At       time.Time `json:"at"`       // by the simulator's clock
}

// mostCalls is how many calls are kept one by one; older ones are only counted.
const mostCalls = 10_000

type calls struct {
	mu      sync.Mutex
	log     []Call
	counts  map[string]int
	arrived chan struct{} // closed and replaced with each call
}

func (c *calls) record(q *request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.log) == mostCalls {
		c.log = slices.Delete(c.log, 0, mostCalls/10)
	}
	endpoint := q.endpoint()
	c.log = append(c.log, Call{q.Method, endpoint, q.target, q.keyFrom, time.UnixMilli(q.now).UTC()})
	if c.counts == nil {
		c.counts = map[string]int{}
	}
	c.counts[endpoint]++
	close(c.arrived)
	c.arrived = make(chan struct{})
}

// Calls are the requests since the last [Simulator.ResetCalls] in the order they arrived, at most the newest 10,000.
func (s *Simulator) Calls() []Call {
	s.calls.mu.Lock()
	defer s.calls.mu.Unlock()
	return slices.Clone(s.calls.log)
}

// Counts are the numbers of requests by endpoint since the last [Simulator.ResetCalls].
func (s *Simulator) Counts() map[string]int {
	s.calls.mu.Lock()
	defer s.calls.mu.Unlock()
	counts := maps.Clone(s.calls.counts)
	if counts == nil {
		counts = map[string]int{}
	}
	return counts
}

// Total is the number of requests since the last [Simulator.ResetCalls].
func (s *Simulator) Total() int {
	n := 0
	for _, c := range s.Counts() {
		n += c
	}
	return n
}

// ResetCalls forgets all requests.
func (s *Simulator) ResetCalls() {
	s.calls.mu.Lock()
	defer s.calls.mu.Unlock()
	s.calls.log, s.calls.counts = nil, nil
}

// Await waits until so many requests whose target matches the regular expression have arrived since the last
// [Simulator.ResetCalls]. They may still be on their way. It gives the context's error if that ends first.
func (s *Simulator) Await(ctx context.Context, match string, n int) error {
	re, err := regexp.Compile(match)
	if err != nil {
		return err
	}
	for {
		s.calls.mu.Lock()
		found, arrived := 0, s.calls.arrived
		for i := range s.calls.log {
			if re.MatchString(s.calls.log[i].Target) {
				found++
			}
		}
		s.calls.mu.Unlock()
		if found >= n {
			return nil
		}
		select {
		case <-arrived:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
