package jobs

import (
	"context"
	"errors"
	"regexp"
	"strconv"
	"time"

	"github.com/coingraph/coingraph/auth"
	"github.com/coingraph/coingraph/fault"
	"github.com/coingraph/coingraph/market"
	"github.com/coingraph/coingraph/relay"
)

// keyForm is what an idempotency key looks like.
var keyForm = regexp.MustCompile(`^[\x21-\x7e]{1,128}$`)

// CheckKey names what is wrong with an idempotency key; nil is none.
func CheckKey(key *string) []fault.Field {
	if key != nil && !keyForm.MatchString(*key) {
		return []fault.Field{{Field: "idempotencyKey", Message: "must be 1 to 128 visible ASCII characters"}}
	}
	return nil
}

// Check names what is wrong with the arguments of a backfill or a question for gaps.
func (e *Engine) Check(a Args) []fault.Field {
	bad := market.CheckAssets("assets", a.Assets)
	bad = append(bad, e.opts.Market.CheckCurrencies("currencies", a.Currencies)...)
	return append(bad, market.CheckChart(a.Days, a.Interval)...)
}

// known fails with fault.NotFound where the catalogue lacks assets, and names them.
func (e *Engine) known(ctx context.Context, assets []string) error {
	var unknown []string
	for _, id := range assets {
		switch _, err := e.opts.Market.Asset(ctx, id); {
		case fault.Is(err, fault.NotFound):
			unknown = append(unknown, id)
		case err != nil:
			return err
		}
	}
	if unknown != nil {
		return market.UnknownAssets(unknown)
	}
	return nil
}

// Refresh submits a daily refresh, for admins. While one is not finished, and with a key that was used, it is that one.
func (e *Engine) Refresh(ctx context.Context, key *string) (*Run, error) {
	if err := auth.Require(ctx, auth.Admin); err != nil {
		return nil, err
	}
	return e.submit(ctx, Run{Kind: Refresh}, key)
}

// Backfill submits a backfill, for admins. While one with the same arguments is not finished, and with a key that was used,
// it is that one.
func (e *Engine) Backfill(ctx context.Context, a Args, key *string) (*Run, error) {
	if err := auth.Require(ctx, auth.Admin); err != nil {
		return nil, err
	}
	if err := fault.Invalid(append(e.Check(a), CheckKey(key)...)...); err != nil {
		return nil, err
	}
	if err := e.known(ctx, a.Assets); err != nil {
		return nil, err
	}
	return e.submit(ctx, Run{Kind: Backfill, Args: a.normal()}, key)
}

func (e *Engine) submit(ctx context.Context, r Run, key *string) (*Run, error) {
	if err := fault.Invalid(CheckKey(key)...); err != nil {
		return nil, err
	}
	if key != nil {
		r.Key = *key
	}
	r.By = auth.ActorOf(ctx).ID
	run, added, err := e.opts.Store.SubmitRun(ctx, r)
	if errors.Is(err, ErrKeyTaken) {
		return nil, fault.Invalid(fault.Field{Field: "idempotencyKey", Message: "was used with other arguments"})
	}
	if err != nil {
		return nil, err
	}
	if added {
		e.opts.Log.InfoContext(ctx, "a job was submitted", "event", "job.submit", "job", run.Number, "kind", string(run.Kind), "key_id", run.By)
		e.wakeUp(run.Kind)
	}
	return &run, nil
}

// Cancel ends a run, for admins: a queued one at once, one that is worked on within some seconds. One that is finished stays
// as it is.
func (e *Engine) Cancel(ctx context.Context, id string) (*Run, error) {
	if err := auth.Require(ctx, auth.Admin); err != nil {
		return nil, err
	}
	number, err := numberOf(id)
	if err != nil {
		return nil, err
	}
	run, found, err := e.opts.Store.CancelRun(ctx, number)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, noRun(id)
	}
	e.opts.Log.InfoContext(ctx, "the cancellation of a job was requested", "event", "job.cancel", "job", run.Number, "kind", string(run.Kind), "key_id", auth.ActorOf(ctx).ID)
	return &run, nil
}

// Job is a run, for admins.
func (e *Engine) Job(ctx context.Context, id string) (*Run, error) {
	if err := auth.Require(ctx, auth.Admin); err != nil {
		return nil, err
	}
	number, err := numberOf(id)
	if err != nil {
		return nil, err
	}
	run, found, err := e.opts.Store.Run(ctx, number)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, noRun(id)
	}
	return &run, nil
}

func noRun(id string) error { return fault.New(fault.NotFound, "there is no job %q", id) }

func numberOf(id string) (int64, error) {
	n, err := strconv.ParseInt(id, 10, 64)
	if err != nil || n < 1 {
		return 0, noRun(id)
	}
	return n, nil
}

// CheckPage names what is wrong with the arguments of a page of runs.
func CheckPage(first *int, after *string) []fault.Field {
	_, bad := relay.First(first)
	position, badAfter := relay.After(after)
	if badAfter == nil && position != "" {
		if _, err := numberOf(position); err != nil {
			badAfter = relay.BadCursor()
		}
	}
	return append(bad, badAfter...)
}

// Jobs is a page of the runs, the newest first, for admins.
func (e *Engine) Jobs(ctx context.Context, first *int, after *string) (*Page, error) {
	if err := auth.Require(ctx, auth.Admin); err != nil {
		return nil, err
	}
	if err := fault.Invalid(CheckPage(first, after)...); err != nil {
		return nil, err
	}
	rows, _ := relay.First(first)
	position, _ := relay.After(after)
	before, _ := strconv.ParseInt(position, 10, 64)
	runs, err := e.opts.Store.Runs(ctx, before, rows+1)
	if err != nil {
		return nil, err
	}
	page := &Page{Nodes: runs[:min(rows, len(runs))]}
	page.PageInfo.HasNextPage = len(runs) > rows
	if n := len(page.Nodes); n > 0 {
		cursor := relay.Cursor(page.Nodes[n-1].ID())
		page.PageInfo.EndCursor = &cursor
	}
	page.TotalCount, err = e.opts.Store.CountRuns(ctx)
	return page, err
}

// Gaps are the holes of the series that the arguments name, for admins. No provider is asked.
func (e *Engine) Gaps(ctx context.Context, a Args) ([]market.Gaps, error) {
	if err := auth.Require(ctx, auth.Admin); err != nil {
		return nil, err
	}
	if err := fault.Invalid(e.Check(a)...); err != nil {
		return nil, err
	}
	if err := e.known(ctx, a.Assets); err != nil {
		return nil, err
	}
	keys := a.normal().series()
	requests := make([]market.SeriesRequest, len(keys))
	for i, k := range keys {
		requests[i] = market.SeriesRequest{SeriesKey: k, Days: a.Days}
	}
	return e.opts.Market.Gaps(ctx, requests)
}

// StoredGaps are the holes of all that is stored, by day and by hour, for admins. Filter chooses among the series.
func (e *Engine) StoredGaps(ctx context.Context, days market.Days, filter func(market.SeriesKey) bool) ([]market.Gaps, error) {
	if err := auth.Require(ctx, auth.Admin); err != nil {
		return nil, err
	}
	keys, err := e.opts.Store.StoredSeries(ctx)
	if err != nil {
		return nil, err
	}
	var requests []market.SeriesRequest
	for _, k := range keys {
		if (k.Interval == market.Daily || k.Interval == market.Hourly) && filter(k) {
			requests = append(requests, market.SeriesRequest{SeriesKey: k, Days: days})
		}
	}
	return e.opts.Market.Gaps(ctx, requests)
}

// Estimate is what a backfill will cost.
type Estimate struct {
	Series  int // of which something lacks
	Known   int // of which nothing does
	Calls   map[string]int
	QuotaIn time.Duration // how long the quota holds them up until the last may be made
}

// Total is the calls to all providers.
func (e Estimate) Total() int {
	n := 0
	for _, calls := range e.Calls {
		n += calls
	}
	return n
}

// Estimate tells beforehand what a backfill will cost, for admins. It makes no calls.
func (e *Engine) Estimate(ctx context.Context, a Args) (Estimate, error) {
	if err := auth.Require(ctx, auth.Admin); err != nil {
		return Estimate{}, err
	}
	if err := fault.Invalid(e.Check(a)...); err != nil {
		return Estimate{}, err
	}
	if err := e.known(ctx, a.Assets); err != nil {
		return Estimate{}, err
	}
	all := a.normal().wants(e.opts.Read, e.opts.Now())
	some, calls, err := lacking(ctx, e.opts.Read, all)
	if err != nil {
		return Estimate{}, err
	}
	wait, err := e.opts.Wait(ctx, Backfill, calls)
	return Estimate{Series: len(some), Known: len(all) - len(some), Calls: calls, QuotaIn: wait}, err
}

// Watch works on runs of the run's kind until the run is finished, unless another replica does, and tells watch of the run
// again and again. When asked to stop it has the run cancelled, and waits for that. It gives the run as it is then.
func (e *Engine) Watch(ctx context.Context, run *Run, watch func(*Run)) (*Run, error) {
	working, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	done, kind := make(chan struct{}), run.Kind
	go func() {
		defer close(done)
		e.work(working, kind)
	}()
	defer func() {
		stop()
		<-done
	}()
	cancelled := false
	for {
		if ctx.Err() != nil && !cancelled {
			if _, _, err := e.opts.Store.CancelRun(working, run.Number); err != nil {
				return run, err
			}
			cancelled = true
		}
		now, found, err := e.opts.Store.Run(working, run.Number)
		if err != nil || !found {
			return run, errors.Join(err, ctx.Err())
		}
		run = &now
		watch(run)
		if run.State.Finished() {
			return run, nil
		}
		if cancelled {
			sleep(working, e.opts.Save, nil)
		} else {
			sleep(ctx, e.opts.Save, nil)
		}
	}
}
