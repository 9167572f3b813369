package main

import (
	"cmp"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/coingraph/coingraph/fetch/simulator"
	"github.com/coingraph/coingraph/market"
)

// restQuestion is a GET.
type restQuestion struct {
	method, path, key string
	header            map[string]string
}

func (q restQuestion) String() string {
	return fmt.Sprint(q.method, " ", q.path, " ", q.key, " ", q.header)
}

// compressedFor is the key that asks for compressed answers.
const compressedFor = "dev-admin"

// restQuestions are questions of all kinds: such whose answers are used again, and others.
func restQuestions() []restQuestion {
	get := func(path string) restQuestion { return restQuestion{http.MethodGet, path, publicKey, nil} }
	with := func(q restQuestion, header ...string) restQuestion {
		q.header = make(map[string]string)
		for i := 0; i < len(header); i += 2 {
			q.header[header[i]] = header[i+1]
		}
		return q
	}
	as := func(q restQuestion, method, key string) restQuestion {
		q.method, q.key = method, key
		return q
	}
	var many []string
	for _, a := range simulator.Assets()[:20] {
		many = append(many, url.QueryEscape(a.ID))
	}
	all := strings.Join(many, ",")
	const one, two = "/simple_price?assets=bitcoin", "/simple_price?assets=ethereum,bitcoin,ethereum&currencies=EUR,usd,eur"
	const gecko = "/api/v3/simple/price?vs_currencies=usd"
	const chart = "/market_chart?asset=bitcoin&days=90"
	return []restQuestion{
		get(one), as(get(one), http.MethodGet, adminKey), as(get(one), http.MethodHead, publicKey),
		get(two), get(two + "&format=csv"), get(two + "&format=ndjson"), get(two + "&format=json"),
		with(get(two), "Accept", "text/csv"), with(get(two), "Accept", "*/*"), with(get(two), "Accept", "application/x-ndjson, text/csv;q=0.5"),
		with(get(two), "Accept", "image/png"), with(get(two+"&format=csv"), "Accept", "image/png"),
		get(one + "&max_age=600"), get(one + "&stale_if_error=600"), get(one + "&max_age=x"),
		get(one + "&unknown=1"), get("/simple_price?%61ssets=bitcoin"), get("/simple_price?assets=%62itcoin"), get(one + "&" + one), get(one + ";"),
		get("/simple_price"), get("/simple_price?assets=no-such-asset"), get(one + "&currencies=xxx"), as(get(one), http.MethodGet, "no-such-key"),
		get("/simple_price?assets=" + all + "&currencies=usd,eur,gbp,btc"),
		with(as(get("/simple_price?assets="+all+"&currencies=usd,eur,gbp,btc"), http.MethodGet, adminKey), "Accept-Encoding", "gzip"),
		with(as(get("/simple_price?assets="+all+"&currencies=usd,eur,gbp,btc"), http.MethodGet, adminKey), "Accept-Encoding", "gzip, zstd"),
		with(get("/simple_price?assets="+all+"&currencies=usd,eur,gbp,btc"), "Accept-Encoding", "gzip;q=0, identity"),
		with(as(get("/simple_price?assets="+all+"&currencies=usd,eur,gbp,btc"), http.MethodHead, publicKey), "Accept-Encoding", "gzip"),
		with(get(one), "If-None-Match", "*"), with(get(one), "If-None-Match", `"other"`), with(get(one), "Origin", "https://example.com"),

		get(gecko + "&ids=bitcoin"), get(gecko + ",eur,xxx&ids=bitcoin,no-such-asset,ethereum&precision=2&include_last_updated_at=true"),
		get(gecko + "&ids=bitcoin&include_market_cap=true&include_24hr_vol=true&include_24hr_change=true"),
		get("/api/v3/simple/price/?vs_currencies=usd&ids=bitcoin"), get(gecko + "&names=Bitcoin,Ethereum"), get(gecko + "&symbols=btc,eth,usdt"),
		get(gecko + "&ids=no-such-asset"), get(gecko), get(gecko + "&ids=bitcoin&precision=99"), as(get(gecko+"&ids=bitcoin"), http.MethodGet, ""),
		as(get(gecko+"&ids=bitcoin&x_cg_demo_api_key="+publicKey), http.MethodGet, ""), as(get(gecko+"&ids=bitcoin&x%5Fcg_demo_api_key="+publicKey), http.MethodGet, ""),
		as(get(gecko+"&ids=bitcoin&x_cg_pro_api_key=no-such-key"), http.MethodGet, ""), with(as(get(gecko+"&ids=bitcoin"), http.MethodGet, ""), "x-cg-pro-api-key", adminKey),

		get(chart), get(chart + "&format=csv"), with(get(chart), "Accept", "application/x-ndjson"), get(chart + "&interval=hourly&currency=eur"),
		with(as(get(chart), http.MethodGet, adminKey), "Accept-Encoding", "gzip"), get(chart + "&max_age=600"), get("/market_chart?asset=no-such-asset&days=1"), get("/market_chart?asset=bitcoin&days=0"),
		get("/simple_price?assets=old-tether"), get("/simple_price?assets=tether,old-tether&format=csv"), get(gecko + "&ids=tether,old-tether"), get("/market_chart?asset=old-tether&days=30"),
		get("/api/v3/coins/bitcoin/market_chart?vs_currency=usd&days=30"),
	}
}

// shown is all of an answer that is the same for the same question at the same time.
func shown(t *testing.T, r reply) string {
	t.Helper()
	header := maps.Clone(r.header)
	header.Del("X-Request-Id")
	header.Del("Date")
	header.Del("Ratelimit-Reset") // by the real clock
	header.Del("Retry-After")
	body := r.body
	if encoding := header.Get("Content-Encoding"); encoding != "" { // by whom it was compressed is all the same
		body = decompressed(t, encoding, body)
		header.Del("Content-Length")
	}
	switch {
	case r.status == http.StatusTooManyRequests:
		body, _, _ = strings.Cut(body, "retry") // in how many seconds
		header.Del("Content-Length")
	case strings.Contains(header.Get("Content-Type"), "problem+json"):
		body, _, _ = strings.Cut(body, `,"requestId"`)
		header.Del("Content-Length")
	}
	var out strings.Builder
	fmt.Fprintln(&out, r.status)
	if err := header.Write(&out); err != nil {
		t.Fatal(err)
	}
	return out.String() + body
}

func decompressed(t *testing.T, encoding, body string) string {
	t.Helper()
	var z io.Reader
	var err error
	if encoding == "gzip" {
		z, err = gzip.NewReader(strings.NewReader(body))
	} else {
		z, err = zstd.NewReader(strings.NewReader(body))
	}
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// rename has the server know an asset by an old id too.
func (s *server) rename(old, now string, at time.Time) {
	s.t.Helper()
	list, err := s.app.market.Catalogue(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	assets := slices.Clone(list.Assets)
	i := slices.IndexFunc(assets, func(a market.Asset) bool { return a.ID == now })
	assets[i].Contracts = "ethereum:0x1"
	gone := market.Asset{ID: old, Symbol: "old", Name: "Old", Contracts: assets[i].Contracts}
	for n, assets := range [][]market.Asset{append(slices.Clip(assets), gone), assets} {
		if err := s.app.store.SaveCatalogue(s.t.Context(), assets, at.Add(time.Duration(n+1)*time.Millisecond)); err != nil {
			s.t.Fatal(err)
		}
	}
	s.restart()
}

// lines are what the log says of requests, but what differs between any two.
func (s *server) lines() []string {
	s.t.Helper()
	var all []string
	for text := range strings.SplitSeq(s.log.String(), "\n") {
		var line map[string]any
		if json.Unmarshal([]byte(text), &line) != nil || line["event"] != "request" {
			continue
		}
		for _, differs := range []string{"time", "request_id", "trace_id", "replica", "duration_ms"} {
			delete(line, differs)
		}
		if code := line["status"]; code != 200.0 && code != 304.0 || line["key_id"] == compressedFor {
			delete(line, "bytes") // they have the request's id, or depend on who compressed them
		}
		b, err := json.Marshal(line)
		if err != nil {
			s.t.Fatal(err)
		}
		all = append(all, string(b))
	}
	slices.Sort(all)
	return all
}

// hits are the counters of the cache, by tier and kind.
func (s *server) hits() string {
	s.t.Helper()
	page := s.get("/metrics", "").body
	var all []string
	for line := range strings.SplitSeq(page, "\n") {
		if strings.HasPrefix(line, "coingraph_cache_hits") || strings.HasPrefix(line, "coingraph_cache_misses") {
			all = append(all, line)
		}
	}
	slices.Sort(all)
	return strings.Join(all, "\n")
}

// TestReusedAnswersAreThoseMadeAnew: by nothing that can be seen does a server that uses REST's answers again differ from one that
// does not: neither by what it answers, nor by what it charges, logs and counts.
func TestReusedAnswersAreThoseMadeAnew(t *testing.T) {
	clock := new(wall)
	clock.set(time.March, 10, 12, 30)
	begin := func(answers string) *server {
		s := startOn(t, simulator.Options{Now: clock.Now}, map[string]string{
			"PRICE_TTL": "32s", "ANSWER_CACHE": answers, "ANONYMOUS_TIER": "standard", "RATE_LIMITS": "public/*=1000000,standard/*=9,admin/*=1000000", "CORS_ORIGINS": "https://example.com",
		})
		s.rename("old-tether", "tether", clock.Now())
		return s
	}
	reusing, anew := begin("12MiB"), begin("0")
	questions := restQuestions()
	tags, statuses := make(map[string]string), make(map[int]int)
	const rounds = 12
	for round := range rounds {
		switch {
		case round == 6:
			clock.now.Add((40 * time.Second).Milliseconds()) // all prices are too old
		case round > 1:
			clock.now.Add((1500 * time.Millisecond).Milliseconds())
		}
		for _, q := range questions {
			if round > 0 && q.header["If-None-Match"] == "" && tags[q.String()] != "" && round%2 == 0 {
				q.header = maps.Clone(q.header)
				if q.header == nil {
					q.header = make(map[string]string)
				}
				q.header["If-None-Match"] = tags[q.String()]
			}
			again, made := reusing.do(q.method, q.path, q.key, q.header, ""), anew.do(q.method, q.path, q.key, q.header, "")
			if got, want := shown(t, again), shown(t, made); got != want {
				t.Fatalf("round %d, %v:\n%s\nwant\n%s", round, q, got, want)
			}
			if strings.Contains(q.path, "currencies=usd,eur,gbp,btc") && made.status != http.StatusOK && made.status != http.StatusNotModified {
				t.Fatalf("%v: %d %s", q, made.status, made.body)
			}
			statuses[made.status]++
			tags[q.String()] = cmp.Or(made.header.Get("Etag"), tags[q.String()])
		}
		// Taken so often, the counts are exact.
		if got, want := reusing.demand(), anew.demand(); got != want {
			t.Errorf("round %d, demand:\n%s\nwant\n%s", round, got, want)
		}
	}
	for _, status := range []int{200, 304, 400, 401, 404, 406, 429} {
		if statuses[status] == 0 {
			t.Errorf("no answer was %d", status)
		}
	}
	if got, want := reusing.units(), anew.units(); got != want {
		t.Errorf("%d units are left, want %d", got, want)
	}
	for _, s := range []*server{reusing, anew} {
		s.await("all lines", func() bool { return strings.Count(s.log.String(), `"event":"request"`) == rounds*len(questions)+1 })
	}
	got, want := reusing.lines(), anew.lines()
	for i := range got {
		if got[i] != want[i] {
			t.Fatalf("line %d:\n%s\nwant\n%s", i, got[i], want[i])
		}
	}
	if got, want := reusing.hits(), anew.hits(); got != want || !strings.Contains(got, `kind="price"`) {
		t.Errorf("the cache's counters:\n%s\nwant\n%s", got, want)
	}
}

// demand is what was asked for since it was taken last.
func (s *server) demand() string {
	all := s.app.market.TakeDemand()
	slices.SortFunc(all, func(a, b market.Demand) int { return cmp.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	return fmt.Sprint(all)
}
