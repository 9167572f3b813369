package coingecko

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/coingraph/coingraph/fault"
	"github.com/coingraph/coingraph/fetch/wire"
	"github.com/coingraph/coingraph/fetch/wire/wiretest"
	"github.com/coingraph/coingraph/market"
)

var chartColumns = [...]string{"prices", "market_caps", "total_volumes"}

// plainChart is another reading of a chart's body: rows by stamp and column, each value as the text that stands there.
func plainChart(t *testing.T, body []byte) map[int64][3]string {
	t.Helper()
	var chart map[string][][2]json.RawMessage
	if err := json.Unmarshal(body, &chart); err != nil {
		t.Fatal(err)
	}
	rows := map[int64][3]string{}
	for i, name := range chartColumns {
		for _, row := range chart[name] {
			stamp, err := strconv.ParseInt(string(row[0]), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			r := rows[stamp]
			r[i] = string(row[1])
			rows[stamp] = r
		}
	}
	return rows
}

// samePoint compares a point with the texts of a body.
func samePoint(p market.Point, want [3]string) error {
	for i, v := range [...]float64{p.Price, p.MarketCap, p.Volume} {
		missing := p.Missing&(1<<i) != 0
		switch {
		case missing != (want[i] == ""):
			return fmt.Errorf("%s: missing is %t", chartColumns[i], missing)
		case want[i] == "" || want[i] == "null":
			if !math.IsNaN(v) {
				return fmt.Errorf("%s: %v for no value", chartColumns[i], v)
			}
		default:
			f, err := strconv.ParseFloat(want[i], 64)
			if err != nil || math.Float64bits(f) != math.Float64bits(v) {
				return fmt.Errorf("%s: %v for %s", chartColumns[i], v, want[i])
			}
		}
	}
	return nil
}

// TestRecordedCharts reads each recorded chart over HTTP and compares it, bit for bit, with the numbers that stand in it.
func TestRecordedCharts(t *testing.T) {
	want := map[string]struct {
		interval market.Interval
		points   int
		tail     int64 // 0: none
	}{
		"market_chart__bitcoin_usd_1d__interval_daily_precision_6.json": {market.Daily, 1, 1704125232000},
		"market_chart__bitcoin_usd_7d__hourly.json":                     {market.Hourly, 168, 1696963303000},
		"market_chart__ethereum_jpy_daily__tail.json":                   {market.Daily, 4, 1654874261000},
		"market_chart__ethereum_usd_1d__2020__truncated.json":           {market.FiveMinutely, 3, 0},
		"market_chart__ethereum_usd_1d_daily__2points.json":             {market.Daily, 1, 1654871975000},
		"market_chart__ethereum_vnd_daily__tail.json":                   {market.Daily, 4, 1654893557000},
		"market_chart__stellar_usd_7d_daily__truncated.json":            {market.Daily, 3, 0},
		"market_chart__terra-luna_usd_max__daily.json":                  {market.Daily, 1156, 1657135960000},
	}
	for name, body := range recordings(t, "market_chart__*.json") {
		rows := plainChart(t, body)
		newest := int64(0)
		for stamp := range rows {
			newest = max(newest, stamp)
		}
		w, ok := want[name]
		if !ok {
			t.Errorf("%s: nothing is known of it", name)
			continue
		}
		now := time.UnixMilli(newest).Add(20 * time.Second)
		c := client(t, wiretest.Serve(t, wiretest.Answer(body)), Pro, now)
		key := market.SeriesKey{Asset: "some-coin", Currency: "usd", Interval: w.interval}
		last := w.interval.Newest(now)
		got, err := c.Series(t.Context(), wiretest.Once, key, []market.Range{{From: last, To: last + w.interval.Step()}})
		if err != nil || len(got) != 1 {
			t.Errorf("%s: %d answers, %v", name, len(got), err)
			continue
		}
		f := got[0]
		if len(f.Points) != w.points {
			t.Errorf("%s: %d points, want %d", name, len(f.Points), w.points)
		}
		all := f.Points
		if f.Tail != nil {
			if f.Tail.Stamp != w.tail {
				t.Errorf("%s: the tail is of %d", name, f.Tail.Stamp)
			}
			all = append(slices.Clone(all), *f.Tail)
		} else if w.tail != 0 {
			t.Errorf("%s: no tail", name)
		}
		if len(all) != len(rows) {
			t.Errorf("%s: %d points and tail of %d rows", name, len(all), len(rows))
		}
		for _, p := range all {
			if err := samePoint(p, rows[p.Stamp]); err != nil {
				t.Errorf("%s: %d: %v", name, p.Stamp, err)
			}
			if p.Source != Name || !p.FetchedAt.Equal(now) {
				t.Errorf("%s: %+v is of %s at %s", name, p, p.Source, p.FetchedAt)
			}
		}
		if !slices.IsSortedFunc(f.Points, func(a, b market.Point) int { return int(a.Stamp - b.Stamp) }) {
			t.Errorf("%s: not ascending", name)
		}
	}
}

const testHour = int64(1773144000000) // 2026-03-10T12:00:00Z

// decoded reads a made-up chart at 12:10. h09 to h12 stand for hours of that day; five digits of ms follow.
func decoded(body string, interval market.Interval) (series, error) {
	body = strings.NewReplacer("h09", "17731332", "h10", "17731368", "h11", "17731404", "h12", "17731440").Replace(body)
	members, err := wire.Object([]byte(body))
	if err != nil {
		return series{}, err
	}
	return decodeChart(members, interval, true, time.UnixMilli(testHour).Add(10*time.Minute))
}

func TestDecodeChart(t *testing.T) {
	nan := math.NaN()
	at := func(hour, ms int64, price, marketCap, volume float64, missing market.Missing) market.Point {
		return market.Point{Stamp: testHour + (hour-12)*3_600_000 + ms, Price: price, MarketCap: marketCap, Volume: volume, Missing: missing, Source: Name}
	}
	tail := func(p market.Point) *market.Point { return &p }
	for name, test := range map[string]struct {
		body   string
		points []market.Point
		tail   *market.Point
	}{
		"ragged, null and zero": {
			`{"prices":[[h0900001,1],[h1000002,null],[h1100003,0.0]],"market_caps":[[h0900001,null],[h1100003,0]],"total_volumes":[[h1000002,5]],"more":1}`,
			[]market.Point{
				at(9, 1, 1, nan, nan, market.MissingVolume), at(10, 2, nan, nan, 5, market.MissingMarketCap),
				at(11, 3, 0, 0, nan, market.MissingVolume),
			},
			nil,
		},
		"a row that prices lacks": {
			`{"prices":[],"market_caps":[[h0900001,2]],"total_volumes":[]}`,
			[]market.Point{at(9, 1, nan, 2, nan, market.MissingPrice|market.MissingVolume)},
			nil,
		},
		"unsorted, twice: the last counts": {
			`{"prices":[[h1000003,3],[h0900001,1],[h1000003,4],[h1200777,7]],"market_caps":[],"total_volumes":[[h0900001,1],[h0900001,9]]}`,
			[]market.Point{at(9, 1, 1, nan, 9, market.MissingMarketCap), at(10, 3, 4, nan, nan, 6), at(12, 777, 7, nan, nan, 6)},
			nil,
		},
		"a tail of a whole second": {
			`{"prices":[[h1200001,1],[h1260000,2]],"market_caps":[[h1200001,1],[h1260000,3]],"total_volumes":[[h1200001,1],[h1260000,4]]}`,
			[]market.Point{at(12, 1, 1, 1, 1, 0)},
			tail(at(12, 60000, 2, 3, 4, 0)),
		},
		"a tail that is older than the point before it": {
			`{"prices":[[h1000001,1],[h1100003,2],[h1100002,3]],"market_caps":[],"total_volumes":[]}`,
			[]market.Point{at(10, 1, 1, nan, nan, 6), at(11, 3, 2, nan, nan, 6)},
			tail(at(11, 2, 3, nan, nan, 6)),
		},
		"two samples of one hour": {
			`{"prices":[[h1000001,1],[h1000003,2],[h1100002,3],[h1200003,4]],"market_caps":[],"total_volumes":[]}`,
			[]market.Point{at(10, 1, 1, nan, nan, 6), at(10, 3, 2, nan, nan, 6), at(11, 2, 3, nan, nan, 6), at(12, 3, 4, nan, nan, 6)},
			nil,
		},
		"blanks and exponents": {
			"{ \"prices\" :\n[ [ h0900001 , 1.39852e-10 ] , [h1000002,\t5.2E+15]\r\n], \"market_caps\": [ ] ,\"total_volumes\":[[h0900001,4.9e-324]]}",
			[]market.Point{at(9, 1, 1.39852e-10, nan, 4.9e-324, market.MissingMarketCap), at(10, 2, 5.2e15, nan, nan, 6)},
			nil,
		},
		"nothing": {`{"prices":[],"market_caps":[],"total_volumes":[]}`, []market.Point{}, nil},
	} {
		got, err := decoded(test.body, market.Hourly)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(test.points, got.points, sameFloats()); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if diff := cmp.Diff(test.tail, got.tail, sameFloats()); diff != "" {
			t.Errorf("%s: tail: %s", name, diff)
		}
	}
}

// TestDailyTail: a daily chart's tail is what does not lie on midnight.
func TestDailyTail(t *testing.T) {
	for body, want := range map[string]bool{`[[1773014400000,1],[1773100800000,2]]`: false, `[[1773014400000,1],[1773100800001,2]]`: true} {
		got, err := decoded(`{"prices":`+body+`,"market_caps":[],"total_volumes":[]}`, market.Daily)
		if err != nil || (got.tail != nil) != want {
			t.Errorf("%s: %+v, %v", body, got, err)
		}
	}
}

func TestChartRefused(t *testing.T) {
	column := func(rows string) string { return `{"prices":[` + rows + `],"market_caps":[],"total_volumes":[]}` }
	for _, body := range []string{
		``, `null`, `[]`, `{}`, `{"prices":[],"market_caps":[]}`, `{"Prices":[],"market_caps":[],"total_volumes":[]}`,
		`{"prices":null,"market_caps":[],"total_volumes":[]}`, `{"prices":{},"market_caps":[],"total_volumes":[]}`,
		column(`[h1200001,"1"]`), column(`[h1200001,-1]`), column(`[h1200001,1e999]`), column(`[h1200001,true]`), column(`[h1200001,[1]]`),
		column(`[h1200001,{}]`), column(`["h1200001",1]`), column(`[h1200001.5,1]`), column(`[1.77e12,1]`), column(`[-1,1]`), column(`[null,1]`),
		column(`[h1200001]`), column(`[]`), column(`[h1200001,1,1]`), column(`1`), column(`{}`), column(`[99999999999999999999,1]`),
		column(`[1773144000,1]`),    // seconds
		column(`[1773230400000,1]`), // tomorrow
		column(`[h1200001,1]`) + "x", column(`[h1200001,NaN]`),
		column(`[h1200001,1],[h1220001,1],[h1240001,1],[h1260001,1]`),                // minutes
		column(`[1772841600000,1],[1772928000000,1],[1773014400000,1],[h1260000,1]`), // days
	} {
		if got, err := decoded(body, market.Hourly); err == nil {
			t.Errorf("%s: took %+v", body, got)
		}
	}
	if got, err := decoded(column(`[1773133200000,1],[1773136800000,1],[1773140400000,1],[h1260000,1]`), market.Daily); err == nil {
		t.Errorf("took hours for days: %+v", got)
	}
}

// TestCutCharts cuts a recorded chart at many places: what is left is refused each time.
func TestCutCharts(t *testing.T) {
	for name, body := range recordings(t, "market_chart__bitcoin_usd_7d__hourly.json") {
		c, err := New(Options{Plan: Public, Now: func() time.Time { return time.UnixMilli(1696963303000) }})
		if err != nil {
			t.Fatal(err)
		}
		cuts := 0
		for n := 0; n < len(body); n += 1 + n%7 {
			r := &reply{Endpoint: marketChart, Status: 200, Body: body[:n]}
			if n == len(body)-1 && body[n] == '\n' {
				continue // whole
			}
			cuts++
			_, err := c.object(r)
			wiretest.WantKind(t, fmt.Sprint(name, " cut at ", n), err, fault.UpstreamNonsense)
		}
		if cuts < 1000 {
			t.Errorf("%s: only %d cuts", name, cuts)
		}
	}
}

// TestChartsRoundTrip writes charts and reads them again: every number is the same, bit for bit.
func TestChartsRoundTrip(t *testing.T) {
	value := rapid.Custom(func(t *rapid.T) string {
		f := math.Abs(rapid.Float64().Draw(t, "f"))
		return rapid.SampledFrom([]string{
			"null", "0", "0.0", strconv.FormatFloat(f, 'g', -1, 64), strconv.FormatFloat(f, 'e', 17, 64), strconv.FormatInt(int64(min(f, 1e18)), 10),
		}).Draw(t, "form")
	})
	const from = int64(1_500_000_000_001)
	rapid.Check(t, func(t *rapid.T) {
		slots := rapid.SliceOfNDistinct(rapid.Int64Range(0, 5000), 0, 40, rapid.ID).Draw(t, "slots")
		want := map[int64][3]string{}
		rows := [3][]string{}
		for _, slot := range slots {
			stamp := from + slot*3_600_000 + 1000*rapid.Int64Range(0, 100).Draw(t, "jitter")
			var texts [3]string
			for i := range texts {
				if i == 0 || rapid.IntRange(0, 9).Draw(t, "there") > 0 {
					texts[i] = value.Draw(t, "value")
					rows[i] = append(rows[i], fmt.Sprintf("[%d,%s]", stamp, texts[i]))
				}
			}
			want[stamp] = texts
		}
		var body strings.Builder
		for i, name := range chartColumns {
			fmt.Fprintf(&body, `%c"%s":[%s]`, "{,,"[i], name, strings.Join(rows[i], ","))
		}
		body.WriteByte('}')
		members, err := wire.Object([]byte(body.String()))
		if err != nil {
			t.Fatal(err)
		}
		got, err := decodeChart(members, market.Hourly, false, midMarch)
		if err != nil {
			t.Fatal(err)
		}
		if len(got.points) != len(want) || got.tail != nil {
			t.Fatalf("%d points of %d", len(got.points), len(want))
		}
		for _, p := range got.points {
			if err := samePoint(p, want[p.Stamp]); err != nil {
				t.Fatal(p.Stamp, err)
			}
		}
	})
}

// FuzzChart compares the reading of columns with that of encoding/json.
func FuzzChart(f *testing.F) {
	f.Add([]byte(`{"prices":[[1773144000001,27309.802923311734],[1773144300000,3.97e-06]],"market_caps":[[1773144000001,null]],"total_volumes":[]}`))
	f.Add([]byte(`{"prices":[[1773144000003,1],[1773144000001,0.0]],"market_caps":[],"total_volumes":[[1773144000001,5.2e15]]}`))
	f.Add([]byte(`{"prices":[[1773144000001,"1"]],"market_caps":[[]],"total_volumes":{}}`))
	f.Add([]byte(`{"error":{"status":{"error_code":10012,"error_message":"x"}}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		members, err := wire.Object(body)
		if err != nil {
			return
		}
		s, err := decodeChart(members, market.Hourly, true, midMarch)
		var rows [3][][]json.RawMessage
		for i, name := range chartColumns {
			if e := json.Unmarshal(members[name], &rows[i]); e != nil && err == nil {
				t.Fatalf("took %s, which is %v", name, e)
			}
		}
		if err != nil {
			return
		}
		want := map[int64][3]string{}
		for i := range rows {
			for _, row := range rows[i] {
				stamp, err := strconv.ParseInt(string(row[0]), 10, 64)
				if err != nil || len(row) != 2 {
					t.Fatalf("took the row %s", row)
				}
				texts := want[stamp]
				texts[i] = string(row[1])
				want[stamp] = texts
			}
		}
		points := s.points
		if s.tail != nil {
			points = append(slices.Clone(points), *s.tail)
		}
		if len(points) != len(want) {
			t.Fatalf("%d points of %d stamps", len(points), len(want))
		}
		for _, p := range points {
			if err := samePoint(p, want[p.Stamp]); err != nil {
				t.Fatal(p.Stamp, err)
			}
		}
	})
}

func BenchmarkDecodeYearOfHours(b *testing.B) {
	var body strings.Builder
	for i, name := range chartColumns {
		fmt.Fprintf(&body, `%c"%s":[`, "{,,"[i], name)
		for n := range 8760 {
			if n > 0 {
				body.WriteByte(',')
			}
			fmt.Fprintf(&body, "[%d,%v]", 1_700_000_000_123+int64(n)*3_600_000, 27309.802923311734*math.Sqrt(float64(n+1)))
		}
		body.WriteByte(']')
	}
	body.WriteByte('}')
	b.SetBytes(int64(body.Len()))
	b.ReportAllocs()
	for b.Loop() {
		members, err := wire.Object([]byte(body.String()))
		if err != nil {
			b.Fatal(err)
		}
		if _, err := decodeChart(members, market.Hourly, false, midMarch); err != nil {
			b.Fatal(err)
		}
	}
}
