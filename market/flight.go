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
	answer Answer[V]
}

// join gives, index by index, the calls that will answer the keys. Keys nobody works on yet are handed to work, which
// runs on its own and must settle each of them; settling a key again does nothing, even if by then somebody else works
// on it.
func (f *flight[K, V]) join(keys []K, work func(owned []K, settle func(K, V, error))) []*call[V] {
	calls := make([]*call[V], len(keys))
	var owned []K
	open := make(map[K]*call[V]) // those owned and not settled
	f.mu.Lock()
	if f.calls == nil {
		f.calls = make(map[K]*call[V])
	}
	for i, k := range keys {
		c, ok := f.calls[k]
		if !ok {
			c = &call[V]{done: make(chan struct{})}
			f.calls[k], open[k] = c, c
			owned = append(owned, k)
		}
		calls[i] = c
	}
	f.mu.Unlock()
	if len(owned) > 0 {
		go work(owned, func(k K, v V, err error) {
			f.mu.Lock()
			c, ok := open[k]
			if ok {
				delete(open, k)
				delete(f.calls, k)
			}
			f.mu.Unlock()
			if ok {
				c.answer = Answer[V]{v, err}
				close(c.done)
			}
		})
	}
	return calls
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
