package quota

import (
	"context"
	"sync"
	"time"
)

// Memory is a [Keeper] in this process, which forgets with it.
type Memory struct {
	now func() time.Time

	mu     sync.Mutex
	states map[string]*state // by provider
}

// NewMemory makes a Memory on a clock; nil: the real one.
func NewMemory(now func() time.Time) *Memory {
	if now == nil {
		now = time.Now
	}
	return &Memory{now: now, states: make(map[string]*state)}
}

// Do implements [Keeper].
func (m *Memory) Do(ctx context.Context, p *Pool, r Request) (Answer, error) {
	if err := ctx.Err(); err != nil {
		return Answer{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.states[p.Provider]
	if s == nil {
		s = new(state)
		m.states[p.Provider] = s
	}
	return s.do(m.now(), p, r), nil
}
