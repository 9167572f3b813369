package main

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/coingraph/coingraph/fetch/simulator"
)

// TestHostileInput: every bad parameter gets the contract's error on each door, costs no upstream call and leaves no key
// in the cache outside the scheme.
func TestHostileInput(t *testing.T) {
	vars := backends(t)["postgres and redis"] // nil: embedded
	s := start(t, vars)
	keysBefore := redisKeys(t)
	s.spent()

	ids := map[string]string{ // what it is: the id
		"colon": "a:b", "star": "a*", "CRLF": "a\r\nSET x 1", "brace": "{x}", "NUL": "a\x00b", "10 KB": strings.Repeat("a", 10_000), "emoji": "\U0001F600", "right to left": "\u202ebitcoin",
		"path": "/../", "path with a query": "../ping?x=", "escaped path": "..%2f", "dots": "bitcoin/../..", "query": "bitcoin?days=1", "fragment": "#", "url": "http://127.0.0.1:1/",
		"sql": "' OR 1=1--", "dollar": "$1", "backslash": `\`, "case": "Bitcoin", "blank": "bitcoin ", "empty": "",
	}
	for name, id := range ids {
		t.Run("id: "+name, func(t *testing.T) {
			for _, accept := range []string{plain, response} {
				want := map[string]int{plain: 200, response: 400}[accept]
				for field, query := range map[string]string{
					"id":        `query($x: ID!) { asset(id: $x) { id } }`,
					"asset":     `query($x: ID!) { marketChart(asset: $x, days: 1) { prices } }`,
					"assets[0]": `query($x: ID!) { simplePrice(assets: [$x]) { price } }`,
					"ids[0]":    `query($x: ID!) { assets(ids: [$x]) { totalCount } }`,

					"m.asset":          `query($x: ID!) { m: onChainMetric(asset: $x, metric: MVRV, days: 1) { values } }`,
					"columns[1].asset": `query($x: ID!) { grid(columns: [{asset: "bitcoin"}, {asset: $x, metric: MVRV}], days: 1) { timestamps } }`,
				} {
					g := s.query(publicKey, accept, query, map[string]any{"x": id})
					if g.status != want || g.codes() != "BAD_USER_INPUT" || g.Data != nil || len(g.Errors[0].Extensions.Fields) == 0 || g.Errors[0].Extensions.Fields[0].Field != field {
						t.Errorf("%s %s: %d %.300s", accept, field, g.status, g.body)
					}
				}
			}
			for _, path := range []string{"/market_chart?days=1&asset=", "/simple_price?assets="} {
				r := s.get(path+url.QueryEscape(id), publicKey)
				if r.status != 400 || !strings.Contains(r.body, `"code":"BAD_USER_INPUT"`) || !strings.Contains(r.body, `"field":"asset`) || r.header.Get("Content-Type") != "application/problem+json" {
					t.Errorf("%s: %d %.300s", path, r.status, r.body)
				}
			}
		})
	}

	for _, days := range []string{"0", "-1", "1.5", "1e9", "3000000000", `"7"`, `"MAX"`, `" max"`, `"٧"`, `"７"`, `""`, `"NaN"`, "true"} {
		t.Run("days: "+days, func(t *testing.T) {
			for accept, want := range map[string]int{plain: 200, response: 400} {
				g := s.query(publicKey, accept, `{ marketChart(asset: "bitcoin", days: `+days+`) { prices } }`, nil)
				if g.status != want || g.codes() != "BAD_USER_INPUT" || g.Data != nil || g.Errors[0].Extensions.Fields[0].Field != "days" {
					t.Errorf("literal, %s: %d %s", accept, g.status, g.body)
				}
				body := `{"query":"query($d: Days!) { marketChart(asset: \"bitcoin\", days: $d) { prices } }","variables":{"d":` + days + `}}`
				r := s.do(http.MethodPost, "/graphql", publicKey, map[string]string{"Content-Type": plain, "Accept": accept}, body)
				if r.status != want || !strings.Contains(r.body, `"code":"BAD_USER_INPUT"`) || !strings.Contains(r.body, `"field":"days"`) {
					t.Errorf("variable, %s: %d %s", accept, r.status, r.body)
				}
			}
			if bare := strings.Trim(days, `"`); bare != "7" {
				r := s.get("/market_chart?asset=bitcoin&days="+url.QueryEscape(bare), publicKey)
				if r.status != 400 || !strings.Contains(r.body, `"field":"days"`) {
					t.Errorf("REST: %d %s", r.status, r.body)
				}
			}
		})
	}

	for name, c := range map[string]struct{ query, rest, field string }{
		"interval weekly":    {`{ marketChart(asset: "bitcoin", days: 1, interval: WEEKLY) { prices } }`, "/market_chart?asset=bitcoin&days=1&interval=weekly", "interval"},
		"interval 5m":        {`{ marketChart(asset: "bitcoin", days: 1, interval: "5m") { prices } }`, "/market_chart?asset=bitcoin&days=1&interval=5m", "interval"},
		"interval in case":   {`{ marketChart(asset: "bitcoin", days: 1, interval: hourly) { prices } }`, "/market_chart?asset=bitcoin&days=1&interval=HOURLY", "interval"},
		"interval and blank": {`{ marketChart(asset: "bitcoin", days: 1, interval: "hourly ") { prices } }`, "/market_chart?asset=bitcoin&days=1&interval=hourly%20", "interval"},
		"unknown currency":   {`{ simplePrice(assets: ["bitcoin"], currencies: [XXX]) { price } }`, "/simple_price?assets=bitcoin&currencies=xxx", "currencies"},
		"two in one":         {`{ simplePrice(assets: ["bitcoin"], currencies: ["usd,eur"]) { price } }`, "/market_chart?asset=bitcoin&days=1&currency=usd,eur", "currenc"},
		"no asset":           {`{ simplePrice(assets: []) { price } }`, "/simple_price?assets=", "assets"},
		"no currency":        {`{ simplePrice(assets: ["bitcoin"], currencies: []) { price } }`, "/simple_price?assets=bitcoin&currencies=", "currencies"},
		"251 assets":         {`{ simplePrice(assets: [` + strings.Repeat(`"bitcoin",`, 251) + `]) { price } }`, "/simple_price?assets=" + strings.Repeat("bitcoin,", 250) + "bitcoin", "assets"},
		"251 ids":            {`{ assets(ids: [` + strings.Repeat(`"bitcoin",`, 251) + `]) { totalCount } }`, "", "ids"},
		"first 0":            {`{ assets(first: 0) { totalCount } }`, "", "first"},
		"first 251":          {`{ assets(first: 251) { totalCount } }`, "", "first"},
		"a foreign cursor":   {`{ assets(after: "§§") { totalCount } }`, "", "after"},
		"negative freshness": {`{ simplePrice(assets: ["bitcoin"], freshness: { maxAgeSeconds: -1 }) { price } }`, "", "freshness.maxAgeSeconds"},
		"no such metric":     {`{ onChainMetric(asset: "bitcoin", metric: XXX, days: 1) { values } }`, "", "metric"},
		"metric in case":     {`{ onChainMetric(asset: "bitcoin", metric: mvrv, days: 1) { values } }`, "", "metric"},
		"a metric's days":    {`{ onChainMetric(asset: "bitcoin", metric: MVRV, days: 0) { values } }`, "", "days"},
		"an edge's metric":   {`{ assets(ids: ["bitcoin"]) { nodes { onChain(metric: MVRV, days: 10001) { values } } } }`, "", "days"},
		"no column":          {`{ grid(columns: [], days: 1) { timestamps } }`, "", "columns"},
		"101 columns":        {`{ grid(columns: [` + strings.Repeat(`{asset: "bitcoin"} `, 101) + `], days: 1) { timestamps } }`, "", "columns"},
		"a column with both": {`{ grid(columns: [{asset: "bitcoin", metric: MVRV, currency: USD}], days: 1) { timestamps } }`, "", "columns[0].metric"},
		"a column's value":   {`{ grid(columns: [{asset: "bitcoin", value: XXX}], days: 1) { timestamps } }`, "", "columns.value"},
		"a grid's days":      {`{ grid(columns: [{asset: "bitcoin"}], days: -1) { timestamps } }`, "", "days"},
		"an edge's days":     {`{ assets(ids: ["bitcoin"]) { nodes { chart(days: 0) { prices } } } }`, "", "days"},
		"given twice":        {"", "/market_chart?asset=bitcoin&days=1&days=2", "days"},
	} {
		t.Run(name, func(t *testing.T) {
			if c.query != "" {
				g := s.query(publicKey, response, c.query, nil)
				if g.status != 400 || g.codes() != "BAD_USER_INPUT" || !strings.HasPrefix(g.Errors[0].Extensions.Fields[0].Field, c.field) {
					t.Errorf("GraphQL: %d %.500s", g.status, g.body)
				}
				if strings.Contains(g.body, "Did you mean") {
					t.Errorf("a suggestion: %s", g.body)
				}
			}
			if c.rest != "" {
				if r := s.get(c.rest, publicKey); r.status != 400 || !strings.Contains(r.body, `"field":"`+c.field) {
					t.Errorf("REST: %d %.500s", r.status, r.body)
				}
			}
		})
	}

	r := s.get("/market_chart?asset=a:b&days=0&interval=weekly&currency=xxx", publicKey)
	for _, field := range []string{"asset", "days", "interval", "currency"} {
		if !strings.Contains(r.body, `"field":"`+field+`"`) {
			t.Errorf("%s is not named in %s", field, r.body)
		}
	}
	g := s.query(publicKey, response, `{ marketChart(asset: "a:b", days: 0) { prices } two: marketChart(asset: "bitcoin", days: -1) { prices } }`, nil)
	if got := fmt.Sprint(g.Errors[0].Extensions.Fields); !strings.Contains(got, "{asset ") || !strings.Contains(got, "{days ") || !strings.Contains(got, "{two.days ") {
		t.Errorf("not all are named: %s", got)
	}

	if n := s.spent(); n != 0 {
		t.Errorf("%d upstream calls", n)
	}
	for key := range redisKeys(t) {
		if !keysBefore[key] {
			t.Errorf("a cache key came of it: %q", key)
		}
	}
	for line := range strings.Lines(s.log.String()) {
		if !strings.HasPrefix(line, "{") || len(line) > 4096 {
			t.Errorf("a line of the log: %.200q", line)
		}
	}
}

func redisKeys(t *testing.T) map[string]bool {
	keys := make(map[string]bool)
	if address := os.Getenv("TEST_REDIS_URL"); address != "" {
		for _, k := range keysOfAll(t, redisClient(t, address), "*") {
			if !strings.HasPrefix(k, "rate:{") {
				keys[k] = true
			}
		}
	}
	return keys
}

func TestOddButRealIDs(t *testing.T) {
	s := start(t, nil)
	for _, id := range []string{"0x", "_", "1move token", "boringdao-[old]", "avalanche-2"} {
		if r := s.get("/simple_price?assets="+url.QueryEscape(id), publicKey); r.status != 200 {
			t.Errorf("%s: %d %s", id, r.status, r.body)
		}
		if r := s.get("/market_chart?days=7&asset="+url.QueryEscape(id), publicKey); r.status != 200 {
			t.Errorf("%s: %d %s", id, r.status, r.body)
		}
	}
}

// TestUpstreamFaults: whatever the provider does, the client gets the contract's error, and nothing of it is kept.
func TestUpstreamFaults(t *testing.T) {
	ragged := `{"prices":[[1,2,3]],"market_caps":[[1,2]],"total_volumes":[[1,2]]}`
	for name, c := range map[string]struct {
		fault  simulator.Fault
		code   string
		status int
	}{
		"500":               {simulator.Fault{Status: 500}, "UPSTREAM_UNAVAILABLE", 502},
		"HTML with 200":     {simulator.Fault{HTML: true}, "UPSTREAM_UNAVAILABLE", 502},
		"truncated":         {simulator.Fault{Truncate: 20}, "UPSTREAM_UNAVAILABLE", 502},
		"truncated, reset":  {simulator.Fault{Truncate: 20, Reset: true}, "UPSTREAM_UNAVAILABLE", 502},
		"empty":             {simulator.Fault{Find: "(?s).*", Replace: ""}, "UPSTREAM_UNAVAILABLE", 502},
		"garbage":           {simulator.Fault{Body: []byte("\x00\xff garbage")}, "UPSTREAM_UNAVAILABLE", 502},
		"rows of three":     {simulator.Fault{Body: []byte(ragged)}, "UPSTREAM_UNAVAILABLE", 502},
		"price as a text":   {simulator.Fault{Find: `(":|\d,)(\d)`, Replace: `$1"x"$2`}, "UPSTREAM_UNAVAILABLE", 502},
		"a negative price":  {simulator.Fault{Body: []byte(`{"bitcoin":{"usd":-1},"prices":[[1700000000000,-1]],"market_caps":[],"total_volumes":[]}`)}, "UPSTREAM_UNAVAILABLE", 502},
		"429":               {simulator.Fault{Status: 429, Header: map[string]string{"Retry-After": "60"}}, "UPSTREAM_RATE_LIMITED", 503},
		"401, key refused":  {simulator.Fault{Status: 401, Body: []byte(`{"status":{"error_code":10002,"error_message":"Invalid API Key"}}`)}, "UPSTREAM_UNAVAILABLE", 502},
		"403, a block page": {simulator.Fault{Status: 403, HTML: false, Body: []byte("<!DOCTYPE html><title>Access denied</title>")}, "UPSTREAM_UNAVAILABLE", 502},
		"no answer":         {simulator.Fault{Hang: true}, "UPSTREAM_TIMEOUT", 504},
		"connection reset":  {simulator.Fault{Reset: true}, "UPSTREAM_UNAVAILABLE", 502},
		"redirect":          {simulator.Fault{Redirect: "http://127.0.0.1:1/"}, "UPSTREAM_UNAVAILABLE", 502},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, map[string]string{"UPSTREAM_TIMEOUT": "200ms", "UPSTREAM_RETRIES": "1", "REQUEST_TIMEOUT": "3s"}) // a breaker that one fault opened must not answer for the next
			c.fault.Match = "^/(simple|coins/bitcoin)"
			if err := s.sim.Inject(c.fault); err != nil {
				t.Fatal(err)
			}
			price := func() reply { return s.get("/simple_price?assets=bitcoin", publicKey) }
			chart := func() reply { return s.get("/market_chart?asset=bitcoin&days=30", publicKey) }
			for what, r := range map[string]reply{"price": price(), "chart": chart()} {
				if r.status != c.status || !strings.Contains(r.body, `"code":"`+c.code+`"`) || strings.Contains(r.body, providerKey) {
					t.Errorf("%s: %d %.300s", what, r.status, r.body)
				}
				if c.status == 503 && r.header.Get("Retry-After") == "" {
					t.Errorf("%s: no Retry-After", what)
				}
			}
			g := s.query(publicKey, plain, `{ simplePrice(assets: ["bitcoin"]) { price } marketChart(asset: "bitcoin", days: 30) { prices } }`, nil)
			if g.status != 200 || g.codes() != c.code+" "+c.code || string(g.Data) != `{"simplePrice":[null],"marketChart":null}` {
				t.Errorf("GraphQL: %d %.300s", g.status, g.body)
			}
			s.sim.Clear()
			if strings.Contains(s.log.String(), providerKey) {
				t.Error("the provider's key is in the log")
			}
			if c.code == "UPSTREAM_RATE_LIMITED" {
				return // shut for a minute, as it was told
			}
			// Nothing of it was kept: what comes next is the provider's right answer.
			s.await("the right price", func() bool { return price().status == 200 })
			s.await("the right chart", func() bool { return chart().status == 200 })
			truth := truthOf(s.sim, "bitcoin", "usd", time.Now().AddDate(0, 0, -40), time.Now(), 24*time.Hour)
			got := s.chart("bitcoin", "USD", "30", "DAILY")
			if len(got.Prices) != 30 {
				t.Fatalf("%d points", len(got.Prices))
			}
			for i, at := range got.Timestamps {
				if truth[at].Price != *got.Prices[i] {
					t.Errorf("at %v: %v, the provider says %v", time.UnixMilli(at).UTC(), *got.Prices[i], truth[at].Price)
				}
			}
		})
	}
}
