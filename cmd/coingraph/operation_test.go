package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coingraph/coingraph/fetch/simulator"
)

func TestAccess(t *testing.T) {
	s := start(t, map[string]string{"API_KEYS": "web:public:secret-of-the-web-frontend,ops:admin:secret-of-the-operators"})
	const user, admin = "secret-of-the-web-frontend", "secret-of-the-operators"
	query := `{"query":"{ simplePrice(assets: [\"bitcoin\"]) { price } }"}`
	post := func(header map[string]string) reply {
		header["Content-Type"] = plain
		return s.do(http.MethodPost, "/graphql", "", header, query)
	}
	first := post(map[string]string{})
	if !strings.HasPrefix(first.body, `{"errors":[{"message":`) || first.header.Get("Content-Type") != "application/json; charset=utf-8" {
		t.Errorf("no key: %+v", first)
	}
	for name, header := range map[string]map[string]string{
		"wrong":          {"X-API-Key": "wrong"},
		"a blank":        {"X-API-Key": user + "x"},
		"another case":   {"X-API-Key": strings.ToUpper(user)},
		"the default's":  {"X-API-Key": publicKey},
		"a JWT beside":   {"X-API-Key": user, "Authorization": "Bearer eyJhbGciOiJub25lIn0.e30."},
		"only a JWT":     {"Authorization": "Bearer " + user},
		"in the cookies": {"Cookie": "X-API-Key=" + user},
	} {
		r := post(header)
		if r.status != 401 || !strings.Contains(r.body, `"code":"UNAUTHENTICATED"`) || r.header.Get("WWW-Authenticate") == "" || len(r.body) != len(first.body) {
			t.Errorf("%s: %d %s", name, r.status, r.body)
		}
	}
	for _, path := range []string{"/simple_price?assets=bitcoin", "/market_chart?asset=bitcoin&days=1", "/logs/export", "/graphql?query={__typename}", "/simple_price?assets=bitcoin&X-API-Key=" + user} {
		if r := s.get(path, ""); r.status != 401 || !strings.Contains(r.body, "UNAUTHENTICATED") {
			t.Errorf("%s: %d %s", path, r.status, r.body)
		}
	}
	for _, q := range []string{
		`{ logExport { totalCount } }`, `{ x: logExport { totalCount } }`, `query { ...f } fragment f on Query { logExport { totalCount } }`,
		`{ ... on Query { logExport @include(if: true) { totalCount } } }`,
	} {
		g := s.query(user, plain, q, nil)
		if g.status != 200 || g.codes() != "FORBIDDEN" || strings.Contains(string(g.Data), "totalCount") {
			t.Errorf("%s: %d %s", q, g.status, g.body)
		}
		if g := s.query(admin, plain, q, nil); len(g.Errors) > 0 {
			t.Errorf("%s as admin: %s", q, g.body)
		}
	}
	for _, params := range []url.Values{
		{"query": {`{ logExport { totalCount } }`}},
		{"query": {`query A { __typename } query B { logExport { totalCount } }`}, "operationName": {"B"}},
	} {
		if r := s.get("/graphql?"+params.Encode(), user); !strings.Contains(r.body, `"code":"FORBIDDEN"`) || strings.Contains(r.body, `"totalCount":`) {
			t.Errorf("by GET: %+v", r)
		}
	}
	if r := s.get("/logs/export", user); r.status != 403 || !strings.Contains(r.body, "FORBIDDEN") {
		t.Errorf("export as user: %d %s", r.status, r.body)
	}
	for _, secret := range []string{user, admin} {
		if strings.Contains(s.log.String(), secret) {
			t.Error("a key is in the log")
		}
	}
}

func TestGraphQLOverHTTP(t *testing.T) {
	s := start(t, nil)
	get := func(params url.Values, accept string) reply {
		return s.do(http.MethodGet, "/graphql?"+params.Encode(), publicKey, map[string]string{"Accept": accept}, "")
	}
	if r := get(url.Values{"query": {`query Q($id: ID!) { asset(id: $id) { id } }`}, "variables": {`{"id":"bitcoin"}`}, "operationName": {"Q"}}, response); r.status != 200 || !strings.HasPrefix(r.body, `{"data":{"asset":{"id":"bitcoin"}},"extensions":{"cost":`) || !strings.HasPrefix(r.header.Get("Content-Type"), response) {
		t.Errorf("GET: %+v", r)
	}
	const text = `{__typename}`
	hash := "ecf4edb46db40b5132295c0291d62fb65d6759a9eedfa4d5d612dd5ec54a6b38" // sha256 of text
	apq := url.Values{"extensions": {`{"persistedQuery":{"version":1,"sha256Hash":"` + hash + `"}}`}}
	if r := get(apq, response); r.status != 400 || !strings.Contains(r.body, `"PERSISTED_QUERY_NOT_FOUND"`) {
		t.Errorf("APQ, unknown: %+v", r)
	}
	if r := get(apq, plain); r.status != 200 || !strings.Contains(r.body, `"PersistedQueryNotFound"`) {
		t.Errorf("APQ, unknown, under application/json: %+v", r)
	}
	apq.Set("query", text)
	if r := get(apq, response); r.status != 200 {
		t.Errorf("APQ, registered: %+v", r)
	}
	apq.Del("query")
	if r := get(apq, response); r.status != 200 || !strings.HasPrefix(r.body, `{"data":{"__typename":"Query"},`) {
		t.Errorf("APQ, known: %+v", r)
	}
	for _, c := range []struct {
		query, code     string
		response, plain int
	}{
		{`{`, "GRAPHQL_PARSE_FAILED", 400, 200},
		{`{ nonesuch }`, "GRAPHQL_VALIDATION_FAILED", 400, 200},
		{`{ simplePrise(assets: ["bitcoin"]) { price } }`, "GRAPHQL_VALIDATION_FAILED", 400, 200},
		{`query A { __typename } query B { __typename }`, "GRAPHQL_VALIDATION_FAILED", 400, 200},
		{`query($x: Days!) { marketChart(asset: "bitcoin", days: $x) { prices } }`, "BAD_USER_INPUT", 400, 200},
		{`{ assets(first: "7") { totalCount } }`, "BAD_USER_INPUT", 400, 200},
		{`{ assets(first: 3000000000) { totalCount } }`, "BAD_USER_INPUT", 400, 200},
		{strings.Repeat("{a", 2000), "QUERY_TOO_COMPLEX", 400, 400},
	} {
		for accept, want := range map[string]int{response: c.response, plain: c.plain} {
			g := s.query(publicKey, accept, c.query, nil)
			if g.status != want || len(g.Errors) == 0 || g.Errors[0].Extensions.Code != c.code || g.Data != nil || strings.Contains(g.body, "Did you mean") || len(g.body) > 64<<10 {
				t.Errorf("%.60s as %s: %d %.300s", c.query, accept, g.status, g.body)
			}
		}
	}
	if r := s.do(http.MethodPost, "/graphql", publicKey, map[string]string{"Content-Type": plain}, `{"query":"`+strings.Repeat(" ", 300<<10)+`"}`); r.status != 413 || !strings.Contains(r.body, "BODY_TOO_LARGE") {
		t.Errorf("a large body: %d %.200s", r.status, r.body)
	}
	if r := s.do(http.MethodPut, "/graphql", publicKey, nil, ""); r.status != 405 || !strings.Contains(strings.Join(r.header.Values("Allow"), ","), "POST") {
		t.Errorf("PUT: %+v", r)
	}
	if r := s.get("/nonesuch", publicKey); r.status != 404 || !strings.Contains(r.body, `"code":"NOT_FOUND"`) {
		t.Errorf("no such route: %+v", r)
	}
}

func TestLogs(t *testing.T) {
	everyBackend(t, func(t *testing.T, s *server) {
		began := time.Now().Add(-time.Second).UTC().Format(time.RFC3339)
		id := s.get("/simple_price?assets=bitcoin", publicKey).header.Get("X-Request-Id")
		s.query(publicKey, plain, `query Prices { simplePrice(assets: ["bitcoin"]) { price } }`, nil)
		s.get("/market_chart?asset=bitcoin&days=0", publicKey)
		var data struct {
			LogExport struct {
				Nodes []struct {
					ID, RequestID, Key, Route, Method, Code, Cache, Operation, Event string
					Status, UpstreamCalls, Bytes                                     int
				}
				TotalCount int
				PageInfo   struct {
					HasNextPage bool
					EndCursor   string
				}
			}
		}
		const fields = `nodes { id requestID: requestId key route method code cache operation event status upstreamCalls bytes } totalCount pageInfo { hasNextPage endCursor }`
		s.await("the entry", func() bool {
			s.query(adminKey, plain, `query($id: String!) { logExport(filter: { requestId: $id, event: "request" }) { `+fields+` } }`, map[string]any{"id": id}).into(t, &data)
			return len(data.LogExport.Nodes) == 1
		})
		if e := data.LogExport.Nodes[0]; e.RequestID != id || e.Route != "/simple_price" || e.Method != http.MethodGet || e.Status != 200 || e.UpstreamCalls != 1 || e.Cache != "upstream" || e.Bytes == 0 || e.Event != "request" || e.Key == "" || strings.Contains(s.log.String(), publicKey) && e.Key == publicKey {
			t.Errorf("the entry: %+v", e)
		}
		s.await("all entries", func() bool {
			s.query(adminKey, plain, `query($from: Time!) { logExport(filter: { from: $from, status: 400 }) { `+fields+` } }`, map[string]any{"from": began}).into(t, &data)
			return len(data.LogExport.Nodes) == 1
		})
		if e := data.LogExport.Nodes[0]; e.Code != "BAD_USER_INPUT" || e.Route != "/market_chart" {
			t.Errorf("the refused: %+v", e)
		}

		// Pages without gap or repeat, though the log grows with each of them.
		seen, after := map[string]bool{}, ""
		for range 3 {
			s.query(adminKey, plain, `query($after: String) { logExport(first: 1, after: $after) { `+fields+` } }`, map[string]any{"after": after}).into(t, &data)
			for _, n := range data.LogExport.Nodes {
				if seen[n.ID] {
					t.Errorf("%s is there twice", n.ID)
				}
				seen[n.ID] = true
			}
			after = data.LogExport.PageInfo.EndCursor
		}
		if len(seen) != 3 {
			t.Errorf("%d entries on three pages", len(seen))
		}

		r := s.get("/logs/export?from="+began+"&event=request", adminKey)
		zip, err := gzip.NewReader(strings.NewReader(r.body))
		if err != nil || r.status != 200 {
			t.Fatal(r.status, r.header, err)
		}
		lines, err := io.ReadAll(zip)
		if err != nil {
			t.Fatal(err)
		}
		found := false
		for line := range bytes.Lines(lines) {
			var e struct {
				RequestID string `json:"request_id"`
			}
			if err := json.Unmarshal(line, &e); err != nil {
				t.Errorf("%q: %v", line, err)
			}
			found = found || e.RequestID == id
		}
		if !found {
			t.Errorf("the request is not in the export of %d bytes", len(lines))
		}
		if r := s.get("/logs/export?from=yesterday&level=loud", adminKey); r.status != 400 || !strings.Contains(r.body, `"field":"from"`) || !strings.Contains(r.body, `"field":"level"`) {
			t.Errorf("a bad filter: %+v", r)
		}
		if g := s.query(adminKey, response, `{ logExport(filter: { from: "yesterday" }) { totalCount } }`, nil); g.status != 400 || g.codes() != "BAD_USER_INPUT" {
			t.Errorf("a bad filter: %s", g.body)
		}
	})
}

// TestDependenciesThatAreDownAtStart: the server starts, says what is away, and serves when it comes back.
func TestDependenciesThatAreDownAtStart(t *testing.T) {
	vars := backends(t)["postgres and redis"]
	if vars == nil {
		t.Skip("skipped: needs TEST_DATABASE_URL and TEST_REDIS_URL")
	}
	database, err := url.Parse(vars["DATABASE_URL"])
	if err != nil {
		t.Fatal(err)
	}
	redis, err := url.Parse(vars["REDIS_URL"])
	if err != nil {
		t.Fatal(err)
	}
	behindDB, behindRedis := newValve(t, database.Host), newValve(t, redis.Host)
	database.Host, redis.Host = behindDB.address, behindRedis.address
	clearCache(t, vars["REDIS_URL"])
	s := start(t, map[string]string{"DATABASE_URL": database.String(), "REDIS_URL": redis.String()})

	ready := func() string { return fmt.Sprintf("%d %s", s.get("/readyz", "").status, s.get("/readyz", "").body) }
	if got := ready(); !strings.HasPrefix(got, "503") || !strings.Contains(got, `"database":"away"`) || !strings.Contains(got, `"redis":"away"`) {
		t.Errorf("readyz: %s", got)
	} else if !strings.Contains(got, `"reasons":{"database":"not migrated yet","redis":"`) || strings.Contains(got, database.Host) || strings.Contains(got, redis.Host) {
		t.Errorf("the reasons: %s", got)
	}
	if r := s.get("/healthz", ""); r.status != 200 {
		t.Errorf("healthz: %+v", r)
	}
	if r := s.get("/simple_price?assets=bitcoin", publicKey); r.status != 200 {
		t.Errorf("without stores the provider still answers: %+v", r)
	}
	if r := s.get("/logs/export", adminKey); r.status != 503 || !strings.Contains(r.body, "STORE_UNAVAILABLE") {
		t.Errorf("what only the store can answer: %+v", r)
	}
	behindDB.set(true)
	behindRedis.set(true)
	s.await("readiness", func() bool { return s.get("/readyz", "").status == 200 })
	s.get("/simple_price?assets=ethereum", publicKey)
	s.spent()
	s.restart()
	if r := s.get("/simple_price?assets=ethereum", publicKey); r.status != 200 || s.spent() != 0 {
		t.Errorf("what was fetched since is not stored: %+v", r)
	}

	// And when they go away under way.
	behindDB.set(false)
	behindRedis.set(false)
	s.await("readiness to end", func() bool { return s.get("/readyz", "").status == 503 })
	if r := s.get("/simple_price?assets=dogecoin", publicKey); r.status != 200 {
		t.Errorf("with the stores gone: %+v", r)
	}
	password, _ := database.User.Password()
	if password != "" && strings.Contains(s.log.String(), password) {
		t.Error("the database's password is in the log")
	}
}

func TestGracefulStop(t *testing.T) {
	s := start(t, nil)
	release := s.sim.Hold("market_chart")
	var group sync.WaitGroup
	replies := make(chan reply, 50)
	for _, a := range simulator.Assets()[:50] {
		group.Go(func() { replies <- s.get("/market_chart?days=30&asset="+url.QueryEscape(a.ID), publicKey) })
	}
	if err := s.sim.Await(t.Context(), "market_chart", 50); err != nil {
		t.Fatal(err)
	}
	stopped := make(chan struct{})
	go func() {
		s.stop()
		close(stopped)
	}()
	s.await("the listener to close", func() bool {
		conn, err := http.Get(s.url + "/healthz")
		if err == nil {
			conn.Body.Close()
		}
		return err != nil
	})
	release()
	group.Wait()
	<-stopped
	for range 50 {
		if r := <-replies; r.status != 200 {
			t.Errorf("%d %s", r.status, r.body)
		}
	}
}

func TestBadConfigurationIsToldAtOnce(t *testing.T) {
	var out, errs bytes.Buffer
	code := run(t.Context(), []string{"serve"}, []string{"COINGRAPH_ENV=production", "PRICE_TTL=soon", "MAX_BODY_BYTES=-1", "DATABASE_URL=mysql://u:hunter2@h/d", "CURRENCIES=usd,nonesuch"}, &out, &errs)
	if code != 2 || out.Len() > 0 {
		t.Errorf("exit code %d, output %q", code, out.String())
	}
	for _, name := range []string{"COINGRAPH_ENV", "PRICE_TTL", "MAX_BODY_BYTES", "DATABASE_URL"} {
		if !strings.Contains(errs.String(), name) {
			t.Errorf("%s is not named in:\n%s", name, errs.String())
		}
	}
	if strings.Contains(errs.String(), "hunter2") {
		t.Errorf("a password: %s", errs.String())
	}
	errs.Reset()
	if code := run(t.Context(), []string{"serve"}, []string{"CURRENCIES=usd,nonesuch", "DATA_DIR=" + t.TempDir()}, &out, &errs); code != 2 || !strings.Contains(errs.String(), "CURRENCIES") {
		t.Errorf("exit code %d: %s", code, errs.String())
	}
	errs.Reset()
	if code := run(t.Context(), []string{"serve"}, []string{"COINGRAPH_ENV=prod", "DATA_DIR=" + t.TempDir()}, &out, &errs); code != 2 || !strings.Contains(errs.String(), "API_KEYS") {
		t.Errorf("exit code %d: %s", code, errs.String())
	}
	if code := run(t.Context(), []string{"nonesuch"}, nil, &out, &errs); code != 2 {
		t.Errorf("an unknown command: exit code %d", code)
	}
}

// TestDemo does what a newcomer does: run it, copy the curl, end it.
func TestDemo(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	out := new(safeBuffer)
	done := make(chan int, 1)
	go func() { done <- run(ctx, []string{"demo", "--listen", "127.0.0.1:0"}, os.Environ(), out, out) }()
	s := &server{t: t, log: out}
	s.await("the text", func() bool { return strings.Contains(out.String(), "Ctrl-C") })
	curl := regexp.MustCompile(`curl -s (\S+) -H 'X-API-Key: (\S+)' -H 'Content-Type: application/json' \\\n\s+-d '(.+)'`).FindStringSubmatch(out.String())
	if curl == nil {
		t.Fatalf("no curl to try in:\n%s", out)
	}
	s.url = strings.TrimSuffix(curl[1], "/graphql")
	r := s.do(http.MethodPost, "/graphql", curl[2], map[string]string{"Content-Type": plain}, curl[3])
	if r.status != 200 || !strings.Contains(r.body, `"id":"bitcoin"`) || strings.Contains(r.body, "errors") {
		t.Errorf("the curl answers %d %s", r.status, r.body)
	}
	if r := s.get("/", ""); r.status != 200 || !strings.Contains(r.header.Get("Content-Type"), "text/html") {
		t.Errorf("the page: %+v", r)
	}
	onChain := regexp.MustCompile(`http://\S+/v1`).FindString(out.String())
	if r, err := http.Get(onChain + "/btc/market-indicator/mvrv"); err != nil || r.StatusCode != http.StatusUnauthorized {
		t.Errorf("the simulated CryptoQuant at %q without a token: %v %v", onChain, r, err)
	} else {
		r.Body.Close()
	}
	began := time.Now()
	cancel()
	if code := <-done; code != 0 {
		t.Errorf("exit code %d:\n%s", code, out)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("the end took %v", took)
	}
}

func TestVersionAndHealth(t *testing.T) {
	var out, errs bytes.Buffer
	if code := run(t.Context(), []string{"version"}, nil, &out, &errs); code != 0 || !strings.HasPrefix(out.String(), "coingraph dev") {
		t.Errorf("version: %d %s%s", code, out.String(), errs.String())
	}
	s := start(t, nil)
	listen := "LISTEN_ADDR=" + strings.TrimPrefix(s.url, "http://")
	if code := run(t.Context(), []string{"health"}, []string{listen}, &out, &errs); code != 0 {
		t.Errorf("health: %d %s", code, errs.String())
	}
	s.stop()
	if code := run(t.Context(), []string{"health"}, []string{listen}, &out, &errs); code != 1 {
		t.Errorf("health of a server that is gone: %d", code)
	}
	dir := "DATA_DIR=" + t.TempDir()
	for _, args := range [][]string{{"migrate", "status"}, {"migrate", "up"}, {"migrate", "up"}, {"migrate", "status"}} {
		out.Reset()
		if code := run(t.Context(), args, []string{dir}, &out, &errs); code != 0 || out.Len() == 0 {
			t.Errorf("%v: %d %s", args, code, errs.String())
		}
	}
	if strings.Contains(out.String(), "pending") {
		t.Errorf("after up: %s", out.String())
	}
}
