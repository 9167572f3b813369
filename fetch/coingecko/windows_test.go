package coingecko

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/coingraph/coingraph/fetch/wire/wiretest"
	"github.com/coingraph/coingraph/market"
)

func instantOf(t *testing.T, s string) time.Time {
	t.Helper()
	at, err := time.Parse("2006-01-02 15:04:05", s)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// TestPlan has the requests that are made for what is missing. Ranges are written as instants before the newest point:
// {30, 1} are the 30 newest points, {400, 391} is the 400th newest to the 391st, both included.
func TestPlan(t *testing.T) {
	public, _ := accessOf(Public)
	pro, _ := accessOf(Pro)
	basic := access{reach: 2 * 365 * day}
	tests := []struct {
		name     string
		plan     access
		interval market.Interval
		now      string
		missing  [][2]int64
		want     []string // with bounds as days and hours before now
		beyond   int      // grid instants
	}{
		{"the newest day", public, market.Daily, "2026-03-10 12:30:20", [][2]int64{{1, 1}}, []string{"days=1&interval=daily"}, 0},
		{"the newest day, soon after midnight", public, market.Daily, "2026-03-10 00:20:00", [][2]int64{{1, 1}}, []string{"days=2&interval=daily"}, 0},
		{"the newest day, right before midnight", public, market.Daily, "2026-03-10 23:59:30", [][2]int64{{1, 1}}, []string{"days=2&interval=daily"}, 0},
		{"a month", public, market.Daily, "2026-03-10 12:30:20", [][2]int64{{30, 1}}, []string{"days=365"}, 0},
		{"90 days", public, market.Daily, "2026-03-10 12:30:20", [][2]int64{{90, 1}}, []string{"days=365"}, 0},
		{"91 days", public, market.Daily, "2026-03-10 12:30:20", [][2]int64{{91, 1}}, []string{"days=365"}, 0},
		{"a hole and the newest", public, market.Daily, "2026-03-10 12:30:20", [][2]int64{{200, 199}, {50, 50}, {1, 1}}, []string{"days=365"}, 0},
		{"a year", public, market.Daily, "2026-03-10 12:30:20", [][2]int64{{365, 1}}, []string{"days=365"}, 0},
		{"a year, in the first hour", public, market.Daily, "2026-03-10 00:30:00", [][2]int64{{365, 1}}, []string{"days=365"}, 1},
		{"a year, in the last minute", public, market.Daily, "2026-03-10 23:59:30", [][2]int64{{365, 1}}, []string{"days=365"}, 0},
		{"all, on a plan of a year", public, market.Daily, "2026-03-10 12:30:20", [][2]int64{{6000, 1}}, []string{"days=365"}, 5635},
		{"all, on a plan of two years", basic, market.Daily, "2026-03-10 12:30:20", [][2]int64{{6000, 1}}, []string{"days=730"}, 5270},
		{"all", pro, market.Daily, "2026-03-10 12:30:20", [][2]int64{{6000, 1}}, []string{"days=max"}, 0},
		{"four years", pro, market.Daily, "2026-03-10 12:30:20", [][2]int64{{1461, 1}}, []string{"days=1461"}, 0},
		{"long ago, beyond the plan", public, market.Daily, "2026-03-10 12:30:20", [][2]int64{{800, 700}}, nil, 101},
		{"long ago", pro, market.Daily, "2026-03-10 12:00:00", [][2]int64{{800, 700}}, []string{"799d13h..699d11h"}, 0},
		{"a day long ago", public, market.Daily, "2026-03-10 12:00:00", [][2]int64{{300, 300}}, []string{"299d13h..207d13h"}, 0},
		{"a hole at the plan's end", public, market.Daily, "2026-03-10 23:30:00", [][2]int64{{365, 364}}, []string{"364d23h..272d23h"}, 0},

		{"the newest hour", public, market.Hourly, "2026-03-10 12:30:20", [][2]int64{{1, 1}}, []string{"days=2"}, 0},
		{"a week", public, market.Hourly, "2026-03-10 12:20:00", [][2]int64{{168, 1}}, []string{"days=90"}, 0},
		{"a week, late in the hour", public, market.Hourly, "2026-03-10 12:50:00", [][2]int64{{168, 1}}, []string{"days=90"}, 0},
		{"90 days, early in the hour", public, market.Hourly, "2026-03-10 12:20:00", [][2]int64{{2160, 1}}, []string{"days=90"}, 0},
		{"90 days, late in the hour", public, market.Hourly, "2026-03-10 12:50:00", [][2]int64{{2160, 1}}, []string{"90d0h..0d0h"}, 0},
		{"90 days, at the hour", public, market.Hourly, "2026-03-10 12:02:00", [][2]int64{{2160, 1}}, []string{"90d0h..0d0h"}, 0},
		{"180 days, late in the hour", public, market.Hourly, "2026-03-10 12:50:00", [][2]int64{{4320, 1}}, []string{"180d0h..90d0h", "90d0h..0d0h"}, 0},
		{"180 days, early in the hour", public, market.Hourly, "2026-03-10 12:20:00", [][2]int64{{4320, 1}}, []string{"179d23h..89d23h", "days=90"}, 0},
		{"a year of hours", public, market.Hourly, "2026-03-10 12:20:00", [][2]int64{{8760, 1}}, []string{
			"364d23h..274d23h", "274d23h..184d23h", "184d23h..94d23h", "94d23h..4d23h", "days=5",
		}, 0},
		{"more than a year of hours", public, market.Hourly, "2026-03-10 12:20:00", [][2]int64{{9000, 8761}}, nil, 240},
		{"a month before 90 days that are there", public, market.Hourly, "2026-03-10 12:20:00", [][2]int64{{2880, 2161}}, []string{"179d23h..89d23h"}, 0},
		{"a month at the plan's end", public, market.Hourly, "2026-03-10 12:20:00", [][2]int64{{8760, 8041}}, []string{"364d23h..334d23h"}, 0},
		{"two holes in one span", public, market.Hourly, "2026-03-10 12:20:00", [][2]int64{{5000, 5000}, {4000, 3990}}, []string{"256d4h..166d4h"}, 0},
		{"two holes far from each other", public, market.Hourly, "2026-03-10 12:20:00", [][2]int64{{8000, 8000}, {3000, 3000}}, []string{"333d7h..331d6h", "124d23h..122d22h"}, 0},
		{"a hole and the newest hour", public, market.Hourly, "2026-03-10 12:20:00", [][2]int64{{8000, 8000}, {1, 1}}, []string{"333d7h..331d6h", "days=2"}, 0},
		{"hours before there are any", pro, market.Hourly, "2018-02-05 12:20:00", [][2]int64{{1000, 1}}, []string{"days=90"}, 1000 - 6*24 - 13},

		{"the newest five minutes", public, market.FiveMinutely, "2026-03-10 12:31:00", [][2]int64{{1, 1}}, []string{"days=1"}, 0},
		{"a day of them", pro, market.FiveMinutely, "2026-03-10 12:33:00", [][2]int64{{288, 1}}, []string{"days=1"}, 0},
		{"a day of them, and a bit", public, market.FiveMinutely, "2026-03-10 12:31:00", [][2]int64{{300, 1}}, []string{"days=1"}, 13},
		{"five minutes of yesterday", pro, market.FiveMinutely, "2026-03-10 12:31:00", [][2]int64{{600, 300}}, nil, 301},
	}
	for _, test := range tests {
		now := instantOf(t, test.now)
		newest, step := test.interval.Newest(now), test.interval.Step()
		var missing []market.Range
		for _, m := range test.missing {
			missing = append(missing, market.Range{From: newest - (m[0]-1)*step, To: newest - (m[1]-2)*step})
		}
		calls, beyond := test.plan.plan(test.interval, missing, now)
		var got []string
		for _, w := range calls {
			got = append(got, readable(t, w, now))
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
		n := int64(0)
		for _, b := range beyond {
			n += (b.To - b.From) / step
		}
		if n != int64(test.beyond) {
			t.Errorf("%s: %d instants are beyond the plan, want %d", test.name, n, test.beyond)
		}
	}
}

// readable is a window's query, with a span as days and hours before now, to the nearest hour below.
func readable(t *testing.T, w window, now time.Time) string {
	t.Helper()
	if w.Path == marketChart.Path {
		return w.query
	}
	var from, to int64
	if _, err := fmt.Sscanf(w.query, "from=%d&to=%d", &from, &to); err != nil {
		t.Fatal(err)
	}
	ago := func(s int64) string {
		h := (now.Unix() - s) / 3600
		return fmt.Sprintf("%dd%dh", h/24, h%24)
	}
	return ago(from) + ".." + ago(to)
}

// gecko is a CoinGecko for one coin, as the reference has it: the step by what is asked, a point of now at the end, and
// no sample that the span does not hold. Samples lie up to a sixth of the step off the grid.
type gecko struct {
	now    int64
	listed int64
	reach  int64 // 0: all
}

func (g gecko) stamps(step, from, to int64) []int64 {
	var out []int64
	for slot := (from - step) / step * step; slot <= to+step; slot += step {
		stamp := slot
		if step < dayMs {
			stamp += (slot/step*7919)%(step/3) - step/6 + 1
		}
		published := stamp
		if step == dayMs {
			published += 10 * 60_000
		}
		if stamp >= from && stamp <= to && stamp >= g.listed && published <= g.now {
			out = append(out, stamp)
		}
	}
	return out
}

func (g gecko) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	from, to, live := int64(0), g.now, true
	if strings.HasSuffix(r.URL.Path, "/range") {
		a, _ := strconv.ParseInt(q.Get("from"), 10, 64)
		b, _ := strconv.ParseInt(q.Get("to"), 10, 64)
		from, to, live = a*1000, b*1000, b*1000 > g.now-60_000
		if to-from < 2*dayMs && !live {
			wiretest.Answer([]byte(emptyChart))(w, r)
			return
		}
	} else if q.Get("days") != "max" {
		n, _ := strconv.ParseInt(q.Get("days"), 10, 64)
		from = g.now - n*dayMs
	}
	if g.reach > 0 && from < g.now-g.reach {
		refuse(401, asJSON, `{"error":{"status":{"error_code":10012,"error_message":"x"}}}`)(w, r)
		return
	}
	step := dayMs
	switch {
	case q.Get("interval") == "daily":
	case live && to-from <= dayMs:
		step = 5 * 60_000
	case to-from <= maxHourly:
		step = 3_600_000
	}
	var rows []string
	for _, s := range g.stamps(step, max(from, firstDaily), to) {
		rows = append(rows, fmt.Sprintf("[%d,1]", s))
	}
	if live {
		rows = append(rows, fmt.Sprintf("[%d,2]", g.now/1000*1000-3000))
	}
	column := "[" + strings.Join(rows, ",") + "]"
	wiretest.Answer([]byte(`{"prices":`+column+`,"market_caps":`+column+`,"total_volumes":`+column+`}`))(w, r)
}

// TestChartsAreCompleteInFewCalls asks for all kinds of missing ranges at all kinds of times: as few calls as can be, each
// missing instant covered or beyond the plan, and nothing claimed that the answers do not have.
func TestChartsAreCompleteInFewCalls(t *testing.T) {
	var g gecko
	u := wiretest.Serve(t, func(w http.ResponseWriter, r *http.Request) { g.ServeHTTP(w, r) })
	var now time.Time
	clients := map[Plan]*Client{}
	for _, plan := range []Plan{Public, Pro} {
		clients[plan] = client(t, u, plan, now)
		clients[plan].now = func() time.Time { return now }
	}
	rapid.Check(t, func(t *rapid.T) {
		interval := rapid.SampledFrom([]market.Interval{market.Daily, market.Hourly, market.Hourly, market.FiveMinutely}).Draw(t, "interval")
		now = time.UnixMilli(1_773_100_800_000 + rapid.Int64Range(0, 2*dayMs).Draw(t, "now"))
		most := map[market.Interval]int64{market.Daily: 5000, market.Hourly: 10_000, market.FiveMinutely: 310}[interval]
		if rapid.Bool().Draw(t, "short") {
			most /= 40
		}
		step, newest := interval.Step(), interval.Newest(now)
		bounds := rapid.SliceOfNDistinct(rapid.Int64Range(0, most), 1, 5, rapid.ID).Draw(t, "bounds")
		slices.Sort(bounds)
		if len(bounds)%2 == 1 {
			bounds = append([]int64{0}, bounds...)
			bounds[1]++
		}
		var missing []market.Range
		for i := len(bounds) - 1; i > 0; i -= 2 {
			missing = append(missing, market.Range{From: newest + step - bounds[i]*step, To: newest + step - bounds[i-1]*step})
		}
		g = gecko{now: now.UnixMilli() + rapid.Int64Range(-60_000, 60_000).Draw(t, "skew")}
		if rapid.Bool().Draw(t, "young") {
			g.listed = newest - rapid.Int64Range(0, most).Draw(t, "age")*step
		}
		plan := rapid.SampledFrom([]Plan{Public, Pro}).Draw(t, "plan")
		if plan == Public {
			g.reach = 365*dayMs + 60_000 // for our clock and theirs
		}

		before := len(u.Requests())
		got, err := clients[plan].Series(t.Context(), wiretest.Once, market.SeriesKey{Asset: "x", Currency: "usd", Interval: interval}, missing)
		if err != nil {
			t.Fatal(err)
		}
		var wanted []market.Range
		first := clients[plan].reachOf(interval, now.UnixMilli())
		for _, m := range missing {
			if w := m.Intersect(market.Range{From: first, To: m.To}); !w.Empty() {
				wanted = append(wanted, w)
			}
		}
		if calls, fewest := len(u.Requests())-before, fewestCalls(interval, wanted); calls > fewest {
			t.Fatalf("%d calls, where %d would do", calls, fewest)
		}

		there := map[int64]bool{}
		oldest := missing[0].From
		for _, f := range got {
			if !f.Covers.Empty() {
				oldest = min(oldest, f.Covers.From)
			}
		}
		for _, s := range g.stamps(step, max(oldest-step, firstDaily), newest+step) {
			there[interval.Snap(s)] = true
		}
		for _, f := range got {
			if !f.Covers.Empty() && (f.Covers.From%step != 0 || f.Covers.To%step != 0 || f.Covers.To > newest+step) {
				t.Fatalf("covers %v", f.Covers)
			}
			sampled := map[int64]bool{}
			for _, p := range f.Points {
				sampled[interval.Snap(p.Stamp)] = true
			}
			for at := f.Covers.From; at < f.Covers.To; at += step {
				// The very newest may not be published yet; it is fetched again once it has settled.
				if there[at] && !sampled[at] && at != newest {
					t.Fatalf("claims that there is nothing at %s", time.UnixMilli(at).UTC())
				}
			}
		}
		for _, m := range missing {
			for at := m.From; at < m.To; at += step {
				if !slices.ContainsFunc(got, func(f market.Fetched) bool { return f.Covers.Contains(at) || f.Beyond.Contains(at) }) &&
					at > first+step { // at the plan's very end it depends on whose clock is ahead
					t.Fatalf("nothing is said of %s", time.UnixMilli(at).UTC())
				}
			}
		}
	})
}

// fewestCalls is how many calls can answer for ranges at the least: of hours 90 days have 2,160.
func fewestCalls(interval market.Interval, wanted []market.Range) int {
	if interval != market.Hourly {
		return min(len(wanted), 1)
	}
	calls := 0
	for len(wanted) > 0 {
		wanted = after(wanted, wanted[0].From+maxHourly)
		calls++
	}
	return calls
}

// TestBeyondThePlan makes no call for what the plan does not have.
func TestBeyondThePlan(t *testing.T) {
	u := wiretest.Serve(t, wiretest.Answer([]byte(emptyChart)))
	c := client(t, u, Public, midMarch)
	newest, step := market.Daily.Newest(midMarch), market.Daily.Step()
	old := market.Range{From: newest - 900*step, To: newest - 800*step}
	got, err := c.Series(t.Context(), wiretest.Once, market.SeriesKey{Asset: "bitcoin", Currency: "usd", Interval: market.Daily}, []market.Range{old})
	if err != nil || len(got) != 1 || got[0].Beyond != old || !got[0].Covers.Empty() || got[0].Source != Name || !got[0].FetchedAt.Equal(midMarch) {
		t.Errorf("got %+v, %v", got, err)
	}
	if len(u.Requests()) != 0 {
		t.Error("a call was made")
	}
}

// TestLateCall: a call that had to wait after it was planned claims no more than the answer can have.
func TestLateCall(t *testing.T) {
	public, _ := accessOf(Public)
	newest, step := market.Hourly.Newest(midMarch), market.Hourly.Step()
	wanted := []market.Range{{From: newest - 100*step, To: newest + step}}
	calls, _ := public.plan(market.Hourly, wanted, midMarch)
	at := calls[0].covers(market.Hourly, wanted, nil, midMarch)
	late := calls[0].covers(market.Hourly, wanted, nil, midMarch.Add(5*time.Hour))
	if late.To != at.To || late.From < at.From+5*step {
		t.Errorf("%v, late %v", at, late)
	}
}

// TestCoveredBySamples: at the edge of what can be asked for, where it depends on whose clock is ahead whether an instant is
// in the answer, the samples tell.
func TestCoveredBySamples(t *testing.T) {
	public, _ := accessOf(Public)
	for _, test := range []struct {
		interval market.Interval
		now      string
		points   int64
	}{{market.FiveMinutely, "2026-03-10 12:32:10", 288}, {market.Daily, "2026-03-10 23:59:30", 365}} {
		now := instantOf(t, test.now)
		step, newest := test.interval.Step(), test.interval.Newest(now)
		first := newest - (test.points-1)*step
		wanted := []market.Range{{From: first, To: newest + step}}
		calls, beyond := public.plan(test.interval, wanted, now)
		if len(calls) != 1 || len(beyond) != 0 {
			t.Errorf("%v: %v, %v", test, calls, beyond)
			continue
		}
		without := calls[0].covers(test.interval, wanted, []market.Point{{Stamp: first + step}}, now)
		with := calls[0].covers(test.interval, wanted, []market.Point{{Stamp: first}, {Stamp: first + step}}, now)
		if without.From != first+step || with.From != first {
			t.Errorf("%v: from %d without the first sample, %d with it, want %d", test, without.From, with.From, first)
		}
	}
}
