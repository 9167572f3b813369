package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/coingraph/coingraph/audit"
	"github.com/coingraph/coingraph/fault"
)

var logTests = []test{
	{"every field", logFields},
	{"filters", logFilters},
	{"pages", logPages},
	{"a follower misses nothing", logFollow},
	{"prune", logPrune},
	{"text that cannot be kept", logText},
	{"context", logContext},
}

var sample = audit.Entry{
	Time: at(1).Add(7 * time.Millisecond), Level: audit.Warn, Event: "request", RequestID: "r-1", Replica: "host", KeyID: "key", Method: "POST",
	Route: "/graphql", Operation: "Chart#abc", Status: 502, Code: "UPSTREAM_UNAVAILABLE", Duration: 1234567 * time.Nanosecond, Cache: "upstream",
	UpstreamCalls: 3, Bytes: 1 << 40, Provider: "coingecko", Message: "it's \\ ? $1 \"x\"\r\n\x1b[31m é 🚀",
}

// page is all entries that a filter selects, read in pages.
func page(t *testing.T, s Store, f audit.Filter, limit int) []audit.Entry {
	t.Helper()
	var all []audit.Entry
	for after := int64(0); ; {
		entries, err := s.Page(context.Background(), f, after, limit)
		must(t, err)
		if len(entries) > limit {
			t.Fatalf("%d entries on a page of %d", len(entries), limit)
		}
		for _, e := range entries {
			if e.ID <= after {
				t.Fatalf("id %d after %d", e.ID, after)
			}
			after = e.ID
		}
		all = append(all, entries...)
		if len(entries) == 0 {
			return all
		}
	}
}

func withoutIDs(entries []audit.Entry) []audit.Entry {
	entries = slices.Clone(entries)
	for i := range entries {
		entries[i].ID = 0
	}
	return entries
}

func logFields(t *testing.T, connect func() Store) {
	s := connect()
	must(t, s.Append(t.Context(), nil))
	check(t, "an empty log", page(t, s, audit.Filter{}, 10), nil)
	want := []audit.Entry{sample, {Time: at(0), Level: audit.Info, Event: "catalogue.refresh"}}
	must(t, s.Append(t.Context(), want))
	check(t, "entries", withoutIDs(page(t, s, audit.Filter{}, 10)), want)
	none, err := s.Page(t.Context(), audit.Filter{}, 0, 0)
	must(t, err)
	check(t, "a page of nothing", none, nil)
}

func logFilters(t *testing.T, connect func() Store) {
	s := connect()
	base := audit.Entry{Time: at(100), Level: audit.Info, Event: "request", KeyID: "k1", Status: 200, Provider: "p1", RequestID: "r1"}
	with := func(change func(*audit.Entry)) audit.Entry { e := base; change(&e); return e }
	entries := []audit.Entry{
		base,
		with(func(e *audit.Entry) { e.Level = audit.Error }),
		with(func(e *audit.Entry) { e.Event = "refresh" }),
		with(func(e *audit.Entry) { e.KeyID = "k2" }),
		with(func(e *audit.Entry) { e.Status = 404 }),
		with(func(e *audit.Entry) { e.Provider = "p2" }),
		with(func(e *audit.Entry) { e.RequestID = "r2" }),
		with(func(e *audit.Entry) { e.Time = at(99) }),
		with(func(e *audit.Entry) { e.Time = at(101) }),
		with(func(e *audit.Entry) { e.Time = at(102) }),
		with(func(e *audit.Entry) { e.Event = "' OR 1=1 --" }),
	}
	must(t, s.Append(t.Context(), entries))
	for _, c := range []struct {
		name   string
		filter audit.Filter
		want   []int
	}{
		{"all", audit.Filter{}, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10}},
		{"level", audit.Filter{Level: audit.Error}, []int{1}},
		{"event", audit.Filter{Event: "refresh"}, []int{2}},
		{"key", audit.Filter{Key: "k2"}, []int{3}},
		{"status", audit.Filter{Status: 404}, []int{4}},
		{"provider", audit.Filter{Provider: "p2"}, []int{5}},
		{"request id", audit.Filter{RequestID: "r2"}, []int{6}},
		{"from", audit.Filter{From: at(101)}, []int{8, 9}},
		{"from within a millisecond", audit.Filter{From: at(101).Add(time.Nanosecond)}, []int{9}},
		{"from another time zone", audit.Filter{From: at(101).In(time.FixedZone("", 5*3600))}, []int{8, 9}},
		{"to", audit.Filter{To: at(100)}, []int{7}},
		{"to within a millisecond", audit.Filter{To: at(99).Add(time.Nanosecond)}, []int{7}},
		{"from and to", audit.Filter{From: at(101), To: at(102)}, []int{8}},
		{"several", audit.Filter{Level: audit.Info, Status: 200, Key: "k1", Provider: "p1", RequestID: "r1", Event: "request", From: at(100), To: at(101)}, []int{0}},
		{"several that no entry has together", audit.Filter{Status: 404, Key: "k2"}, nil},
		{"in another case", audit.Filter{Event: "REFRESH"}, nil},
		{"SQL", audit.Filter{Event: "' OR 1=1 --"}, []int{10}},
		{"NUL", audit.Filter{Event: "request\x00"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			var want []audit.Entry
			for _, i := range c.want {
				want = append(want, entries[i])
			}
			check(t, "entries", withoutIDs(page(t, s, c.filter, 3)), want)
			n, err := s.Count(t.Context(), c.filter)
			must(t, err)
			check(t, "count", n, len(want))
		})
	}
}

func logPages(t *testing.T, connect func() Store) {
	s := connect()
	var want []audit.Entry
	for i := range 12_000 {
		want = append(want, audit.Entry{Time: at(-i), Level: audit.Info, Event: fmt.Sprint(i)}) // times fall while ids rise
	}
	must(t, s.Append(t.Context(), want))
	check(t, "entries", withoutIDs(page(t, s, audit.Filter{}, 999)), want)
}

// logFollow has replicas append while a reader follows: it gets every entry once, those of one append in order.
func logFollow(t *testing.T, connect func() Store) {
	stores := []Store{connect(), connect()}
	const writers, rounds, each = 6, 15, 5
	g, ctx := errgroup.WithContext(t.Context())
	for w := range writers {
		g.Go(func() error {
			for round := range rounds {
				entries := make([]audit.Entry, each)
				for i := range entries {
					entries[i] = audit.Entry{Time: at(0), Level: audit.Info, Event: fmt.Sprintf("%d-%02d", w, round*each+i)}
				}
				if err := stores[w%2].Append(ctx, entries); err != nil {
					return err
				}
			}
			return nil
		})
	}
	seen := map[string]int{}
	next := map[string]int{}
	g.Go(func() error {
		for after, left := int64(0), writers*rounds*each; left > 0; {
			entries, err := stores[0].Page(ctx, audit.Filter{}, after, 7)
			if err != nil {
				return err
			}
			for _, e := range entries {
				seen[e.Event]++
				writer, number, _ := strings.Cut(e.Event, "-")
				if want := fmt.Sprintf("%02d", next[writer]); number != want {
					return fmt.Errorf("writer %s: entry %s where %s was due", writer, number, want)
				}
				next[writer]++
				after = e.ID
			}
			left -= len(entries)
		}
		return nil
	})
	must(t, g.Wait())
	check(t, "entries", len(seen), writers*rounds*each)
}

func logPrune(t *testing.T, connect func() Store) {
	s := connect()
	entries := make([]audit.Entry, 25_000)
	for i := range entries {
		entries[i] = audit.Entry{Time: at(i), Level: audit.Info, Event: "x"}
	}
	must(t, s.Append(t.Context(), entries))
	for _, c := range []struct {
		before time.Time
		want   int
	}{{at(-1), 0}, {at(24_000), 24_000}, {at(24_000), 0}, {at(24_000).Add(time.Nanosecond), 1}} {
		n, err := s.Prune(t.Context(), c.before)
		must(t, err)
		check(t, "pruned", n, c.want)
	}
	left := page(t, s, audit.Filter{}, 1000)
	check(t, "left", withoutIDs(left), entries[24_001:])

	// A follower has the last id. What is appended to a log that was emptied comes after it.
	_, err := s.Prune(t.Context(), at(1_000_000))
	must(t, err)
	must(t, s.Append(t.Context(), []audit.Entry{sample}))
	after, err := s.Page(t.Context(), audit.Filter{}, left[len(left)-1].ID, 10)
	must(t, err)
	check(t, "appended after all was pruned", withoutIDs(after), []audit.Entry{sample})
}

func logText(t *testing.T, connect func() Store) {
	s := connect()
	e := sample
	e.Message, e.Route = "a\x00b", "/\xff\xfe/x"
	must(t, s.Append(t.Context(), []audit.Entry{e}))
	e.Message, e.Route = "a\uFFFDb", "/\uFFFD/x"
	check(t, "entries", withoutIDs(page(t, s, audit.Filter{}, 10)), []audit.Entry{e})
}

func logContext(t *testing.T, connect func() Store) {
	s := connect()
	_, pageErr := s.Page(canceled(), audit.Filter{}, 0, 1)
	_, countErr := s.Count(canceled(), audit.Filter{})
	_, pruneErr := s.Prune(canceled(), at(0))
	for what, err := range map[string]error{"page": pageErr, "count": countErr, "prune": pruneErr, "append": s.Append(canceled(), []audit.Entry{sample})} {
		if !errors.Is(err, context.Canceled) || fault.Is(err, fault.StoreUnavailable) {
			t.Errorf("%s with an ended context: %v", what, err)
		}
	}
}
