package history_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/coingraph/coingraph/history"
	"github.com/coingraph/coingraph/market"
	"github.com/coingraph/coingraph/store"
)

var (
	now  = time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)
	null = math.NaN()
	btc  = market.SeriesKey{Asset: "bitcoin", Currency: "usd", Interval: market.Daily}
	mvrv = market.SeriesKey{Asset: "bitcoin", Metric: market.MVRV, Interval: market.Hourly}
)

// bits takes doubles bit by bit, NaN being null whatever its bits.
var bits = cmp.Comparer(func(a, b float64) bool { return math.Float64bits(a) == math.Float64bits(b) || a != a && b != b })

func open(t testing.TB) *store.Store {
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

func day(n int) int64 { return time.Date(2025, 1, n, 0, 0, 0, 0, time.UTC).UnixMilli() }

func points(t testing.TB, s *store.Store, key market.SeriesKey) []market.Point {
	t.Helper()
	h, err := s.Histories(t.Context(), []market.Window{{SeriesKey: key, Range: market.Range{From: 0, To: 1 << 45}}})
	if err != nil {
		t.Fatal(err)
	}
	return h[0].Points
}

func export(t testing.TB, s *store.Store, format string, keys ...market.SeriesKey) string {
	t.Helper()
	var out bytes.Buffer
	w := history.NewNDJSONWriter(&out)
	if format == "csv" {
		var err error
		if w, err = history.NewCSVWriter(&out, keys); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := history.Export(t.Context(), s, keys, market.Range{From: 0, To: now.UnixMilli()}, w); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func defaults(key market.SeriesKey) history.Defaults {
	return history.Defaults{SeriesKey: key, Source: history.DefaultSource, FetchedAt: now}
}

func runImport(t testing.TB, s history.Store, r history.Reader, guard market.Guard) (history.Imported, []string) {
	t.Helper()
	var bad []string
	im := history.Import{Store: s, Guard: guard, Bad: func(e history.LineError) { bad = append(bad, e.Error()) }}
	done, err := im.Run(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	return done, bad
}

func csvReader(t testing.TB, text string, key market.SeriesKey) history.Reader {
	t.Helper()
	r, err := history.NewCSVReader(strings.NewReader(text), defaults(key), now)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

var values = rapid.OneOf(
	rapid.SampledFrom([]float64{0, math.Copysign(0, -1), 5e-324, 1.2e-07, 0.1, 123456789012345.67, 1e21, 1 << 53, math.MaxFloat64, null}),
	rapid.Float64Range(0, math.MaxFloat64),
)

// draw makes a series of any values, stamps and sources.
func draw(t *rapid.T, key market.SeriesKey) []market.Point {
	var out []market.Point
	stamp := day(1)
	for range rapid.IntRange(0, 20).Draw(t, "n") {
		stamp += rapid.Int64Range(1, 3*key.Interval.Step()).Draw(t, "later")
		p := market.Point{
			Stamp: stamp, Price: values.Draw(t, "price"), MarketCap: null, Volume: null,
			Source: rapid.SampledFrom([]string{"coingecko", "coin_metrics.v4", "import"}).Draw(t, "source"), FetchedAt: time.UnixMilli(rapid.Int64Range(day(1), now.UnixMilli()).Draw(t, "fetched")).UTC(),
		}
		missing := func(v *float64, bit market.Missing) {
			if *v != *v && rapid.Bool().Draw(t, "missing") {
				p.Missing |= bit
			}
		}
		missing(&p.Price, market.MissingPrice)
		if !key.OnChain() {
			p.MarketCap, p.Volume = values.Draw(t, "cap"), values.Draw(t, "volume")
			missing(&p.MarketCap, market.MissingMarketCap)
			missing(&p.Volume, market.MissingVolume)
		}
		out = append(out, p)
	}
	return out
}

// TestNDJSONIsEqual: what was exported and imported elsewhere is equal, bit for bit, and exports the same bytes again.
func TestNDJSONIsEqual(t *testing.T) {
	from, to, run := open(t), open(t), 0
	rapid.Check(t, func(r *rapid.T) {
		run++
		chart, metric := btc, mvrv
		chart.Asset, metric.Asset = fmt.Sprint("asset-", run), fmt.Sprint("asset-", run)
		for _, key := range []market.SeriesKey{chart, metric} {
			w := market.SeriesWrite{SeriesKey: key}
			w.Points = draw(r, key)
			if err := from.SaveSeries(t.Context(), w); err != nil {
				r.Fatal(err)
			}
		}
		text := export(t, from, "ndjson", chart, metric)
		done, bad := runImport(t, to, history.NewNDJSONReader(strings.NewReader(text), history.Defaults{}, now), market.Guard{})
		if len(bad) > 0 || done.Stored != strings.Count(text, "\n") {
			r.Fatalf("%+v, %v", done, bad)
		}
		for _, key := range []market.SeriesKey{chart, metric} {
			if d := cmp.Diff(points(t, from, key), points(t, to, key), bits); d != "" {
				r.Fatal(d)
			}
		}
		if again := export(t, to, "ndjson", chart, metric); again != text {
			r.Fatalf("exported\n%sand then\n%s", text, again)
		}
	})
}

// TestCSV: the stamps and values come through; source and time of the fetch become those of the import, missing becomes null.
func TestCSV(t *testing.T) {
	from, to := open(t), open(t)
	w := market.SeriesWrite{SeriesKey: btc}
	w.Points = []market.Point{
		{Stamp: day(1), Price: 0.1, MarketCap: 1e21, Volume: null, Source: "coingecko", FetchedAt: now},
		{Stamp: day(2) + 17, Price: 5e-324, MarketCap: null, Volume: 0, Missing: market.MissingMarketCap, Source: "coingecko", FetchedAt: now},
	}
	metric := market.SeriesWrite{SeriesKey: mvrv}
	metric.Points = []market.Point{{Stamp: day(1), Price: -1.5, MarketCap: null, Volume: null, Source: "x", FetchedAt: now}}
	ether := w
	ether.Asset = "ethereum"
	for _, w := range []market.SeriesWrite{w, ether, metric} {
		if err := from.SaveSeries(t.Context(), w); err != nil {
			t.Fatal(err)
		}
	}
	one := export(t, from, "csv", btc)
	if want := "timestamp,price,market_cap,volume\n1735689600000,0.1,1e+21,\n1735776000017,5e-324,,0\n"; one != want {
		t.Fatalf("got %q, want %q", one, want)
	}
	runImport(t, to, csvReader(t, one, btc), market.Guard{})
	want := slices.Clone(w.Points)
	for i := range want {
		want[i].Source, want[i].Missing = "import", 0
	}
	if d := cmp.Diff(want, points(t, to, btc), bits); d != "" {
		t.Error(d)
	}

	both := export(t, from, "csv", btc, ether.SeriesKey)
	if !strings.HasPrefix(both, "asset,currency,interval,timestamp,price,market_cap,volume\nbitcoin,usd,daily,1735689600000,") {
		t.Errorf("got %q", both)
	}
	if done, bad := runImport(t, to, csvReader(t, both, market.SeriesKey{}), market.Guard{}); done.Stored != 4 || len(bad) > 0 {
		t.Errorf("%+v, %v", done, bad)
	}
	if got := export(t, from, "csv", mvrv); got != "timestamp,value\n1735689600000,-1.5\n" {
		t.Errorf("got %q", got)
	}
	runImport(t, to, csvReader(t, export(t, from, "csv", mvrv), mvrv), market.Guard{})
	if got := points(t, to, mvrv); len(got) != 1 || got[0].Price != -1.5 {
		t.Errorf("got %+v", got)
	}
}

func TestOtherPeoplesCSV(t *testing.T) {
	s := open(t)
	text := "\uFEFF\"price\", timestamp ,volume\r\n\r\n 1.5 ,2025-01-01T00:00:00Z,\r\n\"2.5\",2025-01-02T01:00:00+01:00,7"
	text = strings.Replace(text, "\"price\", timestamp ,", "price,timestamp,", 1)
	if done, bad := runImport(t, s, csvReader(t, text, btc), market.Guard{}); done.Stored != 2 || len(bad) > 0 {
		t.Fatalf("%+v, %v", done, bad)
	}
	if got := points(t, s, btc); len(got) != 2 || got[0].Price != 1.5 || got[1].Stamp != day(2) || got[1].Volume != 7 {
		t.Errorf("got %+v", got)
	}
	for _, header := range []string{"", "\n", "price", "timestamp", "timestamp,price,value", "timestamp,price,price", "timestamp,price,colour", `timestamp,"price`} {
		if _, err := history.NewCSVReader(strings.NewReader(header), defaults(btc), now); err == nil {
			t.Errorf("the header %q was taken", header)
		}
	}
}

// TestBadLines: each is named, and of its batch nothing is stored.
func TestBadLines(t *testing.T) {
	s := open(t)
	var text strings.Builder
	text.WriteString("timestamp,price\n")
	hourly := btc
	hourly.Interval = market.Hourly
	for i := range 7000 { // two batches
		fmt.Fprintf(&text, "%d,%d\n", day(1)+int64(i)*hourly.Interval.Step(), 1)
		if i == 6000 {
			text.WriteString("1735689600000,1\nx,1\n1,1\n9999999999999,1\n1767225600000,-1\n1767225600000,NaN\n1767225600000,0x1p-2\n1767225600000,1e999\n1767225600000\n\"1767225600000,1\n")
		}
	}
	done, bad := runImport(t, s, csvReader(t, text.String(), hourly), market.Guard{})
	if want := (history.Imported{Stored: 5000, Refused: 2000, Bad: 10}); done != want {
		t.Errorf("got %+v, want %+v", done, want)
	}
	for i, message := range bad {
		if !strings.HasPrefix(message, fmt.Sprintf("line %d: ", 6003+i)) {
			t.Errorf("bad line %d is named %q", 6003+i, message)
		}
	}
	if got := len(points(t, s, hourly)); got != 5000 {
		t.Errorf("%d points are stored", got)
	}

	for _, line := range []string{
		`{}`, `[]`, `1`, `{"asset":"bitcoin"}`, `{"asset":"bitcoin","currency":"usd","interval":"daily","timestamp":1735689600000,"price":1} {}`,
		`{"asset":"bitcoin","currency":"usd","metric":"mvrv","interval":"daily","timestamp":1735689600000,"price":1}`,
		`{"asset":"bitcoin","currency":"nonesuch","interval":"daily","timestamp":1735689600000,"price":1}`,
		`{"asset":"bitcoin","currency":"usd","interval":"weekly","timestamp":1735689600000,"price":1}`,
		`{"asset":"bitcoin","currency":"usd","interval":"daily","timestamp":1735689600000,"value":1}`,
		`{"asset":"bitcoin","currency":"usd","interval":"daily","timestamp":1735689600000,"price":"1"}`,
		`{"asset":"bitcoin","currency":"usd","interval":"daily","timestamp":1735689600000,"price":1,"colour":1}`,
		`{"asset":"bitcoin","currency":"usd","interval":"daily","timestamp":1735689600.5,"price":1}`,
		`{"asset":"bitcoin","currency":"usd","interval":"daily","timestamp":1735689600000,"price":1,"source":"A B"}`,
		`{"asset":"bitcoin","currency":"usd","interval":"daily","timestamp":1735689600000,"price":1,"fetched_at":1}`,
		`{"asset":"../x y","currency":"usd","interval":"daily","timestamp":1735689600000,"price":-1}`,
	} {
		d := history.Defaults{Source: "import", FetchedAt: now}
		if _, _, err := history.NewNDJSONReader(strings.NewReader(line), d, now).Read(); !errors.As(err, new(history.LineError)) {
			t.Errorf("%s: %v", line, err)
		}
	}
	long := history.NewNDJSONReader(strings.NewReader("{}\n"+strings.Repeat("x", 1<<20)), history.Defaults{}, now)
	_, _, _ = long.Read()
	if _, _, err := long.Read(); err == nil || errors.Is(err, io.EOF) || errors.As(err, new(history.LineError)) || !strings.Contains(err.Error(), "line 2") {
		t.Errorf("a line of a megabyte: %v", err)
	}
}

// TestImportsAreKnown: nobody is asked for what was imported, but for what had not settled; and older never wins.
func TestImportsAreKnown(t *testing.T) {
	s := open(t)
	newer := market.SeriesWrite{SeriesKey: btc}
	newer.Source, newer.FetchedAt = "coingecko", now.Add(time.Hour)
	newer.Points = []market.Point{{Stamp: day(2) + 5, Price: 7, MarketCap: null, Volume: null, Source: "coingecko", FetchedAt: newer.FetchedAt}}
	older := newer
	older.FetchedAt = now.Add(-time.Hour)
	older.Points = []market.Point{{Stamp: day(3) + 5, Price: 8, MarketCap: null, Volume: null, Source: "coingecko", FetchedAt: older.FetchedAt}, {Stamp: day(6), Price: 9, MarketCap: null, Volume: null, Source: "coingecko", FetchedAt: older.FetchedAt}}
	for _, w := range []market.SeriesWrite{newer, older} {
		if err := s.SaveSeries(t.Context(), w); err != nil {
			t.Fatal(err)
		}
	}
	var text strings.Builder
	text.WriteString("timestamp,price\n")
	for _, d := range []int{1, 2, 3, 5, 7} {
		fmt.Fprintf(&text, "%d,1\n", day(d))
	}
	today := time.Date(2026, 3, 10, 0, 0, 0, 0, time.UTC).UnixMilli()
	fmt.Fprintf(&text, "%d,1\n", today)
	r, err := history.NewCSVReader(strings.NewReader(text.String()), history.Defaults{SeriesKey: btc, Source: "mine", FetchedAt: time.UnixMilli(today).Add(90 * time.Minute).UTC()}, now)
	if err != nil {
		t.Fatal(err)
	}
	// Fetched after both of those that are stored, so this import is of an earlier time than the first of them only.
	runImport(t, s, r, market.Guard{})
	h, err := s.Histories(t.Context(), []market.Window{{SeriesKey: btc, Range: market.Range{From: 0, To: 1 << 45}}})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range h[0].Points {
		got = append(got, fmt.Sprint(p.Stamp-btc.Interval.Snap(p.Stamp), " ", p.Price, " ", p.Source))
	}
	want := []string{"0 1 mine", "5 7 coingecko", "5 8 coingecko", "0 1 mine", "0 9 coingecko", "0 1 mine", "0 1 mine"}
	if !slices.Equal(got, want) {
		t.Errorf("stored %q, want %q", got, want)
	}
	var known []string
	for _, k := range h[0].Known {
		known = append(known, fmt.Sprint(k.Provider, " ", (k.To-k.From)/btc.Interval.Step(), " ", k.DueAt > 0, " ", k.Hole))
	}
	if want := []string{"mine 3 false ", "mine 1 false ", "mine 1 false ", "mine 1 true "}; !slices.Equal(known, want) {
		t.Errorf("known %q, want %q", known, want)
	}
}

// TestTheGuardJudgesImports, also across batches.
func TestTheGuardJudgesImports(t *testing.T) {
	s := open(t)
	hourly := btc
	hourly.Interval = market.Hourly
	var text strings.Builder
	text.WriteString("timestamp,price\n")
	for i := range 10_000 {
		price := 100
		if i == 10 || i == 4999 || i == 5000+7 {
			price = 5000
		}
		fmt.Fprintf(&text, "%d,%d\n", day(1)+int64(i)*hourly.Interval.Step(), price)
	}
	done, _ := runImport(t, s, csvReader(t, text.String(), hourly), market.Guard{Factor: 20})
	if done.Stored != 9997 || done.Quarantined != 3 || len(points(t, s, hourly)) != 9997 {
		t.Errorf("%+v", done)
	}
	again, _ := runImport(t, s, csvReader(t, text.String(), hourly), market.Guard{Factor: 20})
	if entries, err := s.Quarantine(t.Context(), 0, 10); err != nil || len(entries) != 3 || len(points(t, s, hourly)) != 9997 {
		t.Errorf("again: %+v, %d entries, %v", again, len(entries), err)
	}
}

// rows makes lines of NDJSON as they are read.
type rows struct {
	n, of int
	buf   []byte
	live  *uint64 // the most memory that was in use
}

func (r *rows) Read(b []byte) (int, error) {
	for len(r.buf) < len(b) && r.n < r.of {
		r.buf = fmt.Appendf(r.buf, `{"asset":"bitcoin","currency":"usd","interval":"5m","timestamp":%d,"price":%d.5,"market_cap":1,"volume":null,"source":"x","fetched_at":1767225600000}`+"\n",
			day(1)-int64(r.of-r.n)*300_000, r.n)
		if r.n++; r.n%(r.of/8) == 0 {
			*r.live = max(*r.live, live())
		}
	}
	n := copy(b, r.buf)
	r.buf = r.buf[:copy(r.buf, r.buf[n:])]
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

func live() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// counter counts lines, and looks at the memory from time to time.
type counter struct {
	lines, writes int
	live          *uint64
}

func (c *counter) Write(b []byte) (int, error) {
	c.lines += bytes.Count(b, []byte("\n"))
	if c.writes++; c.writes%1000 == 0 {
		*c.live = max(*c.live, live())
	}
	return len(b), nil
}

// flatMemory imports and exports so many rows, and fails if that takes much more memory at any time than before.
func flatMemory(t *testing.T, n int) {
	t.Helper()
	s := open(t)
	key := btc
	key.Interval = market.FiveMinutely
	before, most := live(), uint64(0)
	done, bad := runImport(t, s, history.NewNDJSONReader(&rows{of: n, live: &most}, history.Defaults{}, now), market.Guard{})
	if done.Stored != n || len(bad) > 0 {
		t.Fatalf("%+v, %v", done, bad)
	}
	out := &counter{live: &most}
	if got, err := history.Export(t.Context(), s, []market.SeriesKey{key}, market.Range{From: 0, To: now.UnixMilli()}, history.NewNDJSONWriter(out)); err != nil || got != n || out.lines != n {
		t.Fatalf("exported %d rows, %d lines: %v", got, out.lines, err)
	}
	const allowed = 24 << 20
	t.Logf("%d rows: %d KiB in use before, %d KiB at most", n, before>>10, most>>10)
	if most > before+allowed {
		t.Errorf("%d rows took %d MiB more than before", n, (most-before)>>20)
	}
}

func TestFlatMemory(t *testing.T) { flatMemory(t, 60_000) }
