package storetest

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/coingraph/coingraph/audit"
	"github.com/coingraph/coingraph/auth"
	"github.com/coingraph/coingraph/fault"
)

var logTests = []test{
	{"segments", logSegments},
	{"a segment is stored once", logOnce},
	{"ranges", logRanges},
	{"a follower misses nothing", logFollow},
	{"prune", logPrune},
	{"flush", logFlush},
	{"audit entries", logActions},
	{"audit entries of concurrent actions", logActionsAtOnce},
	{"the signing key is one", logSigningKey},
	{"context", logContext},
}

// segment has lines from and to the seconds given.
func segment(name string, from, to int) audit.Segment {
	return audit.Segment{Name: name, Replica: "host", From: at(from), To: at(to), Lines: 3, Bytes: 1 << 40, Data: []byte("data of " + name)}
}

// headers are all segments of a range, read in small pages, without their numbers.
func headers(t *testing.T, s Store, r audit.Range) []audit.Segment {
	t.Helper()
	var all []audit.Segment
	for {
		page, err := s.Segments(context.Background(), r, 2)
		must(t, err)
		for i := range page {
			if page[i].Seq <= r.After {
				t.Fatalf("segment %d after %d", page[i].Seq, r.After)
			}
			r.After = page[i].Seq
			page[i].Seq = 0
		}
		all = append(all, page...)
		if len(page) < 2 {
			return all
		}
	}
}

func names(segments []audit.Segment) []string {
	var names []string
	for _, s := range segments {
		names = append(names, s.Name)
	}
	return names
}

func logSegments(t *testing.T, connect func() Store) {
	s := connect()
	last, err := s.LastSegment(t.Context())
	must(t, err)
	check(t, "the last of none", last, 0)
	large := segment("large", 5, 6)
	large.Data = make([]byte, 3<<20)
	_, _ = rand.Read(large.Data)
	want := []audit.Segment{segment("a", 10, 20), segment("b", 0, 0), large}
	for _, seg := range want {
		must(t, s.Ship(t.Context(), seg))
	}
	for i := range want {
		want[i].Data = nil
	}
	check(t, "headers", headers(t, s, audit.Range{}), want)
	last, err = s.LastSegment(t.Context())
	must(t, err)
	got, err := s.SegmentData(t.Context(), last)
	must(t, err)
	if !bytes.Equal(got, large.Data) {
		t.Errorf("%d bytes of data came back, other than the %d that were stored", len(got), len(large.Data))
	}
	none, err := s.SegmentData(t.Context(), last+1)
	must(t, err)
	check(t, "the data of no segment", none, nil)
}

func logOnce(t *testing.T, connect func() Store) {
	s := connect()
	must(t, s.Ship(t.Context(), segment("a", 0, 1)))
	again := segment("a", 5, 6)
	again.Data = []byte("other data")
	must(t, s.Ship(t.Context(), again))
	check(t, "segments", names(headers(t, s, audit.Range{})), []string{"a"})
	last, err := s.LastSegment(t.Context())
	must(t, err)
	all, err := s.Segments(t.Context(), audit.Range{}, 10)
	must(t, err)
	data, err := s.SegmentData(t.Context(), all[0].Seq)
	must(t, err)
	check(t, "the first one's data", string(data), "data of a")
	check(t, "the last", last, all[0].Seq)
}

func logRanges(t *testing.T, connect func() Store) {
	s := connect()
	for _, seg := range []audit.Segment{segment("0-10", 0, 10), segment("20-30", 20, 30), segment("5-25", 5, 25)} {
		must(t, s.Ship(t.Context(), seg))
	}
	// Within a millisecond a bound may take more, never less.
	fine := segment("fine", 40, 40)
	fine.From, fine.To = fine.From.Add(400*time.Microsecond), fine.To.Add(600*time.Microsecond)
	must(t, s.Ship(t.Context(), fine))
	all, err := s.Segments(t.Context(), audit.Range{}, 10)
	must(t, err)
	for _, c := range []struct {
		name string
		r    audit.Range
		want []string
	}{
		{"all", audit.Range{}, []string{"0-10", "20-30", "5-25", "fine"}},
		{"from", audit.Range{From: at(26)}, []string{"20-30", "fine"}},
		{"from a last line", audit.Range{From: at(30)}, []string{"20-30", "fine"}},
		{"from another time zone", audit.Range{From: at(31).In(time.FixedZone("", 5*3600))}, []string{"fine"}},
		{"to", audit.Range{To: at(6)}, []string{"0-10", "5-25"}},
		{"to a first line", audit.Range{To: at(5)}, []string{"0-10"}},
		{"between", audit.Range{From: at(11), To: at(19)}, []string{"5-25"}},
		{"nothing", audit.Range{From: at(31), To: at(35)}, nil},
		{"from within a millisecond", audit.Range{From: at(40).Add(600 * time.Microsecond)}, []string{"fine"}},
		{"to within a millisecond", audit.Range{From: at(31), To: at(40).Add(500 * time.Microsecond)}, []string{"fine"}},
		{"after", audit.Range{After: all[1].Seq}, []string{"5-25", "fine"}},
		{"up to", audit.Range{UpTo: all[1].Seq}, []string{"0-10", "20-30"}},
	} {
		check(t, c.name, names(headers(t, s, c.r)), c.want)
	}
}

// logFollow has replicas ship while a reader follows: it gets every segment once, those of one replica in order.
func logFollow(t *testing.T, connect func() Store) {
	stores := []Store{connect(), connect()}
	const writers, each = 6, 20
	g, ctx := errgroup.WithContext(t.Context())
	for w := range writers {
		g.Go(func() error {
			for i := range each {
				if err := stores[w%2].Ship(ctx, segment(fmt.Sprintf("%d/%02d", w, i), 0, 1)); err != nil {
					return err
				}
			}
			return nil
		})
	}
	next := map[byte]int{}
	g.Go(func() error {
		for after, left := int64(0), writers*each; left > 0; {
			page, err := stores[0].Segments(ctx, audit.Range{After: after}, 7)
			if err != nil {
				return err
			}
			for _, seg := range page {
				w := seg.Name[0]
				if want := fmt.Sprintf("%c/%02d", w, next[w]); seg.Name != want {
					return fmt.Errorf("segment %s where %s was due", seg.Name, want)
				}
				next[w]++
				after = seg.Seq
			}
			left -= len(page)
		}
		return nil
	})
	must(t, g.Wait())
}

func logPrune(t *testing.T, connect func() Store) {
	s := connect()
	for i := range 250 {
		must(t, s.Ship(t.Context(), segment(fmt.Sprintf("%03d", i), i, i)))
	}
	for _, c := range []struct {
		before time.Time
		want   int
	}{{at(-1), 0}, {at(240), 240}, {at(240), 0}, {at(240).Add(time.Nanosecond), 1}} {
		n, err := s.PruneSegments(t.Context(), c.before)
		must(t, err)
		check(t, "pruned", n, c.want)
	}
	check(t, "left", len(headers(t, s, audit.Range{})), 9)

	// A follower has the last number. What is shipped to a log that was emptied comes after it.
	last, err := s.LastSegment(t.Context())
	must(t, err)
	_, err = s.PruneSegments(t.Context(), at(1_000_000))
	must(t, err)
	must(t, s.Ship(t.Context(), segment("new", 0, 1)))
	check(t, "shipped after all was pruned", names(headers(t, s, audit.Range{After: last})), []string{"new"})
}

func logFlush(t *testing.T, connect func() Store) {
	s, other := connect(), connect()
	ticket := func(s Store) int64 {
		t.Helper()
		n, err := s.Ticket(t.Context())
		must(t, err)
		return n
	}
	beat := func(s Store, replica string, flushed, want int64) {
		t.Helper()
		n, err := s.Beat(t.Context(), replica, flushed)
		must(t, err)
		check(t, "the ticket that a beat gives", n, want)
	}
	laggards := func(ticket int64, want ...string) {
		t.Helper()
		have, err := s.Laggards(t.Context(), ticket)
		must(t, err)
		check(t, fmt.Sprintf("laggards of ticket %d", ticket), have, want)
	}
	check(t, "the ticket of nobody", ticket(s), 0)
	beat(s, "a", 0, 0)
	beat(other, "b", 0, 0)
	first, err := s.RequestFlush(t.Context(), nil)
	must(t, err)
	check(t, "the first ticket", first, 1)
	check(t, "as another sees it", ticket(other), 1)
	laggards(1, "a", "b")
	beat(other, "b", 1, 1)
	laggards(1, "a")
	second, err := other.RequestFlush(t.Context(), nil)
	must(t, err)
	laggards(second, "a", "b")
	beat(s, "a", second, second)
	laggards(first)
	laggards(second, "b")
	beat(s, "a", 0, second) // a beat that was late takes nothing back
	laggards(second, "b")
	must(t, s.Leave(t.Context(), "b"))
	laggards(second)
	must(t, s.Leave(t.Context(), "nobody"))
}

func logActions(t *testing.T, connect func() Store) {
	s := connect()
	ctx := auth.WithActor(t.Context(), auth.Operator())
	must(t, s.ShipActions(ctx))
	check(t, "segments without an action", len(headers(t, s, audit.Range{})), 0)

	before := time.Now().Add(-time.Second)
	key := auth.StoredKey{ID: "key_1", Name: "web", Tier: "public", Hash: [32]byte{1}, CreatedAt: at(0)}
	must(t, s.InsertKey(ctx, key))
	taken := key
	taken.ID, taken.Hash = "key_2", [32]byte{2}
	if err := s.InsertKey(ctx, taken); !fault.Is(err, fault.BadInput) {
		t.Fatalf("a name that is taken: %v", err)
	}
	for range 2 {
		_, _, err := s.RevokeKey(ctx, key.ID, at(5))
		must(t, err)
	}
	_, _, err := s.RevokeKey(ctx, "key_none", at(5))
	must(t, err)
	_, err = s.RequestFlush(ctx, &audit.Action{Event: "log.export", Message: "exported"})
	must(t, err)

	must(t, s.ShipActions(ctx))
	must(t, s.ShipActions(ctx))
	all := headers(t, s, audit.Range{})
	check(t, "segments", len(all), 1)
	check(t, "entries", all[0].Lines, 3) // what changed nothing has none
	if all[0].From.Before(before) || all[0].To.After(time.Now().Add(time.Second)) {
		t.Errorf("a segment from %v to %v", all[0].From, all[0].To)
	}
}

// logActionsAtOnce has actions committed while entries are shipped: each is shipped once.
func logActionsAtOnce(t *testing.T, connect func() Store) {
	stores := []Store{connect(), connect()}
	const workers, each = 4, 15
	g, ctx := errgroup.WithContext(t.Context())
	for w := range workers {
		g.Go(func() error {
			for range each {
				if _, err := stores[w%2].RequestFlush(ctx, &audit.Action{Event: "x"}); err != nil {
					return err
				}
				if err := stores[w%2].ShipActions(ctx); err != nil {
					return err
				}
			}
			return nil
		})
	}
	must(t, g.Wait())
	must(t, stores[0].ShipActions(t.Context()))
	total := 0
	for _, seg := range headers(t, stores[0], audit.Range{}) {
		total += seg.Lines
	}
	check(t, "entries", total, workers*each)
}

func logSigningKey(t *testing.T, connect func() Store) {
	stores := []Store{connect(), connect()}
	keys := make([][]byte, 8)
	g, ctx := errgroup.WithContext(t.Context())
	for i := range keys {
		g.Go(func() (err error) {
			if i == 3 {
				_, err = stores[1].RequestFlush(ctx, nil)
			}
			if err == nil {
				keys[i], err = stores[i%2].SigningKey(ctx)
			}
			return err
		})
	}
	must(t, g.Wait())
	for _, key := range keys {
		if len(key) < 32 || !slices.Equal(key, keys[0]) {
			t.Fatalf("keys of %d and %d bytes, which must be one", len(key), len(keys[0]))
		}
	}
}

func logContext(t *testing.T, connect func() Store) {
	s := connect()
	_, segmentsErr := s.Segments(canceled(), audit.Range{}, 1)
	_, dataErr := s.SegmentData(canceled(), 1)
	_, lastErr := s.LastSegment(canceled())
	_, pruneErr := s.PruneSegments(canceled(), at(0))
	_, flushErr := s.RequestFlush(canceled(), nil)
	_, ticketErr := s.Ticket(canceled())
	_, beatErr := s.Beat(canceled(), "a", 0)
	_, laggardsErr := s.Laggards(canceled(), 1)
	_, keyErr := s.SigningKey(canceled())
	for what, err := range map[string]error{
		"segments": segmentsErr, "data": dataErr, "last": lastErr, "prune": pruneErr, "flush": flushErr, "ticket": ticketErr, "beat": beatErr,
		"laggards": laggardsErr, "signing key": keyErr, "ship": s.Ship(canceled(), segment("a", 0, 1)), "actions": s.ShipActions(canceled()), "leave": s.Leave(canceled(), "a"),
	} {
		if !errors.Is(err, context.Canceled) || fault.Is(err, fault.StoreUnavailable) {
			t.Errorf("%s with an ended context: %v", what, err)
		}
	}
}
