package wire_test

import (
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/coingraph/coingraph/fault"
	"github.com/coingraph/coingraph/fetch/wire"
	"github.com/coingraph/coingraph/fetch/wire/wiretest"
	"github.com/coingraph/coingraph/market"
)

var now = time.Date(2026, 3, 10, 12, 30, 20, 0, time.UTC)

func TestNewRefuses(t *testing.T) {
	const secret = "s3cret-of-a-key"
	for name, o := range map[string]wire.Options{
		"no address":         {},
		"no scheme":          {BaseURL: "api.example.com"},
		"another scheme":     {BaseURL: "ftp://api.example.com"},
		"a user in the URL":  {BaseURL: "https://u:" + secret + "@api.example.com"},
		"a query in the URL": {BaseURL: "https://api.example.com/?key=" + secret},
		"an empty key":       {BaseURL: "https://api.example.com", Secrets: []string{""}},
		"a key with a line":  {BaseURL: "https://api.example.com", Secrets: []string{secret + "\r\nX: y"}},
	} {
		if _, err := wire.New(o); err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRetryAtEpoch(t *testing.T) {
	for _, test := range []struct {
		retryAfter, reset string
		want              time.Duration
	}{
		{"", "1773145860", 40 * time.Second},
		{"7", "1773145860", 7 * time.Second},
		{"", "1773145800", time.Second},
		{"", "1999999999", 24 * time.Hour},
		{"", "30", 0},
		{"", "soon", 0},
		{"", "99999999999999999999", 0},
		{"", "", 0},
	} {
		h := http.Header{}
		h.Set("Retry-After", test.retryAfter)
		h.Set("X-RateLimit-Reset", test.reset)
		if got := wire.RetryAtEpoch(h, now); got != test.want {
			t.Errorf("%q, %q: %v, want %v", test.retryAfter, test.reset, got, test.want)
		}
	}
}

// TestKindOf: each status has the consequence that the package fault describes, and only the API itself can speak of assets
// and plans.
func TestKindOf(t *testing.T) {
	for status, want := range map[int][2]fault.Kind{
		200: {fault.UpstreamNonsense, fault.UpstreamNonsense},
		204: {fault.UpstreamNonsense, fault.UpstreamNonsense},
		302: {fault.UpstreamPath, fault.UpstreamPath},
		400: {fault.UpstreamRejected, fault.UpstreamRejected},
		401: {fault.UpstreamKey, fault.UpstreamKey},
		403: {fault.UpstreamBlocked, fault.UpstreamPlan},
		404: {fault.UpstreamPath, fault.UpstreamNotFound},
		405: {fault.UpstreamPath, fault.UpstreamPath},
		408: {fault.UpstreamTimeout, fault.UpstreamTimeout},
		422: {fault.UpstreamRejected, fault.UpstreamRejected},
		429: {fault.UpstreamRateLimited, fault.UpstreamRateLimited},
		500: {fault.UpstreamUnavailable, fault.UpstreamUnavailable},
		503: {fault.UpstreamUnavailable, fault.UpstreamUnavailable},
	} {
		if got := [2]fault.Kind{wire.KindOf(status, false), wire.KindOf(status, true)}; got != want {
			t.Errorf("%d: %v, want %v", status, got, want)
		}
	}
}

func TestText(t *testing.T) {
	for lexeme, want := range map[string]float64{`"1"`: 1, `"0.00000001"`: 1e-8, `"1.5e3"`: 1500, `"28923.63000000"`: 28923.63} {
		text, err := wire.Text([]byte(lexeme))
		if err != nil {
			t.Errorf("%s: %v", lexeme, err)
			continue
		}
		if got, err := wire.Float(text); err != nil || got != want {
			t.Errorf("%s: %v %v", lexeme, got, err)
		}
	}
	for _, lexeme := range []string{`1`, `null`, `""`, `"abc"`, `"0x10"`, `"1,5"`, `"1_000"`, `"Inf"`, `"NaN"`, `"+1"`, `"01"`, `" 1"`, `"1 "`, `"null"`, `"1e999"`} {
		text, err := wire.Text([]byte(lexeme))
		if err == nil {
			_, err = wire.Float(text)
		}
		if err == nil {
			t.Errorf("%s is taken", lexeme)
		}
	}
}

func TestAscending(t *testing.T) {
	got := wire.Ascending([]market.Point{{Stamp: 3, Price: 1}, {Stamp: 1, Price: 2}, {Stamp: 3, Price: 3}, {Stamp: 2, Price: 4}, {Stamp: 1, Price: 5}})
	wiretest.CheckPoints(t, "the last in the body counts", got, market.Point{Stamp: 1, Price: 5}, market.Point{Stamp: 2, Price: 4}, market.Point{Stamp: 3, Price: 3})
}

func TestIDs(t *testing.T) {
	ids, err := wire.IDs("coingecko,theirs,more\nbitcoin,btc,a b\navalanche-2,avax,\n", 3)
	if err != nil || len(ids) != 2 || ids["bitcoin"][0] != "btc" || ids["bitcoin"][1] != "a b" || ids["avalanche-2"][0] != "avax" {
		t.Errorf("%v %v", ids, err)
	}
	for name, table := range map[string]string{
		"an id twice":    "a,b\nbitcoin,btc\nbitcoin,xbt\n",
		"theirs twice":   "a,b\nbitcoin,btc\nbitcoin-cash,btc\n",
		"no id":          "a,b\n,btc\n",
		"a bad id":       "a,b\nBit Coin/,btc\n",
		"nothing theirs": "a,b\nbitcoin,\n",
		"a column more":  "a,b\nbitcoin,btc,x\n",
	} {
		if _, err := wire.IDs(table, 2); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

// TestPlan: calls ascend and do not overlap, hold no more than they may, begin and end with what is wanted, and cover it
// all; what is before first is beyond; and there are no fewer that would do.
func TestPlan(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const rows = 7
		i := rapid.SampledFrom([]market.Interval{market.Daily, market.Hourly}).Draw(t, "interval")
		step := i.Step()
		var missing []market.Range
		next := int64(0)
		for range rapid.IntRange(0, 6).Draw(t, "ranges") {
			from := next + rapid.Int64Range(0, 12).Draw(t, "gap")
			next = from + rapid.Int64Range(1, 20).Draw(t, "length")
			missing = append(missing, market.Range{From: from * step, To: next * step})
			next++
		}
		first, end := rapid.Int64Range(0, 40).Draw(t, "first")*step, rapid.Int64Range(0, 120).Draw(t, "end")*step
		calls, beyond := wire.Plan(i, missing, first, end, rows)

		wanted, old := map[int64]bool{}, map[int64]bool{}
		for _, r := range missing {
			for at := r.From; at < r.To; at += step {
				if at < first {
					old[at] = true
				} else if at < end {
					wanted[at] = true
				}
			}
		}
		least, reached := 0, int64(math.MinInt64)
		for at := first; at < end; at += step { // greedy is the fewest: each call begins where it must
			if wanted[at] && at >= reached {
				least, reached = least+1, at+rows*step
			}
		}
		if len(calls) != least {
			t.Fatalf("%d calls, %d would do", len(calls), least)
		}
		previous := int64(math.MinInt64)
		for _, w := range calls {
			if w.From < previous || w.Empty() || w.To-w.From > rows*step || !wanted[w.From] || !wanted[w.To-step] {
				t.Fatalf("the call %v behind %d", w, previous)
			}
			previous = w.To
			for at := w.From; at < w.To; at += step {
				delete(wanted, at)
			}
		}
		for _, r := range beyond {
			for at := r.From; at < r.To; at += step {
				if !old[at] {
					t.Fatalf("%d is not beyond", at)
				}
				delete(old, at)
			}
		}
		if len(wanted)+len(old) > 0 {
			t.Fatalf("left out: %v and %v", wanted, old)
		}
	})
}

// TestGet: a 200 with JSON is good; of anything else only the beginning is looked at; a body that is too long is refused;
// and a redirect is an answer, which takes no key anywhere.
func TestGet(t *testing.T) {
	canary := wiretest.Serve(t, wiretest.Answer([]byte(`{}`)))
	long := strings.Repeat(" ", 1000) + "{}"
	for name, test := range map[string]struct {
		handler http.HandlerFunc
		good    bool
		body    int
		kind    fault.Kind // of the error; Internal: none
	}{
		"good":           {wiretest.Answer([]byte(`{"a":1}`)), true, 7, 0},
		"a kind of JSON": {wiretest.Refuse(200, "application/problem+json; charset=utf-8", `{}`), true, 2, 0},
		"a page":         {wiretest.Refuse(200, "text/html", long), false, 1002, 0},
		"an error":       {wiretest.Refuse(500, "application/json", strings.Repeat("x", 2*wire.MaxErrorBytes)), false, wire.MaxErrorBytes + 1, 0},
		"too long":       {wiretest.Answer([]byte(long)), false, 0, fault.UpstreamNonsense},
		"a redirect":     {http.RedirectHandler(canary.URL, http.StatusFound).ServeHTTP, false, 0, 0},
		"shorter than said": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Content-Length", "10")
			_, _ = w.Write([]byte(`{}`))
		}, false, 0, fault.UpstreamUnavailable},
	} {
		u := wiretest.Serve(t, test.handler)
		c, err := wire.New(wire.Options{Provider: "somebody", BaseURL: u.URL + "/v1/", Secrets: []string{wiretest.Key}})
		if err != nil {
			t.Fatal(err)
		}
		r, err := c.Get(t.Context(), wire.Endpoint{Path: "/a/{id}", MaxBytes: 1000}, "/a/b%20c", "x=1", http.Header{"X-Key": {wiretest.Key}})
		c.CloseIdleConnections()
		if test.kind != fault.Internal {
			if wiretest.WantKind(t, name, err, test.kind); err != nil && strings.Contains(err.Error(), u.URL) {
				t.Errorf("%s: the address is in %v", name, err)
			}
			continue
		}
		if err != nil || r.Good != test.good || name != "a redirect" && len(r.Body) != test.body {
			t.Errorf("%s: %+v %v", name, r, err)
		}
		seen := u.Requests()[0]
		if seen.URL.String() != "/v1/a/b%20c?x=1" || seen.Header.Get("X-Key") != wiretest.Key || seen.Header.Get("User-Agent") != "coingraph" {
			t.Errorf("%s: asked %s with %v", name, seen.URL, seen.Header)
		}
	}
	if n := len(canary.Requests()); n != 0 {
		t.Errorf("the canary was asked %d times", n)
	}
}
