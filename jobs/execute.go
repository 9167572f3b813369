package jobs

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/coingraph/coingraph/fault"
	"github.com/coingraph/coingraph/market"
)

// errCancelled ends the work on a run whose cancellation was requested.
var errCancelled = errors.New("the run was cancelled")

// unit is a part of a run that can be had or not.
type unit struct {
	subject string
	do      func(ctx context.Context) (market.Bought, []Problem, error)
}

// execution is a run being worked on.
type execution struct {
	*Engine
	lease Lease
	work  *market.Background

	mu  sync.Mutex
	run Run
}

// execute works on a run until it is finished. An error means that it is not: that it is for the next holder.
func (e *Engine) execute(ctx context.Context, l Lease, run Run) error {
	// What failed before is tried again, and planned again.
	run.Done -= run.Failed + run.NotOffered
	run.Failed, run.NotOffered, run.Problems = 0, 0, nil
	x := &execution{Engine: e, lease: l, work: e.opts.Work(run.Kind, l), run: run}
	log := e.opts.Log.With("job", run.Number, "kind", string(run.Kind), "attempt", run.Attempts)
	log.InfoContext(ctx, "a job begins", "event", "job.begin")
	began := time.Now()

	working, cancel := context.WithCancelCause(ctx)
	var group sync.WaitGroup
	done := make(chan struct{})
	group.Go(func() { x.saveAgainAndAgain(ctx, done, cancel) })
	err := x.do(working)
	close(done)
	group.Wait()
	cause := context.Cause(working)
	cancel(nil)

	x.mu.Lock()
	defer x.mu.Unlock()
	switch {
	case errors.Is(cause, errCancelled):
		x.run.State = Cancelled
	case cause != nil:
		return cause
	case errors.Is(err, ErrFenced), fault.Is(err, fault.StoreUnavailable):
		return err
	case err != nil:
		x.run.Failed++
		x.problem("plan", err)
		x.run.State = Failed
	case x.run.Failed > 0:
		x.run.State = Failed
	default:
		x.run.State = Succeeded
	}
	if _, err := e.opts.Store.SaveRun(ctx, l, x.run); err != nil {
		return err
	}
	p := x.run.Progress
	if x.opts.OnEnd != nil {
		x.opts.OnEnd(x.run, time.Since(began))
	}
	log.InfoContext(ctx, "a job ends", "event", "job.end", "state", string(x.run.State), "done", p.Done, "failed", p.Failed, "not_offered", p.NotOffered,
		"upstream_calls", p.Calls, "points", p.Points, "revised", p.Revised)
	return nil
}

// do plans the run and does what is planned.
func (x *execution) do(ctx context.Context) error {
	var units []unit
	var err error
	if x.run.Kind == Refresh {
		units, err = x.planRefresh(ctx)
	} else {
		units, err = x.planBackfill(ctx)
	}
	if err != nil {
		return err
	}
	x.mu.Lock()
	x.run.Planned = x.run.Done + len(units)
	x.mu.Unlock()
	if err := x.save(ctx); err != nil {
		return err
	}
	places := make(chan struct{}, x.opts.Concurrency)
	var group sync.WaitGroup
	var lost sync.Once
	var fatal error
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	for _, u := range units {
		select {
		case places <- struct{}{}:
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			break
		}
		group.Go(func() {
			defer func() { <-places }()
			if err := x.try(ctx, u); err != nil {
				lost.Do(func() { fatal = err })
				cancel(err)
			}
		})
	}
	group.Wait()
	return fatal
}

// try does a unit, again if it is worth while, and notes what became of it. Its error ends the run.
func (x *execution) try(ctx context.Context, u unit) error {
	for n := 0; ; n++ {
		bought, problems, err := u.do(ctx)
		x.mu.Lock()
		x.run.Calls += bought.Calls
		x.run.Points += bought.Points
		x.run.Revised += bought.Revised
		x.mu.Unlock()
		switch {
		case ctx.Err() != nil:
			return nil // the run's end is not the unit's failure
		case errors.Is(err, ErrFenced):
			return err
		case err != nil:
			if wait, again := x.patience(err, n); again && sleep(ctx, wait, nil) {
				continue
			}
			if ctx.Err() != nil {
				return nil
			}
			if fault.Is(err, fault.StoreUnavailable) {
				return err
			}
		}
		x.mu.Lock()
		defer x.mu.Unlock()
		x.run.Done++
		for _, p := range problems {
			x.note(p)
		}
		switch {
		case err != nil:
			x.run.Failed++
			x.problem(u.subject, err)
			x.opts.Log.WarnContext(ctx, "a part of a job failed", "event", "job.part", "job", x.run.Number, "subject", u.subject, "error", err)
		case bought.NotOffered:
			x.run.NotOffered++
			x.note(Problem{u.subject, "no provider offers it"})
		}
		return nil
	}
}

const (
	outageTries = 2
	storeTries  = 5
	// longestWait is how long a refresh waits for the quota at most: it is superseded by the next one. A backfill waits
	// as long as it takes.
	longestWait = time.Hour
	waitCheck   = time.Minute
)

// patience is how long to wait before a unit that failed n times before is tried again, if at all.
func (x *execution) patience(err error, n int) (wait time.Duration, again bool) {
	f := fault.Of(err)
	wait = x.opts.Pause
	for range n {
		wait = min(3*wait, waitCheck)
	}
	switch f.Kind {
	case fault.QuotaExhausted, fault.UpstreamRateLimited:
		if x.run.Kind == Refresh && f.RetryAfter > longestWait {
			return 0, false
		}
		return min(max(f.RetryAfter, x.opts.Pause/10), waitCheck), true
	case fault.StoreUnavailable:
		return wait, n < storeTries
	case fault.UpstreamUnavailable, fault.UpstreamTimeout, fault.UpstreamNonsense:
		return wait, n < outageTries
	default:
		return 0, false
	}
}

// problem notes why something could not be had, in words that are safe to show.
func (x *execution) problem(subject string, err error) {
	f := fault.Of(err)
	x.note(Problem{subject, f.Kind.Code() + ": " + f.Safe()})
}

func (x *execution) note(p Problem) {
	if len(x.run.Problems) < maxProblems {
		x.run.Problems = append(x.run.Problems, p)
	}
}

// saveAgainAndAgain stores the progress until done, and cancels the work when that was requested.
func (x *execution) saveAgainAndAgain(ctx context.Context, done <-chan struct{}, cancel context.CancelCauseFunc) {
	tick := time.NewTicker(x.opts.Save)
	defer tick.Stop()
	for {
		select {
		case <-done:
			return
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		switch err := x.save(ctx); {
		case errors.Is(err, errCancelled), errors.Is(err, ErrFenced):
			cancel(err)
			return
		case err != nil && ctx.Err() == nil:
			x.opts.Log.DebugContext(ctx, "the progress of a job was not stored", "event", "job.save", "error", err)
		}
	}
}

// save stores the run as it is.
func (x *execution) save(ctx context.Context) error {
	x.mu.Lock()
	run := x.run
	run.Problems = append([]Problem(nil), run.Problems...)
	x.mu.Unlock()
	requested, err := x.opts.Store.SaveRun(ctx, x.lease, run)
	if err == nil && requested {
		err = errCancelled
	}
	return err
}

// fill is the unit of a series.
func (x *execution) fill(w market.Want) unit {
	return unit{NameOf(w.SeriesKey), func(ctx context.Context) (market.Bought, []Problem, error) {
		bought, err := x.work.Fill(ctx, w)
		return bought, nil, err
	}}
}

// NameOf is a series as people call it: "bitcoin usd daily".
func NameOf(k market.SeriesKey) string {
	what := string(k.Currency)
	if k.OnChain() {
		what = string(k.Metric)
	}
	return fmt.Sprintf("%s %s %s", k.Asset, what, k.Interval)
}
