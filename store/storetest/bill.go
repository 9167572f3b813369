package storetest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/coingraph/coingraph/bill"
	"github.com/coingraph/coingraph/fault"
)

var billTests = []test{
	{"calls add up", billAddsUp},
	{"split", billSplit},
	{"by key and minute", billCalls},
	{"since", billSince},
	{"rows", billRows},
	{"texts", billTexts},
	{"concurrent booking", billConcurrent},
	{"prune", billPrune},
	{"context", billContext},
}

// line is a call of bitcoin's chart, so many minutes after the epoch.
func line(minutes int, change func(*bill.Line)) bill.Line {
	l := bill.Line{
		Minute: at(60 * minutes), Provider: "acme", Key: "k1", Lane: "interactive", Operation: "/chart", Asset: "bitcoin", Caller: "web", Calls: 1,
	}
	if change != nil {
		change(&l)
	}
	return l
}

func book(t *testing.T, s Store, lines ...bill.Line) {
	t.Helper()
	must(t, s.Book(t.Context(), lines))
}

// spend is a bill as name calls/failed.
func spend(t *testing.T, s Store, by bill.By, since time.Time) string {
	t.Helper()
	rows, err := s.Spend(t.Context(), "acme", by, since, 1000)
	must(t, err)
	parts := make([]string, len(rows))
	for i, r := range rows {
		name := "-"
		if r.Name != nil {
			name = *r.Name
		}
		parts[i] = fmt.Sprintf("%s %d/%d", name, r.Calls, r.Failed)
	}
	return strings.Join(parts, ", ")
}

func billAddsUp(t *testing.T, connect func() Store) {
	a, b := connect(), connect()
	late := func(l *bill.Line) { l.Minute = l.Minute.Add(59 * time.Second) } // still the same minute
	bad := func(l *bill.Line) { l.Calls, l.Failed = 3, 2 }
	book(t, a, line(0, nil), line(0, late), line(1, nil))
	book(t, b, line(0, bad))
	book(t, a)
	check(t, "the bill", spend(t, b, bill.ByKey, epoch), "web 6/2")
}

func billSplit(t *testing.T, connect func() Store) {
	s := connect()
	book(t, s,
		line(0, func(l *bill.Line) { l.Calls = 5 }),
		line(1, func(l *bill.Line) { l.Asset, l.Caller, l.Operation = "", "", "/list" }),
		line(1, func(l *bill.Line) { l.Asset, l.Lane, l.Failed = "ethereum", "backfill", 1 }),
		line(2, func(l *bill.Line) { l.Caller, l.Key = "app", "k2" }),
		line(2, func(l *bill.Line) { l.Provider, l.Caller = "other", "elsewhere" }),
	)
	for by, want := range map[bill.By]string{
		bill.ByKey: "web 6/1, - 1/0, app 1/0", bill.ByOperation: "/chart 7/1, /list 1/0",
		bill.ByAsset: "bitcoin 6/0, - 1/0, ethereum 1/1", bill.ByLane: "interactive 7/0, backfill 1/1",
	} {
		check(t, string(by), spend(t, s, by, epoch), want)
	}
	none, err := s.Spend(t.Context(), "nobody", bill.ByKey, epoch, 10)
	if err != nil || len(none) != 0 {
		t.Errorf("got %v, %v", none, err)
	}
}

func billCalls(t *testing.T, connect func() Store) {
	s := connect()
	book(t, s, line(0, nil), line(0, func(l *bill.Line) { l.Asset = "ethereum" }), line(0, func(l *bill.Line) { l.Key = "k2" }), line(3, nil))
	got, err := s.Calls(t.Context(), "acme", at(0))
	must(t, err)
	slices.SortFunc(got, func(a, b bill.Line) int { return cmp.Or(cmp.Compare(a.Key, b.Key), a.Minute.Compare(b.Minute)) })
	check(t, "the calls", got, []bill.Line{
		{Minute: at(0), Key: "k1", Calls: 2}, {Minute: at(180), Key: "k1", Calls: 1}, {Minute: at(0), Key: "k2", Calls: 1},
	})
}

func billSince(t *testing.T, connect func() Store) {
	s := connect()
	book(t, s, line(0, nil), line(1, nil), line(2, nil))
	for after, want := range map[time.Duration]string{
		0: "web 3/0", 59 * time.Second: "web 3/0", time.Minute: "web 2/0", 2*time.Minute + time.Second: "web 1/0", 3 * time.Minute: "",
	} {
		check(t, after.String(), spend(t, s, bill.ByKey, epoch.Add(after)), want)
		elsewhere := epoch.Add(after).In(time.FixedZone("", -5*3600))
		check(t, "elsewhere", spend(t, s, bill.ByKey, elsewhere), want)
	}
}

func billRows(t *testing.T, connect func() Store) {
	s := connect()
	lines := make([]bill.Line, 6000) // more than a statement inserts
	for i := range lines {
		lines[i] = line(0, func(l *bill.Line) { l.Caller, l.Calls = fmt.Sprintf("key-%04d", i), 1+i%2 })
	}
	book(t, s, lines...)
	rows, err := s.Spend(t.Context(), "acme", bill.ByKey, epoch, 3)
	must(t, err)
	if len(rows) != 3 || *rows[0].Name != "key-0001" || rows[0].Calls != 2 || *rows[2].Name != "key-0005" {
		t.Errorf("got %v", rows)
	}
}

func billTexts(t *testing.T, connect func() Store) {
	s := connect()
	for _, text := range []string{"it's \\ ? $1 \"x\" @rows ops.upstream_calls", "' OR 1=1 --", "é", "e\u0301", "🚀"} {
		book(t, s, line(0, func(l *bill.Line) { l.Caller = text }))
		rows, err := s.Spend(t.Context(), "acme", bill.ByKey, epoch, 10)
		must(t, err)
		if !slices.ContainsFunc(rows, func(r bill.Row) bool { return r.Name != nil && *r.Name == text && r.Calls == 1 }) {
			t.Errorf("%q is not among %v", text, rows)
		}
	}
	book(t, s, line(0, func(l *bill.Line) { l.Caller = "a\x00b" }), line(0, func(l *bill.Line) { l.Caller = "a\xffb" }))
	if got := spend(t, s, bill.ByKey, epoch); !strings.HasPrefix(got, "a\uFFFDb 2/0") {
		t.Errorf("got %q", got)
	}
}

func billConcurrent(t *testing.T, connect func() Store) {
	stores := []Store{connect(), connect()}
	var group errgroup.Group
	for i := range 8 {
		group.Go(func() error {
			for range 5 {
				var lines []bill.Line
				for j := range 10 {
					lines = append(lines, line((i+j)%10, nil)) // each in an order of its own
				}
				if err := stores[i%2].Book(t.Context(), lines); err != nil {
					return err
				}
			}
			return nil
		})
	}
	must(t, group.Wait())
	check(t, "the bill", spend(t, stores[0], bill.ByKey, epoch), "web 400/0")
}

func billPrune(t *testing.T, connect func() Store) {
	s := connect()
	book(t, s, line(0, nil), line(1, nil), line(2, nil))
	n, err := s.PruneBill(t.Context(), at(60).Add(30*time.Second))
	must(t, err)
	if got := spend(t, s, bill.ByKey, epoch); n != 1 || got != "web 2/0" {
		t.Errorf("%d pruned, left is %s", n, got)
	}
}

func billContext(t *testing.T, connect func() Store) {
	s := connect()
	_, errSpend := s.Spend(canceled(), "acme", bill.ByKey, epoch, 1)
	_, errCalls := s.Calls(canceled(), "acme", epoch)
	_, errPrune := s.PruneBill(canceled(), epoch)
	for i, err := range []error{s.Book(canceled(), []bill.Line{line(0, nil)}), errSpend, errCalls, errPrune} {
		if err == nil || fault.Is(err, fault.StoreUnavailable) {
			t.Errorf("%d: got %v", i, err)
		}
	}
}
