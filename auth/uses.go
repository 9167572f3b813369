package auth

import (
	"context"
	"log/slog"
	"maps"
	"sync"
	"time"
)

const (
	useInterval   = time.Minute // a key's last use is stored no oftener than this
	flushInterval = 10 * time.Second
	flushTimeout  = 5 * time.Second
)

// uses gathers when keys were used, and stores it in batches behind everybody's back.
type uses struct {
	store KeyStore
	log   *slog.Logger

	mu      sync.Mutex
	noted   map[string]time.Time // the last use that was noted, by the key's id
	pending map[string]time.Time // those of them that are not stored yet
}

func newUses(store KeyStore, log *slog.Logger) *uses {
	return &uses{store: store, log: log, noted: make(map[string]time.Time), pending: make(map[string]time.Time)}
}

// note notes that the key was used, unless that was noted lately, here or on another replica. It waits for nothing.
func (u *uses) note(key *StoredKey, at time.Time) {
	if at.Sub(key.LastUsedAt) < useInterval {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if at.Sub(u.noted[key.ID]) >= useInterval {
		u.noted[key.ID], u.pending[key.ID] = at, instant(at)
	}
}

func (u *uses) run(ctx context.Context) {
	tick := time.NewTicker(flushInterval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			u.flush(ctx)
		case <-ctx.Done():
			u.flush(context.WithoutCancel(ctx))
			return
		}
	}
}

// flush stores what is pending. What cannot be stored stays pending.
func (u *uses) flush(ctx context.Context) {
	u.mu.Lock()
	batch := u.pending
	u.pending = make(map[string]time.Time)
	u.mu.Unlock()
	if len(batch) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, flushTimeout)
	defer cancel()
	err := u.store.TouchKeys(ctx, batch)
	if err == nil {
		return
	}
	u.log.WarnContext(ctx, "the last use of API keys could not be stored", "event", "key.touch", "keys", len(batch), "error", err)
	u.mu.Lock()
	defer u.mu.Unlock()
	maps.Copy(batch, u.pending) // what came in meanwhile is later
	u.pending = batch
}
