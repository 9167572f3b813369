package cache

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"
)

// faultLog counts faults and logs them, one line a second at most: when Redis is away, every request meets one.
type faultLog struct {
	log   *slog.Logger
	total atomic.Uint64
	told  atomic.Uint64 // how many of total the lines so far speak for
	next  atomic.Int64  // when the next line may be, in Unix ns
}

const faultLogEvery = time.Second

func (f *faultLog) note(ctx context.Context, err error) {
	total := f.total.Add(1)
	now, next := time.Now().UnixNano(), f.next.Load()
	if now < next || !f.next.CompareAndSwap(next, now+int64(faultLogEvery)) {
		return
	}
	f.log.WarnContext(ctx, "redis fault", "event", "cache.fault", "faults", total-f.told.Swap(total), "error", err)
}
