package cryptoquant

import (
	"fmt"
	"math"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/coingraph/coingraph/fault"
	"github.com/coingraph/coingraph/fetch/simulator"
	"github.com/coingraph/coingraph/fetch/wire/wiretest"
	"github.com/coingraph/coingraph/market"
)

// point is a metric's sample.
func point(stamp int64, v float64) market.Point {
	return market.Point{Stamp: stamp, Price: v, MarketCap: math.NaN(), Volume: math.NaN()}
}

func body(rows string) string {
	return `{"status":{"code":200,"message":"success"},"result":{"window":"day","data":[` + rows + `]}}`
}

// TestRecorded reads the recorded answer over HTTP: of a metric that market does not have, so it is described here.
func TestRecorded(t *testing.T) {
	tested := 0
	for name, recorded := range wiretest.Recordings(t, root, "cryptoquant", "*.json") {
		if name != "btc_flow-indicator_exchange-whale-ratio__day.json" {
			t.Errorf("%s is not tested", name)
			continue
		}
		tested++
		u := wiretest.Serve(t, wiretest.Answer(recorded))
		c := client(t, u.URL, time.Date(2025, 12, 24, 9, 0, 0, 0, time.UTC))
		s := series{metric{path: "flow-indicator/exchange-whale-ratio", field: "exchange_whale_ratio", flow: true}, market.Daily, "day", "btc"}
		w := days(t, "2025-12-23", "2025-12-23")[0]
		f, err := c.fetch(t.Context(), wiretest.Key, s, w)
		if err != nil {
			t.Fatal(err)
		}
		wiretest.CheckPoints(t, name, f.Points, point(w.From, 0.35698576))
		if f.Covers != w || f.Source != Name {
			t.Errorf("%+v", f)
		}
		r := u.Requests()[0]
		if want := "/v1/btc/flow-indicator/exchange-whale-ratio?window=day&from=20251223&to=20251223&limit=1&exchange=all_exchange"; r.URL.String() != want {
			t.Errorf("asked for %s, want %s", r.URL, want)
		}
		// A value under any other name, such as value, is none.
		s.field = "value"
		_, err = c.fetch(t.Context(), wiretest.Key, s, w)
		wiretest.WantKind(t, "another key", err, fault.UpstreamNonsense)
	}
	if tested == 0 {
		t.Error("nothing was tested")
	}
}

// TestRequests: the key is a bearer's, hours are asked for with a time, and what is between two ranges is bought along.
func TestRequests(t *testing.T) {
	u := wiretest.Serve(t, func(w http.ResponseWriter, r *http.Request) {
		wiretest.Answer([]byte(strings.Replace(body(""), "day", r.URL.Query().Get("window"), 1)))(w, r)
	})
	c := knowing(t, u.URL, midMarch)
	hour := func(text string) int64 { return wiretest.At(t, "2026-03-"+text+":00:00Z") }
	for _, test := range []struct {
		key     market.SeriesKey
		missing []market.Range
		want    string
	}{
		{key(market.MVRV, market.Daily), days(t, "2026-03-01", "2026-03-09"), "/v1/btc/market-indicator/mvrv?window=day&from=20260301&to=20260309&limit=9"},
		{
			key(market.ExchangeNetflow, market.Hourly),
			[]market.Range{{From: hour("09T20"), To: hour("09T22")}, {From: hour("10T03"), To: hour("10T12")}},
			"/v1/btc/exchange-flows/netflow?window=hour&from=20260309T200000&to=20260310T110000&limit=16&exchange=all_exchange",
		},
		{ // the running hour and day are not asked for
			key(market.SOPR, market.Hourly),
			[]market.Range{{From: hour("10T11"), To: hour("10T14")}},
			"/v1/btc/market-indicator/sopr?window=hour&from=20260310T110000&to=20260310T110000&limit=1",
		},
		{
			market.SeriesKey{Asset: "ethereum", Metric: market.Fees, Interval: market.Daily},
			days(t, "2026-03-09", "2026-03-10"),
			"/v1/eth/network-data/fees?window=day&from=20260309&to=20260309&limit=1",
		},
	} {
		before := len(u.Requests())
		if _, err := c.Series(t.Context(), wiretest.Once, test.key, test.missing); err != nil {
			t.Error(err)
		}
		seen := u.Requests()[before:]
		if len(seen) != 1 || seen[0].URL.String() != test.want || seen[0].Header.Get("Authorization") != "Bearer "+wiretest.Key {
			t.Errorf("asked for %v, want %s", seen, test.want)
		}
	}
	got, err := c.Series(t.Context(), wiretest.Once, key(market.MVRV, market.Daily), days(t, "2026-03-10", "2026-03-11"))
	if err != nil || len(got) != 1 || !got[0].Covers.Empty() || len(u.Requests()) != 4 {
		t.Errorf("of the running day: %+v %v after %d requests", got, err, len(u.Requests()))
	}
}

// TestNotOffered: what there is not is told without a call.
func TestNotOffered(t *testing.T) {
	u := wiretest.Serve(t, wiretest.Answer([]byte(body(""))))
	c := client(t, u.URL, midMarch)
	for _, k := range []market.SeriesKey{
		{Asset: "dogecoin", Metric: market.MVRV, Interval: market.Daily},
		{Asset: "btc", Metric: market.MVRV, Interval: market.Daily},
		{Asset: "ethereum", Metric: market.MVRV, Interval: market.Daily},
		{Asset: "ethereum", Metric: market.HashRate, Interval: market.Daily},
		{Asset: "bitcoin", Metric: market.MVRV, Interval: market.FiveMinutely},
		{Asset: "bitcoin", Currency: "usd", Interval: market.Daily},
	} {
		_, err := c.Series(t.Context(), wiretest.Once, k, days(t, "2026-03-01", "2026-03-02"))
		wiretest.WantKind(t, fmt.Sprint(k), err, fault.UpstreamNotFound)
	}
	if n := len(u.Requests()); n != 0 {
		t.Errorf("%d calls", n)
	}
}

// TestEveryMetric asks the simulator for each offer and compares with what it says is right.
func TestEveryMetric(t *testing.T) {
	sim, base := simulated(t, midMarch, simulator.CryptoQuant{Keys: []string{wiretest.Key}})
	c := client(t, base, midMarch)
	offers := c.Offers()
	if len(offers) != 12+7 {
		t.Errorf("%d offers", len(offers))
	}
	for _, o := range offers {
		for _, i := range o.Intervals {
			k := market.SeriesKey{Asset: o.Asset, Metric: o.Metric, Interval: i}
			last := i.Floor(midMarch.UnixMilli())
			w := market.Range{From: last - 30*i.Step(), To: last}
			got, err := c.Series(t.Context(), wiretest.Once, k, []market.Range{w})
			if err != nil || len(got) != 1 {
				t.Errorf("%v: %v %v", k, got, err)
				continue
			}
			var want []market.Point
			for at := w.From; at < w.To; at += i.Step() {
				v, ok := sim.Metric(assets[o.Asset].path, metrics[o.Metric].path, time.UnixMilli(at), time.Duration(i.Step())*time.Millisecond)
				if !ok {
					t.Fatalf("%v has no value", k)
				}
				want = append(want, point(at, v))
			}
			wiretest.CheckPoints(t, fmt.Sprint(k), got[0].Points, want...)
			if o.Unit == "" || o.Provider != Name {
				t.Errorf("%+v", o)
			}
		}
	}
}

// TestAnyQuestion: whatever is missing, whatever the plan and however short it cuts its answers, everything asked for is
// answered or beyond, the values are right, and what is bought again is nothing.
func TestAnyQuestion(t *testing.T) {
	type host struct {
		sim *simulator.Simulator
		url string
	}
	hosts := map[string]host{}
	rapid.Check(t, func(rt *rapid.T) {
		i := rapid.SampledFrom([]market.Interval{market.Daily, market.Hourly}).Draw(rt, "interval")
		o := simulator.CryptoQuant{
			Reach: rapid.SampledFrom([]string{"P0D", "P3Y", "P6M", "P30D"}).Draw(rt, "reach"),
			Rows:  rapid.SampledFrom([]int{0, 100, 400}).Draw(rt, "rows"),
		}
		name := fmt.Sprint(o)
		if hosts[name].sim == nil {
			sim, url := simulated(t, midMarch, o)
			hosts[name] = host{sim, url}
		}
		sim := hosts[name].sim
		c := client(t, hosts[name].url, midMarch)
		end := i.Floor(midMarch.UnixMilli())
		var missing []market.Range
		at := end - rapid.Int64Range(1, 3000).Draw(rt, "back")*i.Step()
		for range rapid.IntRange(1, 4).Draw(rt, "ranges") {
			to := at + rapid.Int64Range(1, 1200).Draw(rt, "length")*i.Step()
			missing = append(missing, market.Range{From: at, To: to})
			at = to + rapid.Int64Range(1, 300).Draw(rt, "gap")*i.Step()
		}
		got, err := c.Series(t.Context(), wiretest.Once, key(market.ExchangeReserve, i), missing)
		if err != nil {
			rt.Fatal(err)
		}
		if problem := wiretest.CheckAnswers(Name, missing, end, got); problem != "" {
			rt.Fatal(problem)
		}
		seen := map[int64]bool{}
		for _, f := range got {
			for _, p := range f.Points {
				v, _ := sim.Metric("btc", "exchange-flows/reserve", time.UnixMilli(p.Stamp), time.Duration(i.Step())*time.Millisecond)
				if seen[p.Stamp] || p.Price != v {
					rt.Fatalf("%d: %v, want %v", p.Stamp, p.Price, v)
				}
				seen[p.Stamp] = true
			}
		}
		for _, r := range missing {
			for at := r.From; at < min(r.To, end); at += i.Step() {
				beyond := false
				for _, f := range got {
					beyond = beyond || f.Beyond.Contains(at)
				}
				if seen[at] == beyond {
					rt.Fatalf("%s: seen %t, beyond %t", time.UnixMilli(at).UTC(), seen[at], beyond)
				}
			}
		}
	})
}

// TestHistoryBegins: for all that there is, years without rows are asked for once.
func TestHistoryBegins(t *testing.T) {
	sim, base := simulated(t, midMarch, simulator.CryptoQuant{})
	c := knowing(t, base, midMarch)
	missing := days(t, "2000-01-01", "2026-03-09")
	got, err := c.Series(t.Context(), wiretest.Once, key(market.MVRV, market.Daily), missing)
	if err != nil {
		t.Fatal(err)
	}
	if problem := wiretest.CheckAnswers(Name, missing, missing[0].To, got); problem != "" {
		t.Error(problem)
	}
	// Bitcoin is listed in April 2013 there: of ten thousands of days six have rows; the rest of the oldest of them is asked
	// for, because the answer may have been cut, and one that is empty.
	points := 0
	for _, f := range got {
		points += len(f.Points)
	}
	if n := rowsOf(sim); n != 8 || points != 4699 {
		t.Errorf("%d calls for %d rows", n, points)
	}
}

// TestRevisions: a row that was counted anew is told anew.
func TestRevisions(t *testing.T) {
	sim, base := simulated(t, midMarch, simulator.CryptoQuant{})
	c := knowing(t, base, midMarch)
	ask := func() float64 {
		got, err := c.Series(t.Context(), wiretest.Once, key(market.ExchangeInflow, market.Daily), days(t, "2026-03-03", "2026-03-03"))
		if err != nil || len(got) != 1 || len(got[0].Points) != 1 {
			t.Fatalf("%v %v", got, err)
		}
		return got[0].Points[0].Price
	}
	before := ask()
	sim.Revise(midMarch.AddDate(0, 0, -8), midMarch)
	if after := ask(); after != before*1.01 {
		t.Errorf("%v became %v", before, after)
	}
}

func TestDecodeRows(t *testing.T) {
	d3, d4, d5 := wiretest.At(t, "2026-03-03T00:00:00Z"), wiretest.At(t, "2026-03-04T00:00:00Z"), wiretest.At(t, "2026-03-05T00:00:00Z")
	mvrv, _ := seriesOf(key(market.MVRV, market.Daily))
	hourly, _ := seriesOf(key(market.MVRV, market.Hourly))
	netflow, _ := seriesOf(key(market.ExchangeNetflow, market.Daily))
	nan := math.NaN()
	for name, test := range map[string]struct {
		s    series
		body string
		want []market.Point
	}{
		"newest first":           {mvrv, body(`{"date":"2026-03-05","mvrv":3},{"date":"2026-03-04","mvrv":2},{"date":"2026-03-03","mvrv":1}`), []market.Point{point(d3, 1), point(d4, 2), point(d5, 3)}},
		"oldest first":           {mvrv, body(`{"date":"2026-03-03","mvrv":1},{"date":"2026-03-04","mvrv":2}`), []market.Point{point(d3, 1), point(d4, 2)}},
		"null stays null":        {mvrv, body(`{"date":"2026-03-04","mvrv":null},{"date":"2026-03-03","mvrv":0.0}`), []market.Point{point(d3, 0), point(d4, nan)}},
		"twice: the last counts": {mvrv, body(`{"date":"2026-03-03","mvrv":1},{"date":"2026-03-03","mvrv":2}`), []market.Point{point(d3, 2)}},
		"any number":             {mvrv, body(`{"date":"2026-03-04","mvrv":1.2e-07},{"date":"2026-03-03","mvrv":123456789012345.67}`), []market.Point{point(d3, 123456789012345.67), point(d4, 1.2e-07)}},
		"more in it":             {mvrv, `{"status":{"code":200,"message":"success","took":3},"result":{"window":"day","data":[{"date":"2026-03-03","mvrv":1,"mvrv_ma7":2,"blockheight":5}],"next":1},"x":[]}`, []market.Point{point(d3, 1)}},
		"a time for a day":       {mvrv, body(`{"datetime":"2026-03-03 00:00:00","mvrv":1}`), []market.Point{point(d3, 1)}},
		"no window is said":      {mvrv, strings.Replace(body(`{"date":"2026-03-03","mvrv":1}`), `"window":"day",`, "", 1), []market.Point{point(d3, 1)}},
		"nothing":                {mvrv, body(""), nil},
		"negative":               {netflow, body(`{"date":"2026-03-03","netflow_total":-5.5}`), []market.Point{point(d3, -5.5)}},
		"hours":                  {hourly, strings.Replace(body(`{"datetime":"2026-03-03 01:00:00","mvrv":1}`), `"day"`, `"hour"`, 1), []market.Point{point(d3+3_600_000, 1)}},
	} {
		got, err := decodeRows([]byte(test.body), test.s, midMarch)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		wiretest.CheckPoints(t, name, got, test.want...)
	}
	for name, test := range map[string]struct {
		s    series
		body string
	}{
		"no metric":         {mvrv, body(`{"date":"2026-03-03","value":1}`)},
		"another metric":    {mvrv, body(`{"date":"2026-03-03","sopr":1}`)},
		"text":              {mvrv, body(`{"date":"2026-03-03","mvrv":"1"}`)},
		"an object":         {mvrv, body(`{"date":"2026-03-03","mvrv":{}}`)},
		"negative":          {mvrv, body(`{"date":"2026-03-03","mvrv":-1}`)},
		"no number":         {mvrv, body(`{"date":"2026-03-03","mvrv":1e999}`)},
		"no stamp":          {mvrv, body(`{"mvrv":1}`)},
		"a stamp in ms":     {mvrv, body(`{"date":1772496000000,"mvrv":1}`)},
		"another form":      {mvrv, body(`{"date":"2026-03-03T00:00:00Z","mvrv":1}`)},
		"the future":        {mvrv, body(`{"date":"2026-03-12","mvrv":1}`)},
		"before Bitcoin":    {mvrv, body(`{"date":"2001-03-03","mvrv":1}`)},
		"within a day":      {mvrv, body(`{"datetime":"2026-03-03 01:00:00","mvrv":1}`)},
		"days for hours":    {hourly, strings.Replace(body(`{"date":"2026-03-03","mvrv":1}`), `"day"`, `"hour"`, 1)},
		"another window":    {hourly, body(`{"datetime":"2026-03-03 01:00:00","mvrv":1}`)},
		"no rows":           {mvrv, `{"status":{"code":200,"message":"success"},"result":{"window":"day"}}`},
		"no result":         {mvrv, `{"status":{"code":200,"message":"success"}}`},
		"rows are no array": {mvrv, `{"status":{"code":200,"message":"success"},"result":{"data":{}}}`},
		"cut":               {mvrv, body(`{"date":"2026-03-03","mvrv":1}`)[:80]},
		"empty":             {mvrv, ``},
	} {
		if got, err := decodeRows([]byte(test.body), test.s, midMarch); err == nil {
			t.Errorf("%s is taken: %v", name, got)
		}
	}
}

// FuzzDecodeRows: whatever comes, it is refused, or it is samples on the grid, ascending, of times that can be.
func FuzzDecodeRows(f *testing.F) {
	f.Add([]byte(body(`{"date":"2026-03-05","mvrv":3},{"date":"2026-03-04","mvrv":null}`)))
	f.Add([]byte(body(`{"datetime":"2026-03-05 00:00:00","mvrv":1e5}`)))
	f.Add([]byte(`{"result":{"data":[{"date":"2009-01-03","mvrv":0}]}}`))
	s, _ := seriesOf(key(market.MVRV, market.Daily))
	f.Fuzz(func(t *testing.T, body []byte) {
		points, err := decodeRows(body, s, midMarch)
		if err != nil {
			return
		}
		for i, p := range points {
			if p.Stamp%market.Daily.Step() != 0 || i > 0 && p.Stamp <= points[i-1].Stamp || p.Price < 0 || math.IsInf(p.Price, 0) || p.Stamp > midMarch.UnixMilli()+3_600_000 {
				t.Errorf("%+v", p)
			}
		}
	})
}

// TestDeprecated: that an endpoint will go away is logged once, and its rows are taken.
func TestDeprecated(t *testing.T) {
	u := wiretest.Serve(t, wiretest.Answer([]byte(strings.Replace(body(`{"date":"2026-03-03","mvrv":1}`), "success", "deprecated", 1))))
	c := knowing(t, u.URL, midMarch)
	log := logged(c)
	for range 3 {
		if got, err := c.Series(t.Context(), wiretest.Once, key(market.MVRV, market.Daily), days(t, "2026-03-03", "2026-03-03")); err != nil || len(got[0].Points) != 1 {
			t.Errorf("%v %v", got, err)
		}
	}
	if n := strings.Count(log.String(), "fetch.deprecated"); n != 1 {
		t.Errorf("logged %d times: %s", n, log)
	}
}

// TestErrors: each error is told apart. The bodies follow the reference and are made up: no recorded one is known.
func TestErrors(t *testing.T) {
	const asJSON, asHTML = "application/json", "text/html"
	said := func(code int, message string) string {
		return fmt.Sprintf(`{"status":{"code":%d,"message":%q}}`, code, message)
	}
	for _, test := range []struct {
		status            int
		contentType, body string
		kind              fault.Kind
	}{
		{400, asJSON, said(400, "bad_request"), fault.UpstreamRejected},
		{401, asJSON, said(401, "unauthorized"), fault.UpstreamKey},
		{401, asHTML, "<html>", fault.UpstreamKey},
		{403, asJSON, said(403, "forbidden"), fault.UpstreamPlan},
		{403, asHTML, "<html>blocked</html>", fault.UpstreamBlocked},
		{404, asJSON, said(404, "not_found"), fault.UpstreamNotFound},
		{404, asHTML, "<html>", fault.UpstreamPath},
		{405, asJSON, said(405, "not_allowed"), fault.UpstreamPath},
		{408, asHTML, "", fault.UpstreamTimeout},
		{429, asJSON, said(429, "too_many_requests"), fault.UpstreamRateLimited},
		{429, asHTML, "", fault.UpstreamRateLimited},
		{500, asJSON, said(500, "internal_server_error"), fault.UpstreamUnavailable},
		{502, asHTML, "<html>", fault.UpstreamUnavailable},
		{302, asHTML, "", fault.UpstreamPath},
		{200, asHTML, "<html>captcha</html>", fault.UpstreamNonsense},
		{200, asJSON, said(403, "forbidden"), fault.UpstreamPlan},
		{200, asJSON, said(500, "internal_server_error"), fault.UpstreamUnavailable},
		{200, asJSON, said(200, "success"), fault.UpstreamNonsense},
		{200, asJSON, `{"status":{"code":"x"},"result":{"data":[]}}`, fault.UpstreamNonsense},
		{200, asJSON, `{}`, fault.UpstreamNonsense},
		{200, asJSON, `[]`, fault.UpstreamNonsense},
		{200, asJSON, ``, fault.UpstreamNonsense},
	} {
		u := wiretest.Serve(t, wiretest.Refuse(test.status, test.contentType, test.body))
		_, err := knowing(t, u.URL, midMarch).Series(t.Context(), wiretest.Once, key(market.MVRV, market.Daily), days(t, "2026-03-03", "2026-03-03"))
		wiretest.WantKind(t, fmt.Sprintf("%d %s", test.status, test.body), err, test.kind)
		if f := fault.Of(err); f.Message != "" || (f.RetryAfter > 0) != (f.Kind == fault.UpstreamRateLimited) {
			t.Errorf("%d: %+v", test.status, f)
		}
	}
	// X-RateLimit-Reset is in Unix seconds.
	u := wiretest.Serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-RateLimit-Reset", fmt.Sprint(midMarch.Unix()+42))
		wiretest.Refuse(429, asJSON, said(429, "too_many_requests"))(w, r)
	})
	_, err := knowing(t, u.URL, midMarch).Series(t.Context(), wiretest.Once, key(market.MVRV, market.Daily), days(t, "2026-03-03", "2026-03-03"))
	if f := fault.Of(err); f.Kind != fault.UpstreamRateLimited || f.RetryAfter != 42*time.Second {
		t.Errorf("%v", err)
	}
	wiretest.CheckNoSecret(t, func(base string) error {
		_, err := knowing(t, base, midMarch).Series(t.Context(), wiretest.Once, key(market.MVRV, market.Daily), days(t, "2026-03-03", "2026-03-03"))
		return err
	})
}

// TestErrorsKeepAnswers: what was answered before a call failed is good.
func TestErrorsKeepAnswers(t *testing.T) {
	sim, base := simulated(t, midMarch, simulator.CryptoQuant{})
	if err := sim.Inject(simulator.Fault{Match: "to=2021", Status: 500}); err != nil {
		t.Fatal(err)
	}
	got, err := knowing(t, base, midMarch).Series(t.Context(), wiretest.Once, key(market.MVRV, market.Daily), append(days(t, "2021-01-01", "2021-01-02"), days(t, "2026-03-01", "2026-03-09")...))
	wiretest.WantKind(t, "the older call", err, fault.UpstreamUnavailable)
	if len(got) != 1 || len(got[0].Points) != 9 {
		t.Errorf("%+v", got)
	}
}

// TestSimulatedErrors: with the simulator's keys, plans and limits each error arrives as what it is.
func TestSimulatedErrors(t *testing.T) {
	missing := days(t, "2026-03-03", "2026-03-03")
	_, base := simulated(t, midMarch, simulator.CryptoQuant{Keys: []string{"another"}})
	_, err := client(t, base, midMarch).Series(t.Context(), wiretest.Once, key(market.MVRV, market.Daily), missing)
	wiretest.WantKind(t, "a wrong key", err, fault.UpstreamKey)

	_, base = simulated(t, midMarch, simulator.CryptoQuant{Reach: "P3Y"})
	_, err = knowing(t, base, midMarch).Series(t.Context(), wiretest.Once, key(market.MVRV, market.Daily), days(t, "2019-03-03", "2019-03-03"))
	wiretest.WantKind(t, "beyond a plan that is not known", err, fault.UpstreamPlan)

	_, base = simulated(t, midMarch, simulator.CryptoQuant{Limit: 1})
	c := knowing(t, base, midMarch)
	for range 2 {
		_, err = c.Series(t.Context(), wiretest.Once, key(market.MVRV, market.Daily), missing)
	}
	if f := fault.Of(err); f == nil || f.Kind != fault.UpstreamRateLimited || f.RetryAfter != 40*time.Second {
		t.Errorf("the second call of a minute: %v", err)
	}
}

// TestDocs keeps docs/providers.md telling which names nobody has seen in an answer.
func TestDocs(t *testing.T) {
	text, err := os.ReadFile(root + "/docs/providers.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, stamp := range stamps {
		row := fmt.Sprintf("| `%s` | documented |", stamp.key)
		if stamp.unverified {
			row = fmt.Sprintf("| `%s` | unverified |", stamp.key)
		}
		if !strings.Contains(string(text), row) {
			t.Errorf("docs/providers.md lacks the row %s", row)
		}
	}
	for name, m := range metrics {
		unit, state := m.unit, "documented"
		if unit == "" {
			unit = "the asset"
		}
		if m.unverified {
			state = "unverified"
		}
		row := fmt.Sprintf("| `%s` | `%s` | `%s` | %s | %s |", name, m.path, m.field, unit, state)
		if !strings.Contains(string(text), row) {
			t.Errorf("docs/providers.md lacks the row %s", row)
		}
	}
}
