package audit

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"
)

const (
	recorderQueue = 10_000          // entries waiting to be stored; more are dropped and counted
	recorderBatch = 500             // entries stored together
	recorderEvery = time.Second     // how long an entry waits at most
	pruneEvery    = time.Hour       // how often old entries are deleted
	storeWithin   = 5 * time.Second // for one visit to the store
)

// Recorder stores entries behind the back of those who make them: recording never waits and never fails. When the store
// is away, what does not fit its queue is dropped, counted, and said in the log once a minute at most.
type Recorder struct {
	store     Store
	log       *slog.Logger
	replica   string
	retention time.Duration
	queue     chan Entry
	done      chan struct{}
	dropped   atomic.Int64
	lastSaid  time.Time
}

// RecorderOptions are the settings of [NewRecorder].
type RecorderOptions struct {
	Store     Store
	Log       *slog.Logger
	Replica   string        // this process's name in the entries
	Retention time.Duration // entries older than this are deleted
}

// NewRecorder makes a recorder; [Recorder.Run] makes it work.
func NewRecorder(o RecorderOptions) *Recorder {
	return &Recorder{store: o.Store, log: o.Log, replica: o.Replica, retention: o.Retention, queue: make(chan Entry, recorderQueue), done: make(chan struct{})}
}

// Record takes an entry. It never blocks.
func (r *Recorder) Record(e Entry) {
	e.Replica = r.replica
	select {
	case r.queue <- e:
	default:
		r.dropped.Add(1)
	}
}

// Dropped is how many entries were lost so far.
func (r *Recorder) Dropped() int64 { return r.dropped.Load() }

// Run stores entries until the context ends, and then what is left. [Recorder.Done] tells when that is over.
func (r *Recorder) Run(ctx context.Context) {
	defer close(r.done)
	flush, prune := time.NewTicker(recorderEvery), time.NewTicker(pruneEvery)
	defer flush.Stop()
	defer prune.Stop()
	batch := make([]Entry, 0, recorderBatch)
	for {
		select {
		case e := <-r.queue:
			if batch = append(batch, e); len(batch) < recorderBatch {
				continue
			}
		case <-flush.C:
		case <-prune.C:
			r.prune(ctx)
			continue
		case <-ctx.Done():
			for len(r.queue) > 0 {
				batch = append(batch, <-r.queue)
			}
			r.append(context.WithoutCancel(ctx), batch)
			return
		}
		batch = r.append(ctx, batch)
	}
}

// Done is closed when Run has stored the last entry.
func (r *Recorder) Done() <-chan struct{} { return r.done }

// append stores a batch and gives what is to be tried again: the same batch while the store is away, up to a size.
func (r *Recorder) append(ctx context.Context, batch []Entry) []Entry {
	if len(batch) == 0 {
		return batch
	}
	within, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeWithin)
	defer cancel()
	if err := r.store.Append(within, batch); err != nil {
		if len(batch) < recorderBatch {
			return batch
		}
		r.dropped.Add(int64(len(batch)))
		if time.Since(r.lastSaid) > time.Minute {
			r.lastSaid = time.Now()
			r.log.ErrorContext(ctx, "log entries were lost", "event", "audit.dropped", "total", r.dropped.Load(), "error", err)
		}
	}
	return batch[:0]
}

func (r *Recorder) prune(ctx context.Context) {
	if r.retention <= 0 {
		return
	}
	within, cancel := context.WithTimeout(ctx, storeWithin)
	defer cancel()
	if n, err := r.store.Prune(within, time.Now().Add(-r.retention)); err != nil {
		r.log.WarnContext(ctx, "old log entries were not deleted", "event", "audit.prune", "error", err)
	} else if n > 0 {
		r.log.InfoContext(ctx, "old log entries deleted", "event", "audit.prune", "entries", n)
	}
}
