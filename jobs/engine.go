package jobs

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/coingraph/coingraph/market"
)

// Options are what an Engine needs. Those without a default must be set.
type Options struct {
	Store  Store
	Market *market.Service
	// Work buys in the lane of a kind, and writes only as long as the lease holds.
	Work func(k Kind, l Lease) *market.Background
	// Read is for planning: it buys nothing.
	Read *market.Background
	// Wait is how long the quota holds so many calls (by provider) of a kind up.
	Wait func(ctx context.Context, k Kind, calls map[string]int) (time.Duration, error)
	// Budget is how many calls (by provider) a kind may make on a day; a provider that is not in it has no limit.
	Budget func(ctx context.Context, k Kind) (map[string]int, error)

	Schedule    Schedule // of the daily refresh
	Assets      []string // that it keeps new
	Top         int      // instead: those with the largest market caps; 0: Assets
	Currencies  []market.Currency
	Concurrency int // series that a run works on at once; default 4

	Replica string           // unique to this process
	Now     func() time.Time // nil: the real clock
	Log     *slog.Logger     // nil: none
	// OnEnd is told of each run that ended here, and how long this replica worked on it; nil: nobody.
	OnEnd func(Run, time.Duration)

	Lease time.Duration // how long a lease lasts that is not renewed; default 15 s
	Poll  time.Duration // how often work is looked for; default 2 s
	Save  time.Duration // how often a run's progress is stored; default 500 ms
	Pause time.Duration // before a series that failed is tried again, three times as long the next time; default 5 s
}

// Engine submits runs, works on them, and tells of them. Its methods are safe for concurrent use.
type Engine struct {
	opts Options
	wake map[Kind]chan struct{}

	mu        sync.Mutex
	scheduled time.Time // the last instant that is known to have a run
	since     time.Time // since when there has been a scheduler
}

// New makes an Engine.
func New(o Options) *Engine {
	o.Concurrency = cmp.Or(o.Concurrency, 4)
	o.Lease = cmp.Or(o.Lease, 15*time.Second)
	o.Poll = cmp.Or(o.Poll, 2*time.Second)
	o.Save = cmp.Or(o.Save, 500*time.Millisecond)
	o.Pause = cmp.Or(o.Pause, 5*time.Second)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	e := &Engine{opts: o, wake: make(map[Kind]chan struct{})}
	for _, k := range Kinds() {
		e.wake[k] = make(chan struct{}, 1)
	}
	return e
}

// Run works on runs until the context ends; what it is working on then is left to the next.
func (e *Engine) Run(ctx context.Context) {
	var group sync.WaitGroup
	for _, k := range Kinds() {
		group.Go(func() { e.work(ctx, k) })
	}
	group.Go(func() { e.keepDemand(ctx) })
	group.Wait()
}

// RunSchedule submits a run for each instant of the schedule until the context ends.
func (e *Engine) RunSchedule(ctx context.Context) {
	for {
		if err := e.scheduleDue(ctx); err != nil && ctx.Err() == nil {
			e.opts.Log.WarnContext(ctx, "the daily refresh could not be scheduled", "event", "job.schedule", "error", err)
		}
		if !sleep(ctx, e.opts.Poll, nil) {
			return
		}
	}
}

// scheduleDue submits a run for the last instant of the schedule, unless there is one.
func (e *Engine) scheduleDue(ctx context.Context) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := e.opts.Now()
	if e.since.IsZero() {
		since, err := e.opts.Store.ScheduledSince(ctx, string(Refresh), now)
		if err != nil {
			return err
		}
		e.since = since
	}
	at, ok := e.opts.Schedule.Last(now)
	if !ok || at.Before(e.since) || !at.After(e.scheduled) {
		return nil
	}
	run, added, err := e.opts.Store.SubmitRun(ctx, Run{Kind: Refresh, ScheduledFor: &at, By: "scheduler"})
	if err != nil {
		return err
	}
	e.scheduled = at
	if added {
		e.opts.Log.InfoContext(ctx, "the daily refresh is due", "event", "job.submit", "job", run.Number, "kind", string(run.Kind), "scheduled_for", at)
		e.wakeUp(Refresh)
	}
	return nil
}

func (e *Engine) wakeUp(k Kind) {
	select {
	case e.wake[k] <- struct{}{}:
	default:
	}
}

// work works on runs of a kind until the context ends.
func (e *Engine) work(ctx context.Context, k Kind) {
	for {
		err := e.workUnderLease(ctx, k)
		switch {
		case err == nil, ctx.Err() != nil:
		case errors.Is(err, ErrFenced):
			e.opts.Log.WarnContext(ctx, "the lease went to another replica", "event", "job.fenced", "kind", string(k), "error", err)
		default:
			e.opts.Log.WarnContext(ctx, "jobs could not be worked on", "event", "job.fault", "kind", string(k), "error", err)
		}
		if !sleep(ctx, e.opts.Poll, e.wake[k]) {
			return
		}
	}
}

// workUnderLease works on all runs of a kind there are, if nobody else does.
func (e *Engine) workUnderLease(ctx context.Context, k Kind) error {
	if some, err := e.opts.Store.HasWork(ctx, k); err != nil || !some {
		return err
	}
	l, ok, err := e.opts.Store.AcquireLease(ctx, k.lease(), e.opts.Replica, e.opts.Lease)
	if err != nil || !ok {
		return err
	}
	held, let := e.hold(ctx, l)
	defer let()
	for {
		run, found, err := e.opts.Store.BeginRun(held, l, k)
		if err != nil || !found {
			return err
		}
		if err := e.execute(held, l, run); err != nil {
			return err
		}
	}
}

// hold renews a lease until it is let go of. The context ends, with ErrFenced as its cause, when somebody else has the lease. A
// renewal that does not get through is tried again, even after the lease has expired: until another takes it nothing is lost,
// and from then on the fence refuses what is written.
func (e *Engine) hold(ctx context.Context, l Lease) (held context.Context, let func()) {
	held, cancel := context.WithCancelCause(ctx)
	renewing, stop := context.WithCancel(context.WithoutCancel(ctx))
	var group sync.WaitGroup
	group.Go(func() {
		for sleep(renewing, e.opts.Lease/3, nil) {
			within, done := context.WithTimeout(renewing, e.opts.Lease)
			err := e.opts.Store.RenewLease(within, l, e.opts.Lease)
			done()
			if errors.Is(err, ErrFenced) {
				cancel(err)
				return
			}
			if err != nil && renewing.Err() == nil {
				e.opts.Log.DebugContext(ctx, "a lease was not renewed", "event", "job.lease", "error", err)
			}
		}
	})
	return held, func() {
		stop()
		group.Wait()
		cancel(context.Canceled)
		within, done := context.WithTimeout(context.WithoutCancel(ctx), e.opts.Lease)
		defer done()
		if err := e.opts.Store.ReleaseLease(within, l); err != nil {
			e.opts.Log.DebugContext(ctx, "a lease was not released, and will expire", "event", "job.lease", "error", err)
		}
	}
}

// sleep waits, or until it is woken; false: the context has ended.
func sleep(ctx context.Context, d time.Duration, wake <-chan struct{}) bool {
	if ctx.Err() != nil {
		return false
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-wake:
		return true
	case <-ctx.Done():
		return false
	}
}
