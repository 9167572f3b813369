package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/coingraph/coingraph/jobs"
	"github.com/coingraph/coingraph/market"
)

var jobTests = []test{
	{"a lease has one holder", leaseOneHolder},
	{"of many that want a lease one gets it", leaseRace},
	{"an expired lease is taken, and fences its old holder", leaseTaken},
	{"a released lease is free, and fences its old holder", leaseReleased},
	{"a lease that expired and that nobody took is renewed", leaseRenewedLate},
	{"the same request has the same run", runsSubmittedTwice},
	{"an instant of the schedule has one run", runsScheduled},
	{"runs are begun in order", runsInOrder},
	{"a run keeps its progress", runsProgress},
	{"cancellation", runsCancelled},
	{"pages of runs", runsPaged},
	{"old runs go, but not the last scheduled one", runsPruned},
	{"since when there is a schedule", scheduleSince},
	{"demand adds up", demandAddsUp},
	{"demand of a day is bounded", demandBounded},
}

const long = time.Hour

func acquire(t *testing.T, s Store, name, holder string, lasts time.Duration) jobs.Lease {
	t.Helper()
	l, ok, err := s.AcquireLease(t.Context(), name, holder, lasts)
	must(t, err)
	if !ok {
		t.Fatalf("%s did not get the lease %s", holder, name)
	}
	return l
}

func leaseOneHolder(t *testing.T, connect func() Store) {
	a, b := connect(), connect()
	l := acquire(t, a, "x", "a", long)
	for _, holder := range []string{"a", "b"} {
		if _, ok, err := b.AcquireLease(t.Context(), "x", holder, long); ok || err != nil {
			t.Errorf("%s got it too: %v", holder, err)
		}
	}
	acquire(t, b, "y", "b", long)
	must(t, a.RenewLease(t.Context(), l, long))
	for _, wrong := range []jobs.Lease{{Name: "x", Epoch: l.Epoch, Holder: "b"}, {Name: "x", Epoch: l.Epoch + 1, Holder: "a"}, {Name: "z", Epoch: 1, Holder: "a"}} {
		if err := b.RenewLease(t.Context(), wrong, long); !errors.Is(err, jobs.ErrFenced) {
			t.Errorf("%+v was renewed: %v", wrong, err)
		}
		must(t, b.ReleaseLease(t.Context(), wrong))
	}
	must(t, a.RenewLease(t.Context(), l, long))
}

func leaseRace(t *testing.T, connect func() Store) {
	stores := []Store{connect(), connect(), connect()}
	for round := range 5 {
		var got atomic.Int32
		var group errgroup.Group
		for i := range 12 {
			group.Go(func() error {
				_, ok, err := stores[i%3].AcquireLease(t.Context(), fmt.Sprint("race", round), fmt.Sprint(i), long)
				if ok {
					got.Add(1)
				}
				return err
			})
		}
		must(t, group.Wait())
		if got.Load() != 1 {
			t.Fatalf("%d got the lease", got.Load())
		}
	}
}

// expired is a lease that has ended by the database's clock: it lasts no time at all.
func expired(t *testing.T, s Store, name, holder string) jobs.Lease {
	t.Helper()
	l := acquire(t, s, name, holder, long)
	must(t, s.RenewLease(t.Context(), l, -time.Millisecond))
	return l
}

var jobSeries = market.SeriesKey{Asset: "bitcoin", Currency: "usd", Interval: market.Daily}

// writesOf are all that a job writes, under a lease.
func writesOf(t *testing.T, s Store, l jobs.Lease) map[string]func() error {
	f := s.Fence(l)
	key := jobSeries
	return map[string]func() error{
		"quotes": func() error {
			return f.SaveQuotes(t.Context(), []market.Quote{{Pair: market.Pair{Asset: "bitcoin", Currency: "usd"}, Price: 1, LastUpdatedAt: at(0), FetchedAt: at(0)}})
		},
		"series": func() error {
			return f.SaveSeries(t.Context(), market.SeriesWrite{
				SeriesKey: key, Fetched: market.Fetched{Points: []market.Point{{Stamp: ms(epoch), Price: 1, Source: "test", FetchedAt: at(0)}}, Source: "test", FetchedAt: at(0)},
				Known: []market.Known{{Range: market.Range{From: ms(epoch), To: ms(epoch) + key.Interval.Step()}, Provider: "test", FetchedAt: at(0)}},
			})
		},
		"catalogue": func() error {
			return f.SaveCatalogue(t.Context(), []market.Asset{{ID: "bitcoin"}}, at(0))
		},
		"begin": func() error {
			_, _, err := s.BeginRun(t.Context(), l, jobs.Refresh)
			return err
		},
	}
}

// checkFenced checks that a lease's holder writes nothing any more.
func checkFenced(t *testing.T, s Store, l jobs.Lease) {
	t.Helper()
	run, _, err := s.SubmitRun(t.Context(), jobs.Run{Kind: jobs.Refresh})
	must(t, err)
	for what, write := range writesOf(t, s, l) {
		if err := write(); !errors.Is(err, jobs.ErrFenced) {
			t.Errorf("%s was written: %v", what, err)
		}
	}
	changed := run
	changed.Done = 7
	if _, err := s.SaveRun(t.Context(), l, changed); !errors.Is(err, jobs.ErrFenced) {
		t.Errorf("the run was saved: %v", err)
	}
	if err := s.RenewLease(t.Context(), l, long); !errors.Is(err, jobs.ErrFenced) {
		t.Errorf("the lease was renewed: %v", err)
	}
	quotes, err := s.Quotes(t.Context(), []market.Pair{{Asset: "bitcoin", Currency: "usd"}})
	must(t, err)
	h := history(t, s, jobSeries, market.Range{From: ms(epoch), To: ms(epoch) + jobSeries.Interval.Step()})
	_, fetchedAt, err := s.Catalogue(t.Context(), time.Time{})
	must(t, err)
	after, _, err := s.Run(t.Context(), run.Number)
	must(t, err)
	if len(quotes) > 0 || len(h.Points) > 0 || len(h.Known) > 0 || !fetchedAt.IsZero() || after.Done != 0 || after.Attempts != 0 {
		t.Errorf("something was written: %v, %v, %v, %+v", quotes, h, fetchedAt, after)
	}
}

func leaseTaken(t *testing.T, connect func() Store) {
	a, b := connect(), connect()
	old := expired(t, a, "x", "a")
	taken := acquire(t, b, "x", "b", long)
	if taken.Epoch <= old.Epoch {
		t.Errorf("the epoch went from %d to %d", old.Epoch, taken.Epoch)
	}
	checkFenced(t, a, old)
	for what, write := range writesOf(t, b, taken) {
		if err := write(); err != nil {
			t.Errorf("the new holder could not write %s: %v", what, err)
		}
	}
	if len(history(t, a, jobSeries, market.Range{From: ms(epoch), To: ms(epoch) + jobSeries.Interval.Step()}).Points) != 1 {
		t.Error("what the new holder wrote is not there")
	}
}

func leaseReleased(t *testing.T, connect func() Store) {
	a := connect()
	l := acquire(t, a, "x", "a", long)
	must(t, a.ReleaseLease(t.Context(), l))
	checkFenced(t, a, l)
	if again := acquire(t, a, "x", "a", long); again.Epoch <= l.Epoch {
		t.Errorf("the epoch went from %d to %d", l.Epoch, again.Epoch)
	}
	checkFenced(t, a, l)
}

func leaseRenewedLate(t *testing.T, connect func() Store) {
	a, b := connect(), connect()
	l := expired(t, a, "x", "a")
	must(t, a.RenewLease(t.Context(), l, long))
	if _, ok, err := b.AcquireLease(t.Context(), "x", "b", long); ok || err != nil {
		t.Errorf("a renewed lease was taken: %v", err)
	}
	must(t, writesOf(t, a, l)["series"]())
}

func submit(t *testing.T, s Store, r jobs.Run) (jobs.Run, bool) {
	t.Helper()
	run, added, err := s.SubmitRun(t.Context(), r)
	must(t, err)
	return run, added
}

func backfillOf(asset, key string) jobs.Run {
	return jobs.Run{Kind: jobs.Backfill, Key: key, By: "tester", Args: jobs.Args{Assets: []string{asset}, Currencies: []market.Currency{"usd"}, Interval: market.Daily, Days: market.AllDays}}
}

func runsSubmittedTwice(t *testing.T, connect func() Store) {
	a, b := connect(), connect()
	run, added := submit(t, a, backfillOf("bitcoin", "k"))
	if !added || run.State != jobs.Queued || run.By != "tester" || run.Key != "k" || run.Args.Days != market.AllDays || run.CreatedAt.IsZero() {
		t.Fatalf("got %+v", run)
	}
	if again, added := submit(t, b, backfillOf("bitcoin", "k")); added || again.Number != run.Number {
		t.Errorf("the same key made run %d", again.Number)
	}
	for _, other := range []jobs.Run{backfillOf("ethereum", "k"), {Kind: jobs.Refresh, Key: "k"}} {
		if _, _, err := b.SubmitRun(t.Context(), other); !errors.Is(err, jobs.ErrKeyTaken) {
			t.Errorf("the key was taken for something else: %v", err)
		}
	}
	if joined, added := submit(t, b, backfillOf("bitcoin", "")); added || joined.Number != run.Number {
		t.Errorf("the same arguments made run %d", joined.Number)
	}
	if other, added := submit(t, b, backfillOf("bitcoin", "another")); !added || other.Number == run.Number {
		t.Error("a new key made no run")
	}
	if other, added := submit(t, b, backfillOf("ethereum", "")); !added || other.Number == run.Number {
		t.Error("other arguments made no run")
	}

	var group errgroup.Group
	var made atomic.Int32
	for i := range 12 {
		group.Go(func() error {
			_, added, err := []Store{a, b}[i%2].SubmitRun(t.Context(), jobs.Run{Kind: jobs.Refresh})
			if added {
				made.Add(1)
			}
			return err
		})
	}
	must(t, group.Wait())
	if made.Load() != 1 {
		t.Errorf("%d refreshes were submitted", made.Load())
	}
}

func runsScheduled(t *testing.T, connect func() Store) {
	a, b := connect(), connect()
	schedule := func(s Store, at time.Time) bool {
		_, added := submit(t, s, jobs.Run{Kind: jobs.Refresh, ScheduledFor: &at})
		return added
	}
	day := epoch.Add(70 * time.Minute)
	if !schedule(a, day) || schedule(b, day) || schedule(b, day.AddDate(0, 0, -1)) || !schedule(b, day.AddDate(0, 0, 1)) || schedule(a, day) {
		t.Error("an instant has not one run, or an earlier one was made up for")
	}
	if run, _, err := a.Run(t.Context(), 1); err != nil || run.ScheduledFor == nil || !run.ScheduledFor.Equal(day) {
		t.Errorf("got %+v, %v", run, err)
	}
}

func runsInOrder(t *testing.T, connect func() Store) {
	s := connect()
	first, _ := submit(t, s, backfillOf("bitcoin", ""))
	second, _ := submit(t, s, backfillOf("ethereum", ""))
	submit(t, s, jobs.Run{Kind: jobs.Refresh})
	l := acquire(t, s, "x", "a", long)
	for _, want := range []jobs.Run{first, first, second} { // begun again until it is finished
		run, found, err := s.BeginRun(t.Context(), l, jobs.Backfill)
		must(t, err)
		if !found || run.Number != want.Number || run.State != jobs.Running || run.Replica != "a" || run.StartedAt == nil {
			t.Fatalf("got %+v", run)
		}
		if run.Number == first.Number && run.Attempts == 2 || run.Number == second.Number {
			run.State = jobs.Succeeded
			_, err := s.SaveRun(t.Context(), l, run)
			must(t, err)
		}
	}
	if _, found, err := s.BeginRun(t.Context(), l, jobs.Backfill); found || err != nil {
		t.Errorf("there is one more: %v", err)
	}
	if some, err := s.HasWork(t.Context(), jobs.Backfill); some || err != nil {
		t.Errorf("there is work: %v", err)
	}
	if some, err := s.HasWork(t.Context(), jobs.Refresh); !some || err != nil {
		t.Errorf("there is no work: %v", err)
	}
}

func runsProgress(t *testing.T, connect func() Store) {
	a, b := connect(), connect()
	submit(t, a, backfillOf("bitcoin", ""))
	l := acquire(t, a, "x", "a", long)
	run, _, err := a.BeginRun(t.Context(), l, jobs.Backfill)
	must(t, err)
	run.Progress = jobs.Progress{Planned: 10, Done: 6, Failed: 2, NotOffered: 1, Calls: 9, Points: 365, Revised: 3, Problems: []jobs.Problem{{Subject: "bitcoin usd daily", Reason: "because\x00"}}}
	run.Args.Assets = []string{"bitcoin", "ethereum"}
	requested, err := a.SaveRun(t.Context(), l, run)
	must(t, err)
	if requested {
		t.Error("nobody requested its cancellation")
	}
	got, found, err := b.Run(t.Context(), run.Number)
	must(t, err)
	run.Problems[0].Reason = got.Problems[0].Reason // a NUL becomes something else
	check(t, "run", got, run)
	if !found || got.FinishedAt != nil {
		t.Errorf("got %+v", got)
	}
	run.State = jobs.Failed
	_, err = a.SaveRun(t.Context(), l, run)
	must(t, err)
	if got, _, err = b.Run(t.Context(), run.Number); err != nil || got.FinishedAt == nil || got.State != jobs.Failed {
		t.Errorf("got %+v, %v", got, err)
	}
	if _, added := submit(t, b, backfillOf("bitcoin", "")); !added {
		t.Error("a finished run was given for a new one")
	}
}

func runsCancelled(t *testing.T, connect func() Store) {
	s := connect()
	queued, _ := submit(t, s, jobs.Run{Kind: jobs.Refresh})
	if run, found, err := s.CancelRun(t.Context(), queued.Number); err != nil || !found || run.State != jobs.Cancelled || run.FinishedAt == nil {
		t.Errorf("got %+v, %v", run, err)
	}
	running, _ := submit(t, s, backfillOf("bitcoin", ""))
	l := acquire(t, s, "x", "a", long)
	run, _, err := s.BeginRun(t.Context(), l, jobs.Backfill)
	must(t, err)
	if now, _, err := s.CancelRun(t.Context(), running.Number); err != nil || now.State != jobs.Running || !now.CancelRequested || now.FinishedAt != nil {
		t.Errorf("got %+v, %v", now, err)
	}
	if requested, err := s.SaveRun(t.Context(), l, run); err != nil || !requested {
		t.Errorf("the holder does not learn of it: %v", err)
	}
	run.State = jobs.Succeeded
	_, err = s.SaveRun(t.Context(), l, run)
	must(t, err)
	if now, _, err := s.CancelRun(t.Context(), running.Number); err != nil || now.State != jobs.Succeeded {
		t.Errorf("got %+v, %v", now, err)
	}
	if _, found, err := s.CancelRun(t.Context(), 999); found || err != nil {
		t.Errorf("there is no such run: %v", err)
	}
	if _, found, err := s.Run(t.Context(), 999); found || err != nil {
		t.Errorf("there is no such run: %v", err)
	}
}

func runsPaged(t *testing.T, connect func() Store) {
	s := connect()
	for i := range 5 {
		submit(t, s, backfillOf("bitcoin", fmt.Sprint(i)))
	}
	runs, err := s.Runs(t.Context(), 0, 2)
	must(t, err)
	more, err := s.Runs(t.Context(), runs[1].Number, 10)
	must(t, err)
	n, err := s.CountRuns(t.Context())
	must(t, err)
	if len(runs) != 2 || runs[0].Key != "4" || len(more) != 3 || more[0].Key != "2" || more[2].Key != "0" || n != 5 {
		t.Errorf("got %v, %v of %d", runs, more, n)
	}
}

func runsPruned(t *testing.T, connect func() Store) {
	s := connect()
	l := acquire(t, s, "x", "a", long)
	when := epoch
	submit(t, s, backfillOf("bitcoin", ""))
	submit(t, s, jobs.Run{Kind: jobs.Refresh, ScheduledFor: &when})
	for _, k := range jobs.Kinds() {
		run, _, err := s.BeginRun(t.Context(), l, k)
		must(t, err)
		run.State = jobs.Succeeded
		_, err = s.SaveRun(t.Context(), l, run)
		must(t, err)
	}
	submit(t, s, backfillOf("bitcoin", ""))
	must(t, s.PruneRuns(t.Context(), epoch))
	if n, err := s.CountRuns(t.Context()); n != 3 || err != nil {
		t.Errorf("%d are left: %v", n, err)
	}
	must(t, s.PruneRuns(t.Context(), time.Now().Add(24*time.Hour)))
	runs, err := s.Runs(t.Context(), 0, 10)
	must(t, err)
	if len(runs) != 2 || runs[0].State != jobs.Queued || runs[1].ScheduledFor == nil {
		t.Errorf("these are left: %+v", runs)
	}
}

func scheduleSince(t *testing.T, connect func() Store) {
	a, b := connect(), connect()
	for i, s := range []Store{a, b} {
		since, err := s.ScheduledSince(t.Context(), "x", at(i))
		must(t, err)
		if !since.Equal(at(0)) {
			t.Errorf("since %s", since)
		}
	}
}

func demandAddsUp(t *testing.T, connect func() Store) {
	a, b := connect(), connect()
	price := market.Demand{SeriesKey: market.SeriesKey{Asset: "bitcoin", Currency: "usd"}, Asked: 2}
	series := market.Demand{SeriesKey: jobSeries, Days: market.AllDays, Asked: 1}
	metric := market.Demand{SeriesKey: market.SeriesKey{Asset: "bitcoin", Metric: market.MVRV, Interval: market.Hourly}, Days: 7, Asked: 9}
	must(t, a.AddDemand(t.Context(), at(100), []market.Demand{series, price, series}))
	must(t, b.AddDemand(t.Context(), at(200), []market.Demand{price, metric}))
	must(t, b.AddDemand(t.Context(), at(0).AddDate(0, 0, 1), []market.Demand{series}))
	must(t, a.AddDemand(t.Context(), at(0), nil))
	got, err := a.Demand(t.Context(), at(300), 10)
	must(t, err)
	price.Asked, series.Asked = 4, 3
	check(t, "demand", got, []market.Demand{metric, price, series})
	if got, err = a.Demand(t.Context(), at(300), 1); err != nil || len(got) != 1 {
		t.Errorf("got %v, %v", got, err)
	}
	must(t, a.PruneDemand(t.Context(), at(0).AddDate(0, 0, 1)))
	series.Asked = 1
	got, err = b.Demand(t.Context(), at(0), 10)
	must(t, err)
	check(t, "demand after pruning", got, []market.Demand{series})
}

func demandBounded(t *testing.T, connect func() Store) {
	s := connect()
	many := make([]market.Demand, 12_000)
	for i := range many {
		many[i] = market.Demand{SeriesKey: market.SeriesKey{Asset: fmt.Sprintf("coin-%05d", i), Currency: "usd"}, Asked: 1}
	}
	must(t, s.AddDemand(t.Context(), at(0), many))
	must(t, s.AddDemand(t.Context(), at(0), many))
	got, err := s.Demand(context.Background(), at(0), len(many))
	must(t, err)
	if len(got) != 10_000 || got[9_999].Asked != 2 {
		t.Errorf("%d are kept, the last of them asked for %d times", len(got), got[len(got)-1].Asked)
	}
}
