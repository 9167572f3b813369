package cache

import (
	"context"
	"sync"
	"time"
)

// keeper keeps leases alive until they are released.
type keeper struct {
	leases *Leases
	token  string
	mu     sync.Mutex
	held   map[string]bool
	timer  *time.Timer
}

// keep puts off the expiry of what is held, a third of the time to live from now, and again.
func (k *keeper) keep(ctx context.Context) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.held) == 0 {
		return
	}
	k.timer = time.AfterFunc(leaseTTL/3, func() {
		k.leases.eval(ctx, k.keys(), renewScript, k.token, leaseTTL.Milliseconds())
		k.keep(ctx)
	})
}

func (k *keeper) keys() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	keys := make([]string, 0, len(k.held))
	for key := range k.held {
		keys = append(keys, key)
	}
	return keys
}

// release gives back those of the keys that are held.
func (k *keeper) release(keys []string, done bool) {
	var ours []string
	k.mu.Lock()
	for _, key := range keys {
		if k.held[key] {
			delete(k.held, key)
			ours = append(ours, key)
		}
	}
	if len(k.held) == 0 {
		k.timer.Stop()
	}
	k.mu.Unlock()
	ttl := int64(0)
	if done {
		ttl = doneTTL.Milliseconds()
	}
	k.leases.eval(context.Background(), ours, releaseScript, k.token, ttl)
}
