package main

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/coingraph/coingraph/fetch/simulator"
)

// walk is a warm question: the values are in this process's memory.
type walk struct {
	name, document string
	variables      func(i int) map[string]any // of the i-th operation
	path           func(i int) string         // of a GET; nil: it is GraphQL
}

const allPriceFields = "asset { id } currency price marketCap volume24h change24h lastUpdatedAt fetchedAt source stale"

// walks are those whose cost is kept.
func walks() []walk {
	var assets []string
	for _, a := range simulator.Assets()[:60] {
		assets = append(assets, a.ID)
	}
	return []walk{
		{
			name: "W1", document: "query Price($asset: ID!, $currency: Currency!) { simplePrice(assets: [$asset], currencies: [$currency]) { " + allPriceFields + " } }",
			variables: func(i int) map[string]any { return map[string]any{"asset": assets[i%60], "currency": "USD"} },
		},
		{
			name: "W2", document: "query Prices($assets: [ID!]!, $currencies: [Currency!]!) { simplePrice(assets: $assets, currencies: $currencies) { " + allPriceFields + " } }",
			variables: func(i int) map[string]any {
				return map[string]any{"assets": assets[i%10 : i%10+50], "currencies": []string{"USD", "EUR", "GBP", "JPY"}}
			},
		},
		{
			name: "W3", document: "query Chart($asset: ID!, $days: Days!) { marketChart(asset: $asset, interval: DAILY, days: $days) { timestamps prices } }",
			variables: func(i int) map[string]any { return map[string]any{"asset": assets[i%4], "days": 365} },
		},
		{
			name: "W4", document: "query Chart($asset: ID!, $days: Days!) { marketChart(asset: $asset, interval: HOURLY, days: $days) { timestamps prices marketCaps volumes } }",
			variables: func(i int) map[string]any { return map[string]any{"asset": assets[i%4], "days": 90} },
		},
		{
			name: "W5",
			document: "query Board($ids: [ID!]) { assets(ids: $ids) { nodes { id price { price marketCap volume24h change24h lastUpdatedAt } " +
				"chart(interval: DAILY, days: 30) { timestamps prices } } } }",
			variables: func(i int) map[string]any { return map[string]any{"ids": assets[i%4 : i%4+10]} },
		},
		{
			name: "W4 as objects", document: "query Chart($asset: ID!, $days: Days!) { marketChart(asset: $asset, interval: HOURLY, days: $days) { points { timestamp price marketCap volume } } }",
			variables: func(i int) map[string]any { return map[string]any{"asset": assets[i%4], "days": 90} },
		},
		{name: "simple_price", path: func(i int) string { return "/simple_price?assets=" + assets[i%60] }},
		{name: "v3", path: func(i int) string {
			return "/api/v3/simple/price?vs_currencies=usd&include_market_cap=true&ids=" + assets[i%60]
		}},
	}
}

// request is the i-th one.
func (w walk) request(tb testing.TB, i int) *http.Request {
	tb.Helper()
	method, path, body := http.MethodGet, "/graphql", []byte(nil)
	if w.path != nil {
		path = w.path(i)
	} else {
		method = http.MethodPost
		var err error
		if body, err = json.Marshal(map[string]any{"query": w.document, "variables": w.variables(i)}); err != nil {
			tb.Fatal(err)
		}
	}
	r, err := http.NewRequestWithContext(tb.Context(), method, path, bytes.NewReader(body))
	if err != nil {
		tb.Fatal(err)
	}
	r.RemoteAddr = "127.0.0.1:1234"
	r.Header.Set("X-API-Key", publicKey)
	r.Header.Set("Content-Type", plain)
	return r
}

// sink is a ResponseWriter that keeps what it is told in place of what was there.
type sink struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (s *sink) Header() http.Header         { return s.header }
func (s *sink) WriteHeader(status int)      { s.status = status }
func (s *sink) Write(b []byte) (int, error) { return s.body.Write(b) }

func (s *sink) reset() {
	clear(s.header)
	s.status = http.StatusOK
	s.body.Reset()
}

// serveWalk is a function that serves the i-th request of a walk in this process.
func serveWalk(tb testing.TB, s *server, w walk) func(i int) *sink {
	const distinct = 60
	requests := make([]*http.Request, distinct)
	bodies := make([][]byte, distinct)
	for i := range requests {
		requests[i] = w.request(tb, i)
		bodies[i] = new(bytes.Buffer).Bytes()
		if requests[i].GetBody != nil {
			b, err := requests[i].GetBody()
			if err != nil {
				tb.Fatal(err)
			}
			var read bytes.Buffer
			if _, err := read.ReadFrom(b); err != nil {
				tb.Fatal(err)
			}
			bodies[i] = read.Bytes()
		}
	}
	out, reader := &sink{header: make(http.Header)}, bytes.NewReader(nil)
	return func(i int) *sink {
		out.reset()
		r := requests[i%distinct]
		reader.Reset(bodies[i%distinct])
		r.Body = nopCloser{reader}
		s.app.handler.ServeHTTP(out, r)
		if out.status != http.StatusOK || bytes.HasPrefix(out.body.Bytes(), []byte(`{"errors"`)) {
			tb.Fatalf("%s: %d %.300s", w.name, out.status, out.body.String())
		}
		return out
	}
}

type nopCloser struct{ *bytes.Reader }

func (nopCloser) Close() error { return nil }

// TestWalksAllocate keeps the allocations of the walks below ceilings that do not depend on how much is asked for, but by a few for
// each asset. Without pools, which the race detector empties at random, there are more.
func TestWalksAllocate(t *testing.T) {
	ceilings := map[string][2]float64{ // warm; hot
		"W1": {130, 70}, "W2": {280, 70}, "W3": {150, 70}, "W4": {280, 70}, "W5": {330, 70}, "W4 as objects": {280, 70}, "simple_price": {80, 50}, "v3": {85, 50},
	}
	for n, answers := range []string{"0", "12MiB"} {
		s := start(t, map[string]string{"PRICE_TTL": "1h", "ANSWER_CACHE": answers})
		for _, w := range walks() {
			serve := serveWalk(t, s, w)
			for i := range 200 {
				serve(i)
			}
			i := 0
			got := testing.AllocsPerRun(120, func() { serve(i); i++ })
			if most := ceilings[w.name][n]; got > most {
				t.Errorf("%s, answers in %s: %.0f allocations, want at most %.0f", w.name, answers, got, most)
			}
		}
		s.stop()
	}
}

// unlimited is more than any benchmark asks for.
const unlimited = "public/*=1000000000,admin/*=1000000000"

// BenchmarkWalks asks in this process, without a network.
func BenchmarkWalks(b *testing.B) {
	for _, c := range []struct {
		name string
		vars map[string]string
	}{
		{"warm", map[string]string{"ANSWER_CACHE": "0"}},
		{"hot", nil},
		{"redis", map[string]string{"ANSWER_CACHE": "0", "MEMORY_CACHE": "0", "REDIS_URL": os.Getenv("TEST_REDIS_URL")}},
	} {
		vars := map[string]string{"PRICE_TTL": "1h", "RATE_LIMITS": unlimited}
		maps.Copy(vars, c.vars)
		s := start(b, vars)
		for _, w := range walks() {
			b.Run(fmt.Sprintf("%s/%s", c.name, w.name), func(b *testing.B) {
				serve := serveWalk(b, s, w)
				for i := range 200 {
					serve(i)
				}
				s.log.off = true
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					serve(i)
				}
				b.SetBytes(int64(serve(0).body.Len()))
			})
		}
		s.stop()
	}
}

// BenchmarkStored asks for prices that Redis and memory do not have, and Postgres does, 32 side by side.
func BenchmarkStored(b *testing.B) {
	database, redis := os.Getenv("TEST_DATABASE_URL"), os.Getenv("TEST_REDIS_URL")
	if database == "" || redis == "" {
		b.Skip("skipped: TEST_DATABASE_URL and TEST_REDIS_URL are not set")
	}
	s := start(b, map[string]string{"DATABASE_URL": freshDatabase(b, database), "REDIS_URL": redis, "PRICE_TTL": "1ms", "RATE_LIMITS": unlimited})
	w := walks()[0]
	w.document = strings.Replace(w.document, "currencies: [$currency]", "currencies: [$currency], freshness: {maxAgeSeconds: 86400}", 1)
	first := serveWalk(b, s, w)
	for i := range 60 {
		first(i)
	}
	s.log.off = true
	b.SetParallelism(16)
	b.ReportAllocs()
	b.ResetTimer()
	before := processorTime(b)
	var next atomic.Int64
	b.RunParallel(func(pb *testing.PB) {
		serve := serveWalk(b, s, w)
		for pb.Next() {
			serve(int(next.Add(1)))
		}
	})
	b.ReportMetric(float64(processorTime(b)-before)/float64(b.N), "cpu-ns/op")
}

// processorTime is what this process has used.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkServed asks for the hot walk over loopback, on connections that stay open: what net/http adds.
func BenchmarkServed(b *testing.B) {
	for _, w := range walks()[:4] {
		b.Run(w.name, func(b *testing.B) {
			s := start(b, map[string]string{"PRICE_TTL": "1h", "RATE_LIMITS": unlimited, "ANSWER_CACHE": cmp.Or(os.Getenv("BENCH_ANSWER_CACHE"), "12MiB"), "REDIS_URL": os.Getenv("TEST_REDIS_URL")})
			r := w.request(b, 0)
			texts := make([]bytes.Buffer, 60)
			for i := range texts {
				r := w.request(b, i)
				r.Host = strings.TrimPrefix(s.url, "http://")
				if err := r.Write(&texts[i]); err != nil {
					b.Fatal(err)
				}
			}
			r.Host = strings.TrimPrefix(s.url, "http://")
			s.log.off = true
			b.SetParallelism(16)
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				conn, err := net.Dial("tcp", r.Host)
				if err != nil {
					b.Error(err)
					return
				}
				defer conn.Close()
				reader := bufio.NewReaderSize(conn, 1<<18)
				for i := 0; pb.Next(); i++ {
					if _, err := conn.Write(texts[i%len(texts)].Bytes()); err != nil {
						b.Error(err)
						return
					}
					resp, err := http.ReadResponse(reader, r)
					if err != nil {
						b.Error(err)
						return
					}
					_, _ = io.Copy(io.Discard, resp.Body)
				}
			})
		})
	}
}
