package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/coingraph/coingraph/fetch/simulator"
)

// logLine is what the tests read of a line.
type logLine struct {
	Event, Level, Replica, Route, Operation, Variables, Target, Code string

	RequestID string `json:"request_id"`
	TraceID   string `json:"trace_id"`
	KeyID     string `json:"key_id"`
	Status    int
}

// exported is an export's lines. Each must be a whole JSON object, and gzip -t must take the file.
func (s *server) exported(query string) []logLine {
	s.t.Helper()
	r := s.get("/logs/export"+query, adminKey)
	if r.status != http.StatusOK {
		s.t.Fatalf("%d %s", r.status, r.body)
	}
	return readLines(s.t, strings.NewReader(r.body))
}

func readLines(t testing.TB, r io.Reader) []logLine {
	t.Helper()
	var lines []logLine
	if err := scanLines(r, func(line []byte) error {
		var l logLine
		if err := json.Unmarshal(line, &l); err != nil {
			return fmt.Errorf("%q: %w", line, err)
		}
		lines = append(lines, l)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return lines
}

// scanLines reads gzip members of lines to their very end.
func scanLines(r io.Reader, visit func([]byte) error) error {
	zip, err := gzip.NewReader(r)
	if err != nil {
		return err
	}
	lines := bufio.NewReaderSize(zip, 1<<20)
	for {
		line, err := lines.ReadBytes('\n')
		if err == io.EOF && len(line) == 0 {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%q: %w", line, err)
		}
		if err := visit(line); err != nil {
			return err
		}
	}
}

// requestCounts is how many lines there are of each request.
func requestCounts(lines []logLine) map[string]int {
	n := make(map[string]int)
	for _, l := range lines {
		if l.Event == "request" {
			n[l.RequestID]++
		}
	}
	return n
}

// load asks for a price over and over at about a rate, and gives the ids of the answers with when they came.
type load struct {
	mu       sync.Mutex
	answered map[string]time.Time
	stop     func()
}

func (s *server) load(perSecond int) *load {
	l := &load{answered: make(map[string]time.Time)}
	ctx, cancel := context.WithCancel(s.t.Context())
	var group sync.WaitGroup
	l.stop = sync.OnceFunc(func() { cancel(); group.Wait() })
	s.t.Cleanup(l.stop)
	const clients = 32 // so that the rate does not hang on how long an answer takes
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: clients}}
	s.t.Cleanup(client.CloseIdleConnections)
	for range clients {
		group.Go(func() {
			tick := time.NewTicker(time.Second * clients / time.Duration(perSecond))
			defer tick.Stop()
			for {
				select {
				case <-tick.C:
				case <-ctx.Done():
					return
				}
				req, err := http.NewRequestWithContext(context.WithoutCancel(ctx), http.MethodGet, s.url+"/simple_price?assets=bitcoin", nil)
				if err != nil {
					return
				}
				req.Header.Set("X-API-Key", publicKey)
				resp, err := client.Do(req)
				if err != nil {
					return // the server was killed
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
				l.mu.Lock()
				l.answered[resp.Header.Get("X-Request-Id")] = time.Now()
				l.mu.Unlock()
			}
		})
	}
	return l
}

func (l *load) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.answered)
}

// underLoad exports while requests come in and segments rotate, and counts: no line is lost, doubled or cut.
func underLoad(t *testing.T, s *server, lasts time.Duration, perSecond int) {
	l := s.load(perSecond)
	end := time.Now().Add(lasts)
	exports := 0
	var seen map[string]int
	for time.Now().Before(end) || exports < 3 {
		before := l.count()
		seen = requestCounts(s.exported(""))
		exports++
		if len(seen) < before*9/10 && exports > 1 { // what was answered before the export began is in it, but for the last lines
			t.Errorf("export %d has %d requests; %d were answered before", exports, len(seen), before)
		}
		for id, n := range seen {
			if n != 1 {
				t.Fatalf("export %d has %s %d times", exports, id, n)
			}
		}
	}
	l.stop()
	// A request's line is written just after its answer.
	s.await("all lines", func() bool {
		seen = requestCounts(s.exported("?event=request"))
		for id := range l.answered {
			if seen[id] != 1 {
				return false
			}
		}
		return true
	})
	t.Logf("%d requests in %v, %d exports meanwhile", len(l.answered), lasts, exports)
}

// TestExportUnderLoad is the short form of TestSoakExport.
func TestExportUnderLoad(t *testing.T) {
	everyBackend(t, func(t *testing.T, s *server) { underLoad(t, s, 2*time.Second, 300) })
}

// TestKilledUnderLoad: after kill -9 and a restart the export has every request that was answered a second before.
func TestKilledUnderLoad(t *testing.T) {
	sim := simulator.New(simulator.Options{Seed: 7, Plan: simulator.Public})
	vars := map[string]string{"COINGECKO_BASE_URL": serveHTTP(t, sim), "COINGECKO_PLAN": "public", "DATA_DIR": t.TempDir()}
	if pg := backends(t)["postgres and redis"]; pg != nil {
		maps.Copy(vars, pg)
	}
	cmd, address, out := process(t, vars)
	s := &server{t: t, url: address, log: out}
	l := s.load(300)
	s.await("requests", func() bool { return l.count() > 100 })
	s.exported("") // some of it is shipped
	s.await("more requests", func() bool { return l.count() > 700 })
	killed := time.Now()
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	l.stop()

	_, s.url, s.log = process(t, vars)
	var lost int
	s.await("the lines from before", func() bool {
		seen := requestCounts(s.exported(""))
		lost = 0
		for id, at := range l.answered {
			switch {
			case seen[id] > 1:
				t.Fatalf("%s is there %d times", id, seen[id])
			case seen[id] == 0 && killed.Sub(at) > time.Second:
				lost++
			}
		}
		return lost == 0
	})
	t.Logf("%d requests were answered", len(l.answered))
}

// TestExportByReplicas: an export by one replica has what another one answered just before.
func TestExportByReplicas(t *testing.T) {
	vars := backends(t)["postgres and redis"]
	if vars == nil {
		t.Skip("skipped: needs TEST_DATABASE_URL")
	}
	one, two := start(t, vars), start(t, vars)
	one.await("the second's first sign of life", func() bool { return len(one.exported("?event=start")) == 2 })
	id := two.get("/simple_price?assets=bitcoin", publicKey).header.Get("X-Request-Id")
	one.await("the other's line", func() bool { return requestCounts(one.exported("?requestId=" + id))[id] == 1 })
	two.stop()
	if ends := one.exported("?event=stop"); len(ends) != 1 {
		t.Errorf("the other's end: %+v", ends)
	}
	link := downloadURL(t, one, `{ event: "stop" }`)
	two.open()
	r := two.get(link, "")
	if r.status != http.StatusOK {
		t.Fatalf("another replica's link: %d %s", r.status, r.body)
	}
	if lines := readLines(t, strings.NewReader(r.body)); len(lines) != 1 || lines[0].Event != "stop" {
		t.Errorf("through the link: %+v", lines)
	}
}

func downloadURL(t *testing.T, s *server, filter string) string {
	t.Helper()
	var data struct {
		LogExport struct{ DownloadURL string }
	}
	s.query(adminKey, plain, `{ logExport(filter: `+filter+`) { downloadURL: downloadUrl } }`, nil).into(t, &data)
	return data.LogExport.DownloadURL
}

func TestDownloadLinks(t *testing.T) {
	s := start(t, nil)
	s.get("/market_chart?asset=bitcoin&days=0", publicKey)
	link := downloadURL(t, s, `{ status: 400 }`)
	if strings.Contains(link, adminKey) {
		t.Errorf("the link holds the key: %s", link)
	}
	r := s.get(link, "")
	if lines := readLines(t, strings.NewReader(r.body)); len(lines) != 1 || lines[0].Status != 400 {
		t.Errorf("through the link: %+v", lines)
	}
	if r := s.get(strings.Replace(link, "400", "200", 1), ""); r.status != 401 {
		t.Errorf("a link that was changed: %+v", r)
	}
	if r := s.get(link+"&file=../../etc/passwd", ""); r.status != 401 {
		t.Errorf("a link with more: %+v", r)
	}
	var data struct{ LogExport *struct{} }
	if g := s.query(publicKey, plain, `{ logExport { downloadUrl } }`, nil); g.codes() != "FORBIDDEN" || json.Unmarshal(g.Data, &data) != nil || data.LogExport != nil {
		t.Errorf("a link for a user: %s", g.body)
	}
	// What was downloaded is on record, under the name of who made the link.
	if got := s.exported("?event=log.export"); len(got) != 2 || got[0].KeyID != "dev-admin" {
		t.Errorf("the audit entries: %+v", got)
	}
}

func TestExportParameters(t *testing.T) {
	s := start(t, nil)
	for query, fields := range map[string]string{
		"?from=../../etc&to=..%2f":                             "from to",
		"?file=../../etc/passwd":                               "file",
		"?level=loud&event=..%2F&status=99&key=%0A":            "event key level status",
		"?requestId=../1&provider=a/b":                         "provider requestId",
		"?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z":   "to",
		"?from=2026-01-02T00:00:00Z&from=2026-01-01T00:00:00Z": "from",
	} {
		r := s.get("/logs/export"+query, adminKey)
		var body struct{ Errors []struct{ Field string } }
		_ = json.Unmarshal([]byte(r.body), &body)
		have := make(map[string]bool)
		for _, e := range body.Errors {
			have[e.Field] = true
		}
		for field := range strings.FieldsSeq(fields) {
			if r.status != 400 || !have[field] || len(have) != len(strings.Fields(fields)) {
				t.Errorf("%s: %d %s, want %s", query, r.status, r.body, fields)
			}
		}
	}
	if r := s.do(http.MethodHead, "/logs/export", adminKey, nil, ""); r.status != 200 || r.body != "" {
		t.Errorf("HEAD: %+v", r)
	}
	if r := s.get("/logs/export?to=2020-01-01T00:00:00Z", adminKey); r.status != 200 || len(readLines(t, strings.NewReader(r.body))) != 0 {
		t.Errorf("an export of nothing: %d", r.status)
	}
}

// TestClientLeavesMidExport leaves nothing open: no goroutine, no connection of the database.
func TestClientLeavesMidExport(t *testing.T) {
	everyBackend(t, func(t *testing.T, s *server) {
		for range 300 { // more than the buffers on the way hold would take long; the handler meets the end either way
			s.get("/nonesuch", publicKey)
		}
		s.exported("")
		http.DefaultTransport.(*http.Transport).CloseIdleConnections()
		before := runtime.NumGoroutine()
		for range 20 {
			ctx, cancel := context.WithCancel(t.Context())
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+"/logs/export?event=request", nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("X-API-Key", adminKey)
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			cancel()
			resp.Body.Close()
		}
		s.await("the end of it", func() bool {
			http.DefaultTransport.(*http.Transport).CloseIdleConnections()
			return runtime.NumGoroutine() <= before+2
		})
		for range 10 { // the database's pool is whole
			s.exported("?event=start")
		}
	})
}

// TestExportAtShutdown: one that is under way when the program is told to stop arrives whole.
func TestExportAtShutdown(t *testing.T) {
	s := start(t, nil)
	for range 50 {
		s.get("/nonesuch", publicKey)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+"/logs/export", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-API-Key", adminKey)
	resp, err := http.DefaultClient.Do(req) // the header is here, the rest is on its way
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	stopped := make(chan struct{})
	go func() { defer close(stopped); s.stop() }()
	if lines := readLines(t, resp.Body); len(lines) < 50 {
		t.Errorf("%d lines", len(lines))
	}
	<-stopped
}

// TestHostileLines: whatever clients send, a line is one JSON object.
func TestHostileLines(t *testing.T) {
	s := start(t, nil)
	for _, text := range []string{"a\nb", "\x1b[31m", `"quoted"`, "\xff\xfe", strings.Repeat("x", 200_000), "\x00", "\u2028"} {
		s.get("/market_chart?asset="+url.QueryEscape(text), publicKey)
		s.get("/"+url.PathEscape(text[:min(len(text), 4000)]), publicKey)
		body, err := json.Marshal(map[string]any{"query": "query Q($a: ID!) { asset(id: $a) { id } }", "operationName": "Q", "variables": map[string]any{"a": text, text[:min(len(text), 90)]: 1}})
		if err != nil {
			t.Fatal(err)
		}
		header := map[string]string{"Content-Type": plain}
		if !strings.ContainsFunc(text, unicode.IsControl) && len(text) < 1000 { // the client sends no others
			header["User-Agent"] = text
		}
		s.do(http.MethodPost, "/graphql", publicKey, header, string(body))
	}
	found := ""
	for _, l := range s.exported("?event=request") {
		if l.Operation != "" && found == "" {
			found = l.Operation + " " + l.Variables
		}
	}
	if !strings.HasPrefix(found, "Q ") || !strings.Contains(found, "?=number a=string(3)") && !strings.Contains(found, "a=string(3) ?=number") {
		t.Errorf("the shape of the variables: %q", found)
	}
}

// TestAuditEntries: what admins do is in the export once, whoever did it, and on the console at once.
func TestAuditEntries(t *testing.T) {
	everyBackend(t, func(t *testing.T, s *server) {
		var created struct {
			CreateAPIKey struct{ Key struct{ ID string } } `json:"createApiKey"`
		}
		name := "audit-" + randomName()
		s.query(adminKey, plain, `mutation($n: String!) { createApiKey(name: $n, tier: "standard") { key { id } } }`, map[string]any{"n": name}).into(t, &created)
		id := created.CreateAPIKey.Key.ID
		for range 2 {
			s.query(adminKey, plain, `mutation($id: ID!) { revokeApiKey(id: $id) { id } }`, map[string]any{"id": id})
		}
		for _, event := range []string{"key.create", "key.revoke"} {
			lines := s.exported("?event=" + event)
			n := 0
			for _, l := range lines {
				if l.Target == id {
					n++
					if l.KeyID != "dev-admin" || l.RequestID == "" || l.Level != "INFO" {
						t.Errorf("%s: %+v", event, l)
					}
				}
			}
			if n != 1 {
				t.Errorf("%s is there %d times: %+v", event, n, lines)
			}
			s.await("the console", func() bool { return strings.Contains(s.log.String(), `"event":"`+event+`"`) })
		}
	})
}

func TestMetricsPage(t *testing.T) {
	everyBackend(t, func(t *testing.T, s *server) {
		s.get("/simple_price?assets=bitcoin,ethereum", publicKey)
		s.get("/simple_price?assets=bitcoin", publicKey)
		s.get("/nonesuch/"+publicKey, publicKey)
		s.query(publicKey, plain, `{ a: simplePrice(assets: ["bitcoin"]) { price } marketChart(asset: "nonesuch", days: 1) { days } }`, nil)
		page := s.get("/metrics", "")
		for _, want := range []string{
			`coingraph_http_requests_total{method="GET",route="/simple_price",status="200"} 2`, `coingraph_http_request_duration_seconds_count{route="/simple_price"} 2`,
			`coingraph_http_requests_total{method="GET",route="none",status="404"} 1`, `coingraph_http_requests_in_flight 1`,
			`coingraph_graphql_fields_total{code="ok",field="Query.simplePrice"} 1`, `coingraph_graphql_fields_total{code="NOT_FOUND",field="Query.marketChart"} 1`,
			`coingraph_cache_hits_total{kind="price",tier="memory"} 2`, `coingraph_cache_misses_total{kind="price"} 2`,
			`coingraph_upstream_calls_total{endpoint="/simple/price",outcome="ok",provider="coingecko"} 1`, `coingraph_upstream_gate{provider="coingecko",state="open"} 1`,
			`coingraph_log_dropped_lines_total{target="segment"} 0`, `coingraph_log_lines_total{event="start",level="INFO"} 1`, `coingraph_pool_connections{pool=`, "\ngo_goroutines ", "\nprocess_",
		} {
			if !strings.Contains(page.body, want) {
				t.Errorf("there is no %s", want)
			}
		}
		if page.status != 200 || strings.Contains(page.body, publicKey) || strings.Contains(page.body, "bitcoin") {
			t.Errorf("the page: %d", page.status)
		}
		if problems, err := testutil.GatherAndLint(s.app.observed.metrics.Gatherer()); err != nil || len(problems) > 0 {
			t.Errorf("lint: %v, %v", problems, err)
		}
	})
}

// TestWhoMayReadMetrics: everybody in dev, admins in prod, whoever reaches METRICS_ADDR there.
func TestWhoMayReadMetrics(t *testing.T) {
	s := start(t, nil)
	s.stop()
	s.prod = true
	s.open()
	for key, want := range map[string]int{"": 401, publicKey: 403, adminKey: 200} {
		if r := s.get("/metrics", key); r.status != want {
			t.Errorf("in prod, with the key %q: %d, want %d", key, r.status, want)
		}
	}
	s.stop()
	s.env["METRICS_ADDR"] = "127.0.0.1:0"
	s.open()
	if r := s.get("/metrics", adminKey); r.status != 404 {
		t.Errorf("where it is served elsewhere: %d", r.status)
	}
	resp, err := http.Get("http://" + s.app.MetricsAddr().String() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusOK || !bytes.Contains(body, []byte("coingraph_build_info")) {
		t.Errorf("at METRICS_ADDR: %d", resp.StatusCode)
	}
	if resp, err := http.Get("http://" + s.app.MetricsAddr().String() + "/logs/export"); err != nil || resp.StatusCode != http.StatusNotFound {
		t.Errorf("what else is there: %v, %v", resp, err)
	}
}

// TestTraces sends them where the standard variables say: a request's span has those of what it caused below it, and
// none holds a secret or a value.
func TestTraces(t *testing.T) {
	var mu sync.Mutex
	var received bytes.Buffer
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body := io.Reader(r.Body)
		if r.Header.Get("Content-Encoding") == "gzip" {
			zip, err := gzip.NewReader(r.Body)
			if err != nil {
				t.Error(err)
				return
			}
			body = zip
		}
		mu.Lock()
		defer mu.Unlock()
		_, _ = io.Copy(&received, body)
	}))
	t.Cleanup(collector.Close)
	sim := simulator.New(simulator.Options{Seed: 7, Plan: simulator.Pro, Keys: []string{providerKey}})
	vars := map[string]string{
		"COINGECKO_BASE_URL": serveHTTP(t, sim), "COINGECKO_PLAN": "pro", "COINGECKO_API_KEY": providerKey, "DATA_DIR": t.TempDir(),
		"OTEL_EXPORTER_OTLP_ENDPOINT": collector.URL, "OTEL_BSP_SCHEDULE_DELAY": "50",
	}
	if all := backends(t)["postgres and redis"]; all != nil {
		clearCache(t, all["REDIS_URL"])
		maps.Copy(vars, all)
	}
	_, address, out := process(t, vars)
	s := &server{t: t, url: address, log: out}
	const parent = "0af7651916cd43dd8448eb211c80319c"
	r := s.do(http.MethodPost, "/graphql", publicKey, map[string]string{"Content-Type": plain, "Traceparent": "00-" + parent + "-b7ad6b7169203331-01"},
		`{"query":"query Traced { simplePrice(assets: [\"tron\"]) { price } }"}`)
	if r.status != 200 {
		t.Fatal(r)
	}
	want := []string{"POST /graphql", "Query.simplePrice", "sql", "upstream call", "/simple/price", "coingraph", r.header.Get("X-Request-Id")}
	if vars["REDIS_URL"] != "" {
		want = append(want, "redis")
	}
	s.await("the spans", func() bool {
		mu.Lock()
		defer mu.Unlock()
		for _, w := range want {
			if !bytes.Contains(received.Bytes(), []byte(w)) {
				return false
			}
		}
		return true
	})
	mu.Lock()
	for _, secret := range []string{publicKey, adminKey, providerKey, "tron"} {
		if bytes.Contains(received.Bytes(), []byte(secret)) {
			t.Errorf("a span holds %s", secret)
		}
	}
	mu.Unlock()
	if lines := s.exported("?requestId=" + r.header.Get("X-Request-Id")); len(lines) < 2 || lines[0].TraceID != parent {
		t.Errorf("the lines of the request: %+v", lines)
	}
}

// TestLogsCommand reads the log as a person does.
func TestLogsCommand(t *testing.T) {
	s := start(t, nil)
	s.get("/market_chart?asset=bitcoin&days=0", publicKey)
	environ := []string{"COINGRAPH_URL=" + s.url, "COINGRAPH_KEY=" + adminKey}
	var out, errs bytes.Buffer
	s.await("the line", func() bool {
		out.Reset()
		if code := run(t.Context(), []string{"logs", "--status", "400"}, environ, &out, &errs); code != 0 {
			t.Fatal(errs.String())
		}
		return out.Len() > 0
	})
	if got := out.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "request 400 GET /market_chart") || !strings.Contains(got, "code=BAD_USER_INPUT") || strings.Contains(got, "\x1b") {
		t.Errorf("got %q", got)
	}
	if code := run(t.Context(), []string{"logs", "--key", "wrong"}, environ, &out, &errs); code != 1 || !strings.Contains(errs.String(), "API key") {
		t.Errorf("a wrong key: %d, %s", code, &errs)
	}
	if code := run(t.Context(), []string{"logs"}, nil, &out, &errs); code != 1 || !strings.Contains(errs.String(), "COINGRAPH_KEY") {
		t.Errorf("no key: %d, %s", code, &errs)
	}

	follower := new(safeBuffer)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan int)
	go func() {
		done <- run(ctx, []string{"logs", "--follow", "--json", "--event", "request"}, environ, follower, io.Discard)
	}()
	s.await("what was", func() bool { return strings.Contains(follower.String(), `"status":400`) })
	id := s.get("/nonesuch", publicKey).header.Get("X-Request-Id")
	s.await("what comes", func() bool { return strings.Contains(follower.String(), id) })
	cancel()
	if code := <-done; code != 0 {
		t.Errorf("interrupted: exit code %d", code)
	}
	if strings.Contains(follower.String(), logsOperation) || strings.Count(follower.String(), id) != 1 {
		t.Errorf("the follower shows itself, or a line twice:\n%s", follower)
	}
}

func TestPrintedLines(t *testing.T) {
	var out bytes.Buffer
	for _, c := range []struct {
		p          linePrinter
		line, want string
	}{
		{
			linePrinter{},
			`{"time":"2026-11-01T12:00:00.123456Z","level":"WARN","msg":"call to a provider","event":"fetch.call","provider":"coingecko","n":0,"empty":"","error":"\u001b[31m"}`,
			`2026-11-01 12:00:00.123 WARN  fetch.call call to a provider error="\x1b[31m" provider=coingecko` + "\n",
		},
		{
			linePrinter{color: true},
			`{"time":"2026-11-01T12:00:00.1Z","level":"ERROR","msg":"request","event":"request","status":502,"method":"GET","duration_ms":1.500}`,
			"\x1b[2m2026-11-01 12:00:00.100\x1b[0m \x1b[1;31mERROR\x1b[0m \x1b[36mrequest\x1b[0m \x1b[31m502\x1b[0m GET - 1.500 ms\n",
		},
		{linePrinter{json: true}, `{"a":1}`, `{"a":1}` + "\n"},
		{linePrinter{}, `not JSON`, "not JSON\n"},
	} {
		out.Reset()
		c.p.out = &out
		if err := c.p.print([]byte(c.line)); err != nil || out.String() != c.want {
			t.Errorf("got  %qwant %q, %v", out.String(), c.want, err)
		}
	}
}
