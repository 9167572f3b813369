package cryptoquant

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coingraph/coingraph/fault"
	"github.com/coingraph/coingraph/fetch/simulator"
	"github.com/coingraph/coingraph/fetch/wire/wiretest"
	"github.com/coingraph/coingraph/market"
)

func TestParsePeriod(t *testing.T) {
	for text, want := range map[string]period{"P0D": {}, "P1D": {days: 1}, "P3Y": {years: 3}, "P6M": {months: 6}, "P2W": {days: 14}} {
		if got, ok := parsePeriod(text); !ok || got != want {
			t.Errorf("%s: %v %t", text, got, ok)
		}
	}
	for _, text := range []string{"", "P", "3Y", "P3", "PT1H", "P-1D", "P1Y6M", "P12345D", "p3y", " P3Y"} {
		if got, ok := parsePeriod(text); ok {
			t.Errorf("%q is %v", text, got)
		}
	}
	for text, want := range map[string]string{"P3Y": "2023-03-11", "P6M": "2025-09-11", "P1D": "2026-03-10", "P2W": "2026-02-25"} {
		p, _ := parsePeriod(text)
		if got := time.UnixMilli(p.first(market.Daily, midMarch)).UTC().Format(time.DateOnly); got != want {
			t.Errorf("%s reaches back to %s, want %s", text, got, want)
		}
	}
}

// TestPlanIsAskedOnce: before the first question, once for all, and again after a day; what is beyond takes no call.
func TestPlanIsAskedOnce(t *testing.T) {
	sim, base := simulated(t, midMarch, simulator.CryptoQuant{Reach: "P30D"})
	c := client(t, base, midMarch)
	if c.Offers(); sim.Total() != 0 {
		t.Error("an offer took a call")
	}
	missing := days(t, "2026-01-01", "2026-03-09")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			got, err := c.Series(t.Context(), wiretest.Once, key(market.MVRV, market.Daily), missing)
			if err != nil || len(got) != 2 {
				t.Errorf("%v %v", got, err)
				return
			}
			first := wiretest.At(t, "2026-02-09T00:00:00Z")
			if got[0].Beyond != (market.Range{From: missing[0].From, To: first}) || got[1].Covers != (market.Range{From: first, To: missing[0].To}) || len(got[1].Points) != 29 {
				t.Errorf("%+v", got)
			}
		})
	}
	wg.Wait()
	counts := sim.Counts()
	if counts["/v1/my/discovery/endpoints"] != 1 || counts["/v1/{asset}/market-indicator/mvrv"] != 8 {
		t.Errorf("%v", counts)
	}
	if got, err := c.Series(t.Context(), wiretest.Once, key(market.MVRV, market.Daily), days(t, "2025-01-01", "2025-02-01")); err != nil || len(got) != 1 || got[0].Beyond.Empty() || sim.Total() != 9 {
		t.Errorf("all beyond: %+v %v after %d calls", got, err, sim.Total())
	}
	c.now = func() time.Time { return midMarch.Add(planTTL) }
	if _, err := c.Series(t.Context(), wiretest.Once, key(market.MVRV, market.Daily), missing); err != nil || sim.Counts()["/v1/my/discovery/endpoints"] != 2 {
		t.Errorf("a day later: %v %v", sim.Counts(), err)
	}
}

// TestPlanThatFails restricts nothing, and is asked for again after a while.
func TestPlanThatFails(t *testing.T) {
	missing := days(t, "2026-01-01", "2026-01-02")
	for name, f := range map[string]simulator.Fault{
		"403": {Status: 403}, "500": {Status: 500}, "a page": {HTML: true}, "nothing": {Body: []byte(`{}`)}, "no durations": {Body: []byte(`{"apiEndpoint":{"btc":{"a":{"b":{"day":1}}},"statics":["x"]}}`)},
		"an error under 200": {Body: []byte(`{"status":{"code":403,"message":"forbidden"}}`)}, "cut": {Truncate: 20},
	} {
		sim, base := simulated(t, midMarch, simulator.CryptoQuant{})
		f.Match = "discovery"
		if err := sim.Inject(f); err != nil {
			t.Fatal(err)
		}
		c := client(t, base, midMarch)
		log := logged(c)
		for range 2 {
			if got, err := c.Series(t.Context(), wiretest.Once, key(market.MVRV, market.Daily), missing); err != nil || len(got) != 1 || len(got[0].Points) != 2 {
				t.Errorf("%s: %v %v", name, got, err)
			}
		}
		if n := sim.Counts()["/v1/my/discovery/endpoints"]; n != 1 || strings.Count(log.String(), "fetch.plan") != 1 {
			t.Errorf("%s: asked for %d times; %s", name, n, log)
		}
		c.now = func() time.Time { return midMarch.Add(planRetry) }
		if _, err := c.Series(t.Context(), wiretest.Once, key(market.MVRV, market.Daily), missing); err != nil || sim.Counts()["/v1/my/discovery/endpoints"] != 2 {
			t.Errorf("%s: not asked for again: %v", name, err)
		}
	}
}

// TestPlanWithoutWindow: what the plan lists without the window is not asked for.
func TestPlanWithoutWindow(t *testing.T) {
	u := wiretest.Serve(t, wiretest.Answer([]byte(`{"plan":{"name":"X"},"apiEndpoint":{"btc":{"market-indicator":{"mvrv":{"day":"P0D"}}}}}`)))
	c := client(t, u.URL, midMarch)
	_, err := c.Series(t.Context(), wiretest.Once, key(market.MVRV, market.Hourly), days(t, "2026-03-03", "2026-03-03"))
	wiretest.WantKind(t, "hours", err, fault.UpstreamPlan)
	if n := len(u.Requests()); n != 1 {
		t.Errorf("%d calls", n)
	}
}

// TestPlanGoesThroughTry: a caller that lets no call through sees the plan's, and its refusal stops nothing.
func TestPlanGoesThroughTry(t *testing.T) {
	var seen []string
	u := wiretest.Serve(t, func(http.ResponseWriter, *http.Request) { t.Error("a call was made") })
	refuse := func(_ context.Context, endpoint string, _ func(context.Context, string) error) error {
		seen = append(seen, endpoint)
		return fault.Wrap(fault.QuotaExhausted, errors.New("no call"))
	}
	_, err := client(t, u.URL, midMarch).Series(t.Context(), refuse, key(market.MVRV, market.Daily), days(t, "2026-03-03", "2026-03-03"))
	wiretest.WantKind(t, "the second call", err, fault.QuotaExhausted)
	if strings.Join(seen, " ") != "/my/discovery/endpoints /{asset}/market-indicator/mvrv" {
		t.Errorf("%q", seen)
	}
}

// TestPlanThatHangs holds nobody up for long, and not beyond their own deadline.
func TestPlanThatHangs(t *testing.T) {
	sim, base := simulated(t, midMarch, simulator.CryptoQuant{})
	defer sim.Hold("discovery")()
	c := client(t, base, midMarch)
	got, err := c.Series(t.Context(), wiretest.Once, key(market.MVRV, market.Daily), days(t, "2026-03-03", "2026-03-03"))
	if err != nil || len(got) != 1 || len(got[0].Points) != 1 {
		t.Errorf("%v %v", got, err)
	}
}

func FuzzDecodeReach(f *testing.F) {
	f.Add([]byte(`{"plan":{"name":"X"},"apiEndpoint":{"btc":{"market-indicator":{"mvrv":{"day":"P3Y","hour":"P1D"}}},"statics":[]}}`))
	f.Add([]byte(`{"apiEndpoint":{"btc":null,"eth":{"a":[],"b":{"c":{"day":5}}}}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		found, err := decodeReach(body)
		if err == nil && len(found) == 0 {
			t.Error("nothing, and no error")
		}
		for path, windows := range found {
			if len(windows) == 0 || !strings.HasPrefix(path, "/") {
				t.Errorf("%q: %v", path, windows)
			}
		}
	})
}
