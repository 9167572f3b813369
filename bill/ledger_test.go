package bill_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coingraph/coingraph/auth"
	"github.com/coingraph/coingraph/bill"
	"github.com/coingraph/coingraph/fault"
	"github.com/coingraph/coingraph/limit/quota"
	"github.com/coingraph/coingraph/store"
)

var discard = slog.New(slog.DiscardHandler)

// newStore is a database of the test's own.
func newStore(t *testing.T) *store.Store {
	t.Helper()
	s, err := store.Open(store.Options{DataDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

func call(change func(*bill.Call)) bill.Call {
	c := bill.Call{At: time.Now(), Provider: "acme", Key: "k1", Lane: quota.Refresh, Operation: "/chart", Asset: "bitcoin", Caller: "web"}
	if change != nil {
		change(&c)
	}
	return c
}

func total(t *testing.T, s bill.Store) (calls, failed int) {
	t.Helper()
	rows, err := s.Spend(t.Context(), "acme", bill.ByLane, time.Now().Add(-time.Hour), 10)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		calls, failed = calls+r.Calls, failed+r.Failed
	}
	return calls, failed
}

// TestFlushedAtTheEnd: what is booked before the end is stored.
func TestFlushedAtTheEnd(t *testing.T) {
	s := newStore(t)
	l := bill.NewLedger(s, discard)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); l.Run(ctx) }()
	for i := range 100 {
		l.Book(call(func(c *bill.Call) { c.Failed = i%4 == 0 }))
	}
	cancel()
	<-done
	if calls, failed := total(t, s); calls != 100 || failed != 25 {
		t.Errorf("%d calls, %d failed", calls, failed)
	}
}

// broken is a store that books when it is told to.
type broken struct {
	bill.Store
	well   bool
	booked []bill.Line
	at     []time.Time
}

func (b *broken) Book(_ context.Context, lines []bill.Line) error {
	b.at = append(b.at, time.Now())
	if !b.well {
		return fault.New(fault.StoreUnavailable, "")
	}
	b.booked = append(b.booked, lines...)
	return nil
}

// TestStoreAway: nothing is lost while the store is away; of too many lines the details are.
func TestStoreAway(t *testing.T) {
	s := new(broken)
	l := bill.NewLedger(s, discard)
	const n = 12_000
	for i := range n {
		l.Book(call(func(c *bill.Call) { c.Asset = fmt.Sprint(i) }))
		if i == n/2 {
			if err := l.Flush(t.Context()); !fault.Is(err, fault.StoreUnavailable) {
				t.Errorf("got %v", err)
			}
		}
	}
	s.well = true
	if err := l.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	calls := 0
	for _, line := range s.booked {
		calls += line.Calls
	}
	if calls != n || len(s.booked) != 10_001 {
		t.Errorf("%d calls in %d lines", calls, len(s.booked))
	}
	if err := l.Flush(t.Context()); err != nil || len(s.at) != 2 {
		t.Errorf("an empty flush: %v, %d visits", err, len(s.at))
	}
}

// TestBookedWithinASecond, by a clock that is not real.
func TestBookedWithinASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &broken{well: true}
		l := bill.NewLedger(s, discard)
		ctx, cancel := context.WithCancel(t.Context())
		go l.Run(ctx)
		start := time.Now()
		l.Book(call(nil))
		<-time.After(1500 * time.Millisecond)
		cancel()
		synctest.Wait()
		if len(s.booked) != 1 || s.at[0].Sub(start) > time.Second {
			t.Errorf("booked %v at %v", s.booked, s.at)
		}
	})
}

// TestHistory has the calls that are not stored yet, each from the end of its minute on, but none in the future.
func TestHistory(t *testing.T) {
	s := newStore(t)
	l := bill.NewLedger(s, discard)
	now := time.Now()
	l.Book(call(nil))
	l.Book(call(func(c *bill.Call) { c.At, c.Key = now.Add(-time.Hour), "k2" }))
	got, err := l.History(t.Context(), "acme", now.Add(-2*time.Hour))
	if err != nil || len(got) != 2 {
		t.Fatalf("got %v, %v", got, err)
	}
	for _, spent := range got {
		if spent.Calls != 1 || spent.At.After(time.Now()) || spent.Key == "k2" && spent.At.Before(now.Add(-time.Hour).Truncate(time.Minute).Add(59*time.Second)) {
			t.Errorf("got %+v", spent)
		}
	}
}

// TestServiceIsForAdmins: whoever calls it, directive or not.
func TestServiceIsForAdmins(t *testing.T) {
	now := time.Now()
	service := bill.NewService(bill.NewLedger(newStore(t), discard), func(context.Context) ([]quota.Status, error) {
		return []quota.Status{{
			Provider: "acme", At: now, Breaker: quota.Gate{Shut: true, Why: fault.UpstreamTimeout, Since: now.Add(-time.Minute), Until: now},
			Keys: []quota.KeyStatus{{ID: "k1", Windows: []quota.Window{{Rate: quota.Rate{Max: 5, Per: 90 * time.Second}, Used: 2, ResetsAt: now}}}},
		}}, nil
	})
	for _, actor := range []auth.Actor{{}, {ID: "web", Role: auth.User}} {
		ctx := auth.WithActor(t.Context(), actor)
		_, err := service.Upstreams(ctx)
		_, errSpend := service.Spend(ctx, "acme", bill.ByKey, nil)
		for _, err := range []error{err, errSpend} {
			if f := fault.Of(err); f == nil || f.Kind != fault.Forbidden && f.Kind != fault.Unauthenticated {
				t.Errorf("%+v: %v", actor, err)
			}
		}
	}
	all, err := service.Upstreams(auth.WithActor(t.Context(), auth.Actor{ID: "root", Role: auth.Admin}))
	if err != nil || len(all) != 1 {
		t.Fatalf("got %v, %v", all, err)
	}
	u := all[0]
	if u.Breaker.State != bill.HalfOpen || *u.Breaker.Reason != "upstream_timeout" || u.Keys[0].Breaker.State != bill.Closed || u.Quota[0].Window != "1m30s" {
		t.Errorf("got %+v", u)
	}
}

func TestServiceWithoutStore(t *testing.T) {
	s := new(broken)
	l := bill.NewLedger(s, discard)
	l.Book(call(nil))
	gone := fault.New(fault.StoreUnavailable, "")
	service := bill.NewService(l, func(context.Context) ([]quota.Status, error) { return nil, gone })
	ctx := auth.WithActor(t.Context(), auth.Actor{ID: "root", Role: auth.Admin})
	if _, err := service.Upstreams(ctx); !errors.Is(err, gone) {
		t.Errorf("got %v", err)
	}
	if _, err := service.Spend(ctx, "acme", bill.ByKey, nil); !fault.Is(err, fault.StoreUnavailable) {
		t.Errorf("got %v", err)
	}
}
