package market

import (
	"context"
	"sync"
)

// flight lets concurrent callers that want the same keys share one piece of work (single flight, for batches): each key
// is worked on once at a time, by a batch that belongs to nobody. A caller that goes away takes nothing with it.
type flight[K comparable, V any] struct {
	mu    sync.Mutex
	calls map[K]*call[V]
}

type call[V any] struct {
	done   chan struct{}
	claim  any // the *claim whose call it is
	answer Answer[V]
}

// claim is the duty to answer for keys that nobody else works on.
type claim[K comparable, V any] struct {
	flight *flight[K, V]
	keys   []K
}

// join gives, index by index, the calls that will answer the keys. Keys nobody works on yet are handed to work, which
// runs on its own and must settle each of them; settling a key again does nothing, even if by then somebody else works
// on it.
func (f *flight[K, V]) join(keys []K, work func(owned []K, settle func(K, V, error))) []*call[V] {
	calls, mine := f.claim(keys)
	if mine != nil {
		go work(mine.keys, mine.settle)
	}
	return calls
}

// claim is join for who has work of its own way to run: it gives the claim to the keys that nobody works on yet; nil: there
// are none. Whatever happens, each of them must be settled.
func (f *flight[K, V]) claim(keys []K) ([]*call[V], *claim[K, V]) {
	calls := make([]*call[V], len(keys))
	var mine *claim[K, V]
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.calls == nil {
		f.calls = make(map[K]*call[V])
	}
	for i, k := range keys {
		c, ok := f.calls[k]
		if !ok {
			if mine == nil {
				mine = &claim[K, V]{flight: f, keys: make([]K, 0, len(keys)-i)}
			}
			c = &call[V]{done: make(chan struct{}), claim: mine}
			f.calls[k] = c
			mine.keys = append(mine.keys, k)
		}
		calls[i] = c
	}
	return calls, mine
}

// settle answers a key. Of one that is settled already it does nothing.
func (m *claim[K, V]) settle(k K, v V, err error) {
	f := m.flight
	f.mu.Lock()
	c, ok := f.calls[k]
	if ok = ok && c.claim == m; ok {
		delete(f.calls, k)
	}
	f.mu.Unlock()
	if ok {
		c.answer = Answer[V]{v, err}
		close(c.done)
	}
}

// wait gives the call's answer, or the context's error if that comes first.
func (c *call[V]) wait(ctx context.Context) (V, error) {
	select {
	case <-c.done:
		return c.answer.Value, c.answer.Err
	default:
	}
	select {
	case <-c.done:
		return c.answer.Value, c.answer.Err
	case <-ctx.Done():
		var zero V
		return zero, ctx.Err()
	}
}
