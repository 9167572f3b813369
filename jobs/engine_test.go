package jobs_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coingraph/coingraph/auth"
	"github.com/coingraph/coingraph/cache"
	"github.com/coingraph/coingraph/fault"
	"github.com/coingraph/coingraph/jobs"
	"github.com/coingraph/coingraph/market"
	"github.com/coingraph/coingraph/store"
)

// rig is a database, a provider made up for the test, and replicas that share both.
type rig struct {
	t     *testing.T
	dir   string
	clock atomic.Int64
	calls atomic.Int32
	fail  atomic.Pointer[fault.Error]
	gate  chan struct{} // nil: open. Charts wait for it
}

func newRig(t *testing.T) *rig {
	r := &rig{t: t, dir: t.TempDir()}
	r.at(2026, 3, 10, 12, 0)
	return r
}

func (r *rig) now() time.Time { return time.UnixMilli(r.clock.Load()).UTC() }
func (r *rig) at(y int, m time.Month, d, h, min int) {
	r.clock.Store(time.Date(y, m, d, h, min, 0, 0, time.UTC).UnixMilli())
}

func (r *rig) Quotes(_ context.Context, pairs []market.Pair) ([]market.Quote, error) {
	r.calls.Add(1)
	quotes := make([]market.Quote, len(pairs))
	for i, p := range pairs {
		quotes[i] = market.Quote{Pair: p, Price: 1, LastUpdatedAt: r.now(), FetchedAt: r.now(), Source: "test"}
	}
	return quotes, nil
}
func (r *rig) Riders(_, _ []market.Pair) []market.Pair            { return nil }
func (r *rig) Providers(market.SeriesKey) []string                { return []string{"test"} }
func (r *rig) Offers() []market.Offer                             { return nil }
func (r *rig) Calls(string, market.SeriesKey, []market.Range) int { return 1 }
func (r *rig) Ranking(context.Context, int) ([]string, error) {
	r.calls.Add(1)
	return []string{"coin-1", "coin-0"}, nil
}

func (r *rig) Assets(context.Context) ([]market.Asset, error) {
	assets := make([]market.Asset, 20)
	for i := range assets {
		assets[i].ID = fmt.Sprintf("coin-%d", i)
	}
	return assets, nil
}

func (r *rig) Series(ctx context.Context, _ string, key market.SeriesKey, missing []market.Range) ([]market.Fetched, error) {
	r.calls.Add(1)
	if r.gate != nil {
		select {
		case <-r.gate:
		case <-ctx.Done():
			return nil, fault.Wrap(fault.UpstreamTimeout, ctx.Err())
		}
	}
	if f := r.fail.Load(); f != nil {
		return nil, f
	}
	f := market.Fetched{Covers: market.Range{From: missing[0].From, To: missing[len(missing)-1].To}, Source: "test", FetchedAt: r.now()}
	for at := f.Covers.From; at < f.Covers.To; at += key.Interval.Step() {
		f.Points = append(f.Points, market.Point{Stamp: at, Price: 1, Source: "test", FetchedAt: f.FetchedAt})
	}
	return []market.Fetched{f}, nil
}

func (r *rig) SeriesStep(ctx context.Context, provider string, key market.SeriesKey, missing []market.Range) ([]market.Fetched, bool, error) {
	answers, err := r.Series(ctx, provider, key, missing)
	return answers, false, err
}

// replica is a process: its own connection, memory and engine.
type replica struct {
	*jobs.Engine
	store  *store.Store
	market *market.Service
}

func (r *rig) replica(name string, change func(*jobs.Options)) replica {
	r.t.Helper()
	db, err := store.Open(store.Options{DataDir: r.dir})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = db.Close() })
	if err := db.Migrate(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
	service := market.NewService(market.Options{
		Store: db, Source: r, Cache: cache.NewMemory(cache.MemoryOptions{MaxBytes: 1 << 20}), Currencies: market.AllCurrencies(), Now: r.now, Log: slog.New(slog.DiscardHandler),
		PriceTTL: time.Minute, DailyTTL: time.Hour, HourlyTTL: time.Hour, OnChainTTL: time.Hour,
	})
	schedule, err := jobs.ParseSchedule("10 1 * * *")
	if err != nil {
		r.t.Fatal(err)
	}
	o := jobs.Options{
		Store: db, Market: service,
		Work:   func(_ jobs.Kind, l jobs.Lease) *market.Background { return service.Background(r, db.Fenced(l)) },
		Read:   service.Background(r, db),
		Wait:   func(context.Context, jobs.Kind, map[string]int) (time.Duration, error) { return time.Hour, nil },
		Budget: func(context.Context, jobs.Kind) (map[string]int, error) { return map[string]int{"test": 100}, nil },

		Schedule: schedule, Assets: []string{"coin-0", "coin-1", "coin-2"}, Currencies: []market.Currency{"usd"},
		Replica: name, Now: r.now, Lease: 20 * time.Second, Poll: 5 * time.Millisecond, Save: 5 * time.Millisecond, Pause: time.Millisecond,
	}
	if change != nil {
		change(&o)
	}
	return replica{jobs.New(o), db, service}
}

// run has a replica work, and schedule, until the test ends or stop is called.
func (r *rig) run(p replica) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	group.Go(func() { p.Run(ctx) })
	group.Go(func() { p.RunSchedule(ctx) })
	stop = sync.OnceFunc(func() {
		cancel()
		group.Wait()
	})
	r.t.Cleanup(stop)
	return stop
}

func admin(t *testing.T) context.Context { return auth.WithActor(t.Context(), auth.Operator()) }

// await waits for a condition.
func await(t *testing.T, what string, condition func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for tick := time.NewTicker(3 * time.Millisecond); !condition(); {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%s did not come", what)
		}
	}
}

func runsOf(t *testing.T, p replica) []jobs.Run {
	t.Helper()
	page, err := p.Jobs(admin(t), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return page.Nodes
}

// awaitRuns waits until there are so many runs, all of them finished.
func awaitRuns(t *testing.T, p replica, n int) []jobs.Run {
	t.Helper()
	var runs []jobs.Run
	await(t, fmt.Sprint(n, " finished runs"), func() bool {
		runs = runsOf(t, p)
		for _, r := range runs {
			if !r.State.Finished() {
				return false
			}
		}
		return len(runs) == n
	})
	return runs
}

// TestScheduleOnThreeReplicas: nothing is made up for of before the first start; each instant has one run, whatever many
// look; what was missed is made up for once; a clock that jumps back causes nothing.
func TestScheduleOnThreeReplicas(t *testing.T) {
	t.Setenv("TZ", "America/New_York")
	r := newRig(t)
	var stops []func()
	var all []replica
	for i := range 3 {
		p := r.replica(fmt.Sprint("replica-", i), nil)
		all = append(all, p)
		stops = append(stops, r.run(p))
	}
	quiet := func(what string, n int) { // long enough for each replica to have looked several times
		t.Helper()
		seen := make([]atomic.Int32, len(all))
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		for i, p := range all {
			go func() {
				for ctx.Err() == nil {
					if _, err := p.store.HasWork(ctx, jobs.Refresh); err == nil {
						seen[i].Add(1)
					}
				}
			}()
		}
		await(t, "time", func() bool { return seen[0].Load() > 50 && seen[1].Load() > 50 && seen[2].Load() > 50 })
		if got := runsOf(t, all[0]); len(got) != n {
			t.Errorf("%s: %d runs, want %d", what, len(got), n)
		}
	}
	quiet("at the first start", 0)
	r.at(2026, 3, 11, 1, 9)
	quiet("a minute before", 0)
	r.at(2026, 3, 11, 1, 10)
	runs := awaitRuns(t, all[0], 1)
	if got := runs[0]; got.State != jobs.Succeeded || got.By != "scheduler" || got.Attempts != 1 || got.Done != 8 || got.Planned != 8 ||
		!got.ScheduledFor.Equal(time.Date(2026, 3, 11, 1, 10, 0, 0, time.UTC)) {
		t.Errorf("got %+v", got)
	}
	quiet("after it", 1)
	for _, stop := range stops {
		stop()
	}
	r.at(2026, 3, 15, 0, 30) // down over four instants
	for i := range all {
		all[i] = r.replica(fmt.Sprint("later-", i), nil)
		r.run(all[i])
	}
	runs = awaitRuns(t, all[0], 2)
	if at := runs[0].ScheduledFor; !at.Equal(time.Date(2026, 3, 14, 1, 10, 0, 0, time.UTC)) {
		t.Errorf("made up for %s", at)
	}
	r.at(2026, 3, 13, 5, 0)
	quiet("after the clock jumped back", 2)
	r.at(2026, 3, 15, 1, 10)
	awaitRuns(t, all[0], 3)
}

// TestTakeover: a holder that cannot renew its lease is replaced; what it then still wants to write is refused, and its run
// is finished by the other, which buys only what is missing.
func TestTakeover(t *testing.T) {
	r := newRig(t)
	r.gate = make(chan struct{})
	a := r.replica("a", nil)
	b := r.replica("b", nil)
	fenced := make(chan struct{})
	log := slog.New(&eventHandler{event: "job.fenced", seen: sync.OnceFunc(func() { close(fenced) })})
	first := r.replica("first", func(o *jobs.Options) { o.Log, o.Store = log, stuckRenewals{o.Store} })
	r.run(first)
	run, err := a.Backfill(admin(t), jobs.Args{Assets: []string{"coin-0", "coin-1", "coin-2"}, Currencies: []market.Currency{"usd"}, Interval: market.Daily, Days: 30}, nil)
	if err != nil {
		t.Fatal(err)
	}
	await(t, "calls", func() bool { return r.calls.Load() == 3 })
	// Its lease expires: by the database's clock, which a test cannot move, so the row is changed.
	expire(t, r.dir)
	l, ok, err := b.store.AcquireLease(t.Context(), "jobs/backfill", "b", time.Hour)
	if err != nil || !ok {
		t.Fatal("the lease was not taken:", err)
	}
	close(r.gate)
	select {
	case <-fenced:
	case <-time.After(time.Minute):
		t.Fatal("the late holder was not fenced")
	}
	gaps, err := a.Gaps(admin(t), jobs.Args{Assets: []string{"coin-0", "coin-1", "coin-2"}, Currencies: []market.Currency{"usd"}, Interval: market.Daily, Days: 30})
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range gaps {
		if g.Points != 0 {
			t.Errorf("%s: the late holder wrote %d points", g.Asset, g.Points)
		}
	}
	if err := b.store.ReleaseLease(t.Context(), l); err != nil {
		t.Fatal(err)
	}
	r.run(b)
	await(t, "the end", func() bool {
		run, err = a.Job(admin(t), run.ID())
		return err == nil && run.State.Finished()
	})
	if run.State != jobs.Succeeded || run.Attempts < 2 || run.Points != 90 {
		t.Errorf("got %+v", run)
	}
}

// stuckRenewals never gets a renewal through, as a process that is stopped.
type stuckRenewals struct{ jobs.Store }

func (stuckRenewals) RenewLease(ctx context.Context, _ jobs.Lease, _ time.Duration) error {
	<-ctx.Done()
	return ctx.Err()
}

func TestFailureAndResumption(t *testing.T) {
	r := newRig(t)
	p := r.replica("a", nil)
	r.run(p)
	r.fail.Store(fault.New(fault.UpstreamUnavailable, ""))
	args := jobs.Args{Assets: []string{"coin-1", "coin-0", "coin-1"}, Currencies: []market.Currency{"usd"}, Interval: market.Hourly, Days: 2}
	if _, err := p.Backfill(admin(t), args, nil); err != nil {
		t.Fatal(err)
	}
	run := awaitRuns(t, p, 1)[0]
	if run.State != jobs.Failed || run.Failed != 2 || run.Done != 2 || len(run.Problems) != 2 || run.Problems[0].Reason != "UPSTREAM_UNAVAILABLE: the data provider is unavailable" {
		t.Errorf("got %+v", run)
	}
	r.fail.Store(fault.New(fault.UpstreamNotFound, ""))
	if _, err := p.Backfill(admin(t), args, nil); err != nil {
		t.Fatal(err)
	}
	if run := awaitRuns(t, p, 2)[0]; run.State != jobs.Succeeded || run.NotOffered != 2 || run.Failed != 0 {
		t.Errorf("got %+v", run)
	}
}

// TestQuotaIsWaitedFor: a backfill waits as long as it takes, a refresh an hour at the most.
func TestQuotaIsWaitedFor(t *testing.T) {
	r := newRig(t)
	p := r.replica("a", nil)
	r.run(p)
	spent := fault.New(fault.QuotaExhausted, "")
	spent.RetryAfter = time.Millisecond
	r.fail.Store(spent)
	if _, err := p.Backfill(admin(t), jobs.Args{Assets: []string{"coin-0"}, Currencies: []market.Currency{"usd"}, Interval: market.Daily, Days: 2}, nil); err != nil {
		t.Fatal(err)
	}
	await(t, "ten tries", func() bool { return r.calls.Load() > 10 })
	r.fail.Store(nil)
	if run := awaitRuns(t, p, 1)[0]; run.State != jobs.Succeeded || run.Points != 2 {
		t.Errorf("got %+v", run)
	}
	month := fault.New(fault.QuotaExhausted, "")
	month.RetryAfter = 240 * time.Hour
	r.fail.Store(month)
	if _, err := p.Refresh(admin(t), nil); err != nil {
		t.Fatal(err)
	}
	if run := awaitRuns(t, p, 2)[0]; run.State != jobs.Failed || run.Failed != 6 || run.Done != 8 {
		t.Errorf("got %+v", run)
	}
}

func TestCancel(t *testing.T) {
	r := newRig(t)
	r.gate = make(chan struct{})
	p := r.replica("a", nil)
	r.run(p)
	run, err := p.Backfill(admin(t), jobs.Args{Assets: []string{"coin-0"}, Currencies: []market.Currency{"usd"}, Interval: market.Daily, Days: 2}, nil)
	if err != nil {
		t.Fatal(err)
	}
	await(t, "a call", func() bool { return r.calls.Load() == 1 })
	if run, err = p.Cancel(admin(t), run.ID()); err != nil || run.State != jobs.Running || !run.CancelRequested {
		t.Fatalf("got %+v, %v", run, err)
	}
	if run := awaitRuns(t, p, 1)[0]; run.State != jobs.Cancelled || run.Failed != 0 {
		t.Errorf("got %+v", run)
	}
	for _, id := range []string{"999", "x", "0", "-1"} {
		if _, err := p.Cancel(admin(t), id); !fault.Is(err, fault.NotFound) {
			t.Errorf("%s: %v", id, err)
		}
	}
}

// TestDemandIsRefreshed: what clients asked for is refreshed behind what is configured, the most asked for first, within the
// budget.
func TestDemandIsRefreshed(t *testing.T) {
	r := newRig(t)
	p := r.replica("a", func(o *jobs.Options) {
		o.Top = 2
		o.Budget = func(context.Context, jobs.Kind) (map[string]int, error) { return map[string]int{"test": 6}, nil } // four are configured
	})
	demand := func(asset string, days market.Days, n int64) market.Demand {
		return market.Demand{SeriesKey: market.SeriesKey{Asset: asset, Currency: "eur", Interval: market.Daily}, Days: days, Asked: n}
	}
	asked := []market.Demand{
		demand("coin-7", 30, 9), demand("coin-8", 30, 5), demand("coin-9", 30, 1), demand("gone", 30, 100),
		{SeriesKey: market.SeriesKey{Asset: "coin-5", Currency: "usd"}, Asked: 3},
	}
	if err := p.store.AddDemand(t.Context(), r.now(), asked); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Refresh(admin(t), nil); err != nil {
		t.Fatal(err)
	}
	r.run(p)
	run := awaitRuns(t, p, 1)[0]
	if run.State != jobs.Succeeded || run.Done != 8 || fmt.Sprint(run.Args.Assets) != "[coin-1 coin-0]" {
		t.Errorf("got %+v", run)
	}
	histories, err := p.store.Histories(t.Context(), []market.Window{{SeriesKey: asked[0].SeriesKey}, {SeriesKey: asked[1].SeriesKey}, {SeriesKey: asked[2].SeriesKey}})
	if err != nil {
		t.Fatal(err)
	}
	if len(histories[0].Known) == 0 || len(histories[1].Known) == 0 || len(histories[2].Known) != 0 {
		t.Errorf("got %v", histories)
	}
	if quotes, err := p.store.Quotes(t.Context(), []market.Pair{{Asset: "coin-5", Currency: "usd"}}); err != nil || len(quotes) != 1 {
		t.Errorf("the price that was asked for is not there: %v", err)
	}
}

func TestOnlyAdmins(t *testing.T) {
	r := newRig(t)
	p := r.replica("a", nil)
	user := auth.WithActor(t.Context(), auth.Actor{ID: "web", Tier: "public", Role: auth.User})
	for name, do := range map[string]func(context.Context) error{
		"Refresh":    func(ctx context.Context) error { _, err := p.Refresh(ctx, nil); return err },
		"Backfill":   func(ctx context.Context) error { _, err := p.Backfill(ctx, jobs.Args{}, nil); return err },
		"Cancel":     func(ctx context.Context) error { _, err := p.Cancel(ctx, "1"); return err },
		"Job":        func(ctx context.Context) error { _, err := p.Job(ctx, "1"); return err },
		"Jobs":       func(ctx context.Context) error { _, err := p.Jobs(ctx, nil, nil); return err },
		"Gaps":       func(ctx context.Context) error { _, err := p.Gaps(ctx, jobs.Args{}); return err },
		"StoredGaps": func(ctx context.Context) error { _, err := p.StoredGaps(ctx, 1, nil); return err },
		"Estimate":   func(ctx context.Context) error { _, err := p.Estimate(ctx, jobs.Args{}); return err },
	} {
		if err := do(user); !fault.Is(err, fault.Forbidden) {
			t.Errorf("%s: %v", name, err)
		}
		if err := do(t.Context()); !fault.Is(err, fault.Unauthenticated) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestBadArguments(t *testing.T) {
	r := newRig(t)
	p := r.replica("a", nil)
	blank := " "
	_, err := p.Backfill(admin(t), jobs.Args{Assets: []string{"A/B"}, Currencies: []market.Currency{"xyz"}}, &blank)
	var f *fault.Error
	if !errors.As(err, &f) || f.Kind != fault.BadInput || len(f.Fields) != 5 {
		t.Errorf("got %v", err)
	}
	good := jobs.Args{Assets: []string{"coin-0"}, Currencies: []market.Currency{"usd"}, Interval: market.Daily, Days: 2}
	key := "once"
	first, err := p.Backfill(admin(t), good, &key)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := p.Backfill(admin(t), good, &key); err != nil || again.Number != first.Number {
		t.Errorf("got %+v, %v", again, err)
	}
	if _, err := p.Refresh(admin(t), &key); !fault.Is(err, fault.BadInput) {
		t.Errorf("got %v", err)
	}
	good.Assets = []string{"coin-0", "nobody"}
	if _, err := p.Backfill(admin(t), good, nil); !fault.Is(err, fault.NotFound) {
		t.Errorf("got %v", err)
	}
}
