package limit

import (
	"context"
	"sync"
	"time"
)

// Memory is a [Meter] in this process, by its clock. A clock that is set to another window begins that one anew.
type Memory struct {
	policy *Policy

	mu       sync.Mutex
	start    int64             // of the window that is counted
	accounts map[string]*Units // what each subject has spent in it
}

// NewMemory makes a Memory.
func NewMemory(p *Policy) *Memory { return &Memory{policy: p, accounts: map[string]*Units{}} }

// Charge implements [Meter].
func (m *Memory) Charge(ctx context.Context, subject, tier string, units Units) (Status, error) {
	return m.policy.charge(ctx, m, subject, tier, units)
}

// Peek implements [Meter].
func (m *Memory) Peek(ctx context.Context, subject, tier string) ([]Limit, error) {
	s, err := m.Charge(ctx, subject, tier, Units{})
	return s.Limits, err
}

func (m *Memory) count(_ context.Context, subject string, t *tier, units Units) (tally, error) {
	return m.countAt(time.Now(), subject, t, units), nil
}

// countAt counts in the window of the instant given.
func (m *Memory) countAt(now time.Time, subject string, t *tier, units Units) tally {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.enter(m.policy.start(now))
	spent := m.accounts[subject]
	if spent == nil {
		spent = new(Units)
		if units != (Units{}) {
			m.accounts[subject] = spent
		}
	}
	for _, e := range t.endpoints {
		if units[e] > 0 && spent[e]+units[e] > t.max[e] {
			return tally{*spent, false, now}
		}
	}
	for e := range units {
		spent[e] += units[e]
	}
	return tally{*spent, true, now}
}

// learn takes over what another ledger has counted, where that is more.
func (m *Memory) learn(counted tally, subject string) {
	start := m.policy.start(counted.now)
	m.mu.Lock()
	defer m.mu.Unlock()
	if start < m.start || counted.counts == (Units{}) {
		return
	}
	m.enter(start)
	spent := m.accounts[subject]
	if spent == nil {
		spent = new(Units)
		m.accounts[subject] = spent
	}
	for e := range spent {
		spent[e] = max(spent[e], counted.counts[e])
	}
}

// enter makes the window the one that is counted. All counters end with their window, so there is nothing to sweep.
func (m *Memory) enter(start int64) {
	if m.start != start {
		m.start, m.accounts = start, make(map[string]*Units, len(m.accounts))
	}
}
