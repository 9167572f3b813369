package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// beside opens a second App on the variables of the first: another replica.
func (s *server) beside() *server {
	s.t.Helper()
	other := &server{t: s.t, sim: s.sim, env: maps.Clone(s.env)}
	other.open()
	return other
}

// aWindow waits until the limits' window has some time left, so that a burst does not fall into two of them.
func aWindow(s *server, length time.Duration) {
	s.t.Helper()
	s.await("the beginning of a window", func() bool { return time.Now().UnixNano()%int64(length) < int64(length)/2 })
}

// TestExactlyN: with a limit of N, four times as much at once, over two replicas and all doors, lets exactly N through.
func TestExactlyN(t *testing.T) {
	for name, vars := range backends(t) {
		t.Run(name, func(t *testing.T) {
			const n, window = 320, 30 * time.Second // so large that replicas lease units of it
			vars = maps.Clone(vars)
			// A burst that a window's end cuts in two says nothing, and is tried again with another key.
			keys := []string{"a-secret-for-the-burst-1", "a-secret-for-the-burst-2", "a-secret-for-the-burst-3", "a-secret-for-the-burst-4"}
			vars["API_KEYS"] = "ops:admin:a-secret-for-the-operators"
			for _, k := range keys {
				vars["API_KEYS"] += ",burst-" + randomName() + ":public:" + k
			}
			vars["RATE_LIMITS"] = fmt.Sprintf("public/market_chart=%d,public/*=100000,admin/*=100000", n)
			vars["RATE_LIMIT_WINDOW"] = window.String()
			s := start(t, vars)
			replicas := []*server{s}
			if vars["REDIS_URL"] != "" {
				replicas = append(replicas, s.beside())
			}
			said := false
			for _, key := range keys {
				for _, r := range replicas {
					if got := r.get("/market_chart?asset=bitcoin&days=0", key); got.status != 400 || got.header.Get("RateLimit-Limit") == "" {
						t.Errorf("warming up: %+v", got)
					}
				}
				aWindow(s, window)
				began := time.Now().Truncate(window)
				through, refused := burst(t, replicas, key, n)
				if !time.Now().Truncate(window).Equal(began) {
					t.Logf("a burst that the window's end cut in two: %d and %d", through, refused)
					continue
				}
				// Operations of two units are refused whole, so one unit may be left over.
				if through != n && through != n-1 || through+refused != 4*n {
					t.Errorf("%d units came through and %d did not; the limit is %d", through, refused, n)
				}
				said = true
				break
			}
			if address := vars["REDIS_URL"]; address != "" {
				rateKeys(t, address)
			}
			if !said {
				t.Error("no burst fell into one window")
			}
		})
	}
}

// burst asks for four times the limit at once, over all replicas and doors, and gives the units that came through and
// those that did not.
func burst(t *testing.T, replicas []*server, key string, n int) (through, refused int64) {
	t.Helper()
	var passed, stopped atomic.Int64
	var group sync.WaitGroup
	for i := range 4 * n / 2 {
		group.Go(func() {
			r := replicas[i%len(replicas)]
			switch i % 3 {
			case 0: // two units: REST, and CoinGecko's own API
				for _, path := range []string{"/market_chart?asset=bitcoin&days=30", "/api/v3/coins/bitcoin/market_chart?vs_currency=usd&days=30&interval=daily"} {
					got := r.get(path, key)
					count(t, got.status, got.body, 1, &passed, &stopped)
					if got.status == 429 && (got.header.Get("Retry-After") == "" || got.header.Get("RateLimit-Remaining") == "") {
						t.Errorf("a refusal without headers: %v", got.header)
					}
				}
			case 1: // two units: aliases, charged as a whole
				got := r.query(key, plain, `{ a: marketChart(asset: "bitcoin", days: 30) { days } b: marketChart(asset: "bitcoin", days: 30) { days } }`, nil)
				count(t, got.status, got.body, 2, &passed, &stopped)
			case 2: // two units: a list's edge
				got := r.query(key, plain, `{ assets(ids: ["bitcoin", "ethereum"]) { nodes { chart(days: 30) { days } } } }`, nil)
				count(t, got.status, got.body, 2, &passed, &stopped)
			}
		})
	}
	group.Wait()
	return passed.Load(), stopped.Load()
}

func count(t *testing.T, status int, body string, units int64, through, refused *atomic.Int64) {
	switch {
	case status == 200 && !strings.Contains(body, `"errors"`):
		through.Add(units)
	case status == 429 && (strings.Contains(body, "RATE_LIMITED") || strings.Contains(body, "exceeded the Rate Limit")):
		refused.Add(units)
	default:
		t.Errorf("%d %.300s", status, body)
	}
}

// rateKeys checks that every rate key has a TTL, is of the scheme and holds no secret.
func rateKeys(t *testing.T, address string) {
	t.Helper()
	client := redisClient(t, address)
	keys := keysOfAll(t, client, "rate:*")
	if len(keys) == 0 {
		t.Error("no rate key at all")
	}
	for _, k := range keys {
		if ttl, err := client.PTTL(t.Context(), k).Result(); err != nil || ttl <= 0 {
			t.Errorf("%s has a TTL of %v (%v)", k, ttl, err)
		}
		if !strings.HasPrefix(k, "rate:{") || strings.Contains(k, "secret") {
			t.Errorf("a key outside the scheme: %s", k)
		}
	}
}

// TestAStoppedReplicaGivesBack the units that it had leased for a busy key.
func TestAStoppedReplicaGivesBack(t *testing.T) {
	for name, vars := range backends(t) {
		if vars["REDIS_URL"] == "" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			const secret = "a-secret-for-the-busy-key"
			vars, busy := maps.Clone(vars), "busy-"+randomName()
			vars["API_KEYS"], vars["RATE_LIMIT_LEASE"] = busy+":public:"+secret, "1s"
			s := start(t, vars)
			client := redisClient(t, vars["REDIS_URL"])
			leases := func() (n int64) {
				for _, k := range keysOfAll(t, client, "rate:{"+busy+"}:leases:*") {
					n += client.HLen(t.Context(), k).Val()
				}
				return n
			}
			var accepted atomic.Int64
			var enough atomic.Bool
			var group sync.WaitGroup
			for range 16 {
				group.Go(func() {
					for !enough.Load() {
						if got := s.get("/simple_price?assets=bitcoin&currencies=usd", secret); got.status == 200 {
							accepted.Add(1)
						}
					}
				})
			}
			s.await("a lease", func() bool { return leases() > 0 })
			enough.Store(true)
			group.Wait()
			s.stop()
			var counted int64
			for _, k := range keysOfAll(t, client, "rate:{"+busy+"}:simple_price:*") {
				n, err := client.Get(t.Context(), k).Int64()
				if err != nil {
					t.Fatal(err)
				}
				counted += n
			}
			if counted != accepted.Load() || leases() != 0 {
				t.Errorf("%d accepted, %d counted, %d leases", accepted.Load(), counted, leases())
			}
		})
	}
}

func TestViewerAndCost(t *testing.T) {
	everyBackend(t, func(t *testing.T, s *server) {
		var data struct {
			Viewer struct {
				ID, Name, Tier, Role string
				Limits               []struct {
					Endpoint         string
					Limit, Remaining int
					ResetsAt         time.Time
				}
			}
		}
		const viewer = `{ viewer { id name tier role limits { endpoint limit remaining resetsAt } } }`
		s.query(publicKey, plain, viewer, nil).into(t, &data)
		v := data.Viewer
		if v.ID != "dev-public" || v.Tier != "public" || v.Role != "USER" || len(v.Limits) != 4 || !v.Limits[0].ResetsAt.After(time.Now()) {
			t.Errorf("viewer: %+v", v)
		}
		for _, c := range []struct {
			query string
			cost  int
			units string
		}{
			{`{ viewer { id } }`, 1, `{}`},
			{`{ simplePrice(assets: ["bitcoin"]) { price } }`, 1, `{"simple_price":1}`},
			{`{ a: simplePrice(assets: ["bitcoin"]) { price } b: simplePrice(assets: ["bitcoin"]) { price marketCap } }`, 3, `{"simple_price":2}`},
			{`{ simplePrice(assets: ["bitcoin"]) { price } simplePrice(assets: ["bitcoin"]) { marketCap } }`, 2, `{"simple_price":1}`},
			{`{ marketChart(asset: "bitcoin", days: 30) { timestamps prices } }`, 60, `{"market_chart":1}`},
			{`{ marketChart(asset: "bitcoin", days: 2, interval: HOURLY) { points { timestamp price } } }`, 96, `{"market_chart":1}`},
			{`{ assets(ids: ["bitcoin", "ethereum"]) { nodes { id price { price } chart(days: 7) { prices } } } }`, 2 + 2 + 14, `{"market_chart":2,"simple_price":2}`},
			{`query { ...f ...f } fragment f on Query { marketChart(asset: "bitcoin", days: 3) { ...g } } fragment g on MarketChart { prices }`, 3, `{"market_chart":1}`},
			{`{ marketChart(asset: "bitcoin", days: 3) @skip(if: true) { prices } viewer { id } }`, 1, `{}`},
			{`{ assets(first: 101) { totalCount } }`, 1, `{"simple_price":2}`},
			{`{ onChainMetric(asset: "bitcoin", metric: MVRV, days: 30) { timestamps values unit } }`, 61, `{"on_chain_metric":1}`},
			{`{ a: onChainMetric(asset: "bitcoin", metric: MVRV, days: 1, interval: HOURLY) { points { value } } b: onChainMetric(asset: "bitcoin", metric: MVRV, days: 1) { unit } }`, 25, `{"on_chain_metric":2}`},
			{`{ assets(ids: ["bitcoin", "ethereum"]) { nodes { onChain(metric: FEES, days: 7) { values } } } }`, 14, `{"on_chain_metric":2,"simple_price":1}`},
			{`{ onChainMetrics { metric unit } }`, 24, `{}`},
			{
				`{ grid(columns: [{asset: "bitcoin"}, {asset: "bitcoin", value: VOLUME}, {asset: "bitcoin", currency: EUR}, {asset: "bitcoin", metric: MVRV}, {asset: "bitcoin", metric: MVRV}], days: 30) { timestamps columns { label values } } }`,
				30 + 5 + 150, `{"market_chart":2,"on_chain_metric":1}`,
			},
			{`{ grid(columns: {asset: "bitcoin"}, days: 2, interval: HOURLY) { columns { values } } }`, 48, `{"market_chart":1}`},
		} {
			body, err := json.Marshal(map[string]any{"query": c.query, "extensions": map[string]any{"dryRun": true}})
			if err != nil {
				t.Fatal(err)
			}
			s.spent()
			r := s.do(http.MethodPost, "/graphql", publicKey, map[string]string{"Content-Type": plain}, string(body))
			want := fmt.Sprintf(`{"data":null,"extensions":{"cost":{"limit":100000,"units":%s,"value":%d}}}`, c.units, c.cost)
			if r.status != 200 || r.body != want || s.spent() != 0 {
				t.Errorf("%s\n got %s\nwant %s", c.query, r.body, want)
			}
		}
		if g := s.query(publicKey, plain, `{ simplePrice(assets: ["bitcoin"]) { price } }`, nil); !strings.Contains(g.body, `"extensions":{"cost":{"limit":100000,"units":{"simple_price":1},"value":1}}`) {
			t.Errorf("an answer without its cost: %s", g.body)
		}
		if r := s.get("/simple_price?assets=bitcoin", publicKey); r.header.Get("RateLimit-Limit") != "1000000" || r.header.Get("RateLimit-Remaining") == "" || r.header.Get("RateLimit-Reset") == "" {
			t.Errorf("headers: %v", r.header)
		}
	})
}

// TestLargeOperations: each is refused in well under a second with a small answer, takes no memory to speak of, and the next
// request is fine.
func TestLargeOperations(t *testing.T) {
	s := start(t, nil)
	chain := new(strings.Builder)
	chain.WriteString("query { ...f0 }")
	for i := range 28 {
		fmt.Fprintf(chain, " fragment f%d on Query { ...f%d ...f%d }", i, i+1, i+1)
	}
	chain.WriteString(" fragment f28 on Query { __typename }")
	nested := new(strings.Builder)
	nested.WriteString("query { asset(id: \"bitcoin\") { ...g0 } }")
	for i := range 20 {
		fmt.Fprintf(nested, " fragment g%d on Asset { a: price { asset { ...g%d } } b: price { asset { ...g%d } } }", i, i+1, i+1)
	}
	nested.WriteString(" fragment g20 on Asset { id }")
	conflicts := new(strings.Builder)
	for i := range 40 { // 880 tokens
		fmt.Fprintf(conflicts, "x%d: asset(id: \"a\") { id } x%d: asset(id: \"b\") { id } ", i%20, i%20)
	}
	aliases := new(strings.Builder)
	for i := range 150 {
		fmt.Fprintf(aliases, "a%d: __typename ", i)
	}
	deep := strings.Repeat("price { asset { ", 10)
	s.get("/simple_price?assets=bitcoin", publicKey)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for name, c := range map[string]struct{ query, codes string }{
		"fragments that spread twice":     {chain.String(), "QUERY_TOO_COMPLEX,"}, // "": or executed, for they come to one field
		"nested fragments, aliased twice": {nested.String(), "QUERY_TOO_COMPLEX"},
		"conflicting aliases":             {"{ " + conflicts.String() + "}", "GRAPHQL_VALIDATION_FAILED,QUERY_TOO_COMPLEX"},
		"150 aliases":                     {"{ " + aliases.String() + "}", "QUERY_TOO_COMPLEX"},
		"10,000 aliases":                  {"{ " + strings.Repeat("a: __typename ", 10_000) + "}", "QUERY_TOO_COMPLEX"},
		"20,000 directives":               {"{ __typename " + strings.Repeat("@skip(if: false) ", 12_000) + "}", "QUERY_TOO_COMPLEX"},
		"deep":                            {`{ asset(id: "bitcoin") { ` + deep + "id " + strings.Repeat("} }", 10) + " } }", "QUERY_TOO_COMPLEX"},
		"costly":                          {`{ marketChart(asset: "bitcoin", days: 10000, interval: HOURLY) { prices volumes } }`, "QUERY_TOO_COMPLEX"},
		"introspection, nested 8 times":   {"{ __schema { types { " + strings.Repeat("fields { type { ", 8) + "name" + strings.Repeat(" } }", 8) + " } } }", "GRAPHQL_VALIDATION_FAILED,QUERY_TOO_COMPLEX"},
		"2,000 operations":                {strings.Repeat("query a { __typename } ", 2000), "QUERY_TOO_COMPLEX"},
		"5,000 variables":                 {"query(" + strings.Repeat("$a: Int ", 5000) + ") { __typename }", "QUERY_TOO_COMPLEX"},
		"5,000 braces":                    {strings.Repeat("{a", 5000), "QUERY_TOO_COMPLEX,GRAPHQL_PARSE_FAILED"},
		"100,000 tokens":                  {strings.Repeat("a ", 100_000), "QUERY_TOO_COMPLEX,GRAPHQL_PARSE_FAILED"},
	} {
		t.Run(name, func(t *testing.T) {
			began := time.Now()
			g := s.query(publicKey, response, c.query, nil)
			if took := time.Since(began); took > 5*time.Second { // a second is asked for; this machine may be busy
				t.Errorf("it took %v", took)
			} else {
				t.Logf("%v, %d bytes", took.Round(time.Millisecond), len(g.body))
			}
			code := ""
			if len(g.Errors) > 0 {
				code = g.Errors[0].Extensions.Code
			}
			if !strings.Contains(","+c.codes+",", ","+code+",") || len(g.body) > 64<<10 || code != "" && g.status != 400 {
				t.Errorf("%d %.300s", g.status, g.body)
			}
		})
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 50<<20 {
		t.Errorf("the heap grew by %d MB", grown>>20)
	}
	if r := s.get("/simple_price?assets=bitcoin", publicKey); r.status != 200 {
		t.Errorf("the next request: %+v", r)
	}
	// The limit is named with both values.
	g := s.query(publicKey, response, `{ marketChart(asset: "bitcoin", days: 400) { timestamps prices volumes } b: assets(first: 250) { nodes { chart(days: 400) { prices } } } }`, nil)
	if g.codes() != "QUERY_TOO_COMPLEX" || g.Errors[0].Extensions.Fields[0].Field != "cost" || !strings.Contains(g.Errors[0].Message, "100000") || !strings.Contains(g.Errors[0].Message, strconv.Itoa(400*3+250*400)) {
		t.Errorf("%s", g.body)
	}
}

func TestKeysOfTheDatabase(t *testing.T) {
	everyBackend(t, func(t *testing.T, s *server) {
		other := s
		if s.env["DATABASE_URL"] != "" {
			other = s.beside()
		}
		var data struct {
			CreateAPIKey struct {
				Key    struct{ ID, Name, Tier string }
				Secret string
			} `json:"createApiKey"`
			RevokeAPIKey struct{ RevokedAt *time.Time } `json:"revokeApiKey"`
			APIKeys      []struct{ ID, Name string }    `json:"apiKeys"`
		}
		const create = `mutation { createApiKey(name: "frontend", tier: "standard") { key { id name tier } secret } }`
		if g := s.query(publicKey, plain, create, nil); g.codes() != "FORBIDDEN" {
			t.Errorf("as a user: %s", g.body)
		}
		s.query(adminKey, plain, create, nil).into(t, &data)
		secret, id := data.CreateAPIKey.Secret, data.CreateAPIKey.Key.ID
		for _, r := range []*server{s, other} {
			if got := r.get("/simple_price?assets=bitcoin", secret); got.status != 200 {
				t.Errorf("with the new key: %+v", got)
			}
			if got := r.get("/simple_price?assets=bitcoin", secret+"x"); got.status != 401 {
				t.Errorf("with one byte more: %+v", got)
			}
		}
		s.query(adminKey, plain, `{ apiKeys { id name } }`, nil).into(t, &data)
		if len(data.APIKeys) != 1 || data.APIKeys[0].ID != id {
			t.Errorf("keys: %+v", data.APIKeys)
		}
		if g := s.query(adminKey, plain, create, nil); g.codes() != "BAD_USER_INPUT" {
			t.Errorf("the same name again: %s", g.body)
		}
		s.query(adminKey, plain, `mutation($id: ID!) { revokeApiKey(id: $id) { revokedAt } }`, map[string]any{"id": id}).into(t, &data)
		revoked := time.Now()
		if got := s.get("/simple_price?assets=bitcoin", secret); got.status != 401 || data.RevokeAPIKey.RevokedAt == nil {
			t.Errorf("after the revocation: %+v", got)
		}
		other.await("the revocation on the other replica", func() bool { return other.get("/simple_price?assets=bitcoin", secret).status == 401 })
		if took := time.Since(revoked); took > 6*time.Second {
			t.Errorf("a revocation took %v to hold everywhere", took)
		}
		if g := s.do(http.MethodGet, "/graphql?query=mutation{revokeApiKey(id:\"x\"){id}}", adminKey, nil, ""); g.status != 405 || g.header.Get("Allow") != "POST" {
			t.Errorf("a mutation by GET: %+v", g)
		}
		for _, r := range []*server{s, other} {
			if strings.Contains(r.log.String(), secret) {
				t.Error("the secret is in the log")
			}
		}
	})
}

func TestKeysOnTheCommandLine(t *testing.T) {
	dir := t.TempDir()
	var out, errs bytes.Buffer
	environ := []string{"DATA_DIR=" + dir, "COINGRAPH_ENV=prod"}
	coingraph := func(args ...string) string {
		t.Helper()
		out.Reset()
		errs.Reset()
		if code := run(t.Context(), args, environ, &out, &errs); code != 0 {
			t.Fatalf("%v: exit code %d: %s", args, code, &errs)
		}
		return out.String()
	}
	if code := run(t.Context(), []string{"serve"}, append(environ, "LISTEN_ADDR=127.0.0.1:0"), &out, &errs); code != 2 || !strings.Contains(errs.String(), "API_KEYS") {
		t.Errorf("prod without any key: exit code %d: %s", code, &errs)
	}
	secret, _, _ := strings.Cut(coingraph("keys", "create", "first", "--tier", "admin"), "\n")
	if list := coingraph("keys", "list"); !strings.Contains(list, "first") || strings.Contains(list, secret) {
		t.Errorf("list: %s", list)
	}
	s := start(t, map[string]string{"DATA_DIR": dir})
	if r := s.get("/logs/export", secret); r.status != 200 {
		t.Errorf("with the key of the command line: %+v", r)
	}
	s.stop()
	id := "key_" + strings.Fields(strings.SplitN(coingraph("keys", "list"), "key_", 2)[1])[0]
	coingraph("keys", "revoke", id)
	if code := run(t.Context(), []string{"keys", "revoke", "key_nonesuch"}, environ, &out, &errs); code != 1 {
		t.Errorf("revoking what is not there: exit code %d", code)
	}
	if code := run(t.Context(), []string{"keys", "create", "bad name"}, environ, &out, &errs); code != 1 || !strings.Contains(errs.String(), "name") {
		t.Errorf("a bad name: exit code %d: %s", code, &errs)
	}
}

func TestTokens(t *testing.T) {
	const secret = "0123456789012345678901234567890123456789"
	s := start(t, map[string]string{"JWT_SECRET": secret})
	mint := func(args ...string) string {
		t.Helper()
		var out, errs bytes.Buffer
		if code := run(t.Context(), append([]string{"token"}, args...), []string{"JWT_SECRET=" + secret}, &out, &errs); code != 0 {
			t.Fatalf("%v: exit code %d: %s", args, code, &errs)
		}
		return strings.TrimSpace(out.String())
	}
	with := func(token, key string) reply {
		return s.do(http.MethodGet, "/logs/export", key, map[string]string{"Authorization": "Bearer " + token}, "")
	}
	if r := with(mint("--role", "admin"), ""); r.status != 200 {
		t.Errorf("an admin's token: %+v", r)
	}
	if r := with(mint("--role", "user"), ""); r.status != 403 {
		t.Errorf("a user's token: %+v", r)
	}
	if r := with(mint("--role", "admin"), "wrong"); r.status != 401 {
		t.Errorf("a wrong key beside a valid token: %+v", r)
	}
	if r := with(mint("--role", "admin")+"x", adminKey); r.status != 401 {
		t.Errorf("a wrong token beside a valid key: %+v", r)
	}
	if strings.Contains(s.log.String(), secret) {
		t.Error("the secret is in the log")
	}
}

func TestStrangersAreCountedByAddress(t *testing.T) {
	s := start(t, map[string]string{"ADDRESS_LIMIT": "20/1m"})
	codes := map[int]int{}
	for i := range 60 {
		r := s.do(http.MethodGet, "/simple_price?assets=bitcoin", "wrong", map[string]string{"X-Forwarded-For": fmt.Sprintf("203.0.113.%d", i), "X-Real-IP": "198.51.100.7", "Forwarded": "for=192.0.2.1"}, "")
		if codes[r.status]++; r.status == 429 && r.header.Get("Retry-After") == "" {
			t.Errorf("no Retry-After: %v", r.header)
		}
	}
	if codes[401] < 15 || codes[401] > 21 || codes[401]+codes[429] != 60 {
		t.Errorf("60 guesses: %v", codes)
	}
	if r := s.get("/simple_price?assets=bitcoin", publicKey); r.status != 200 {
		t.Errorf("a valid client at the same address: %+v", r)
	}
}

// TestIntrospectionInProd: the schema is for admins, and no error names anything of it that the caller did not send.
func TestIntrospectionInProd(t *testing.T) {
	s := start(t, nil)
	s.prod = true
	s.restart()
	for _, query := range []string{
		`{ __schema { types { name } } }`, `{ x: __schema { types { name } } }`, `{ ...f } fragment f on Query { __type(name: "Query") { name } }`,
		"{\n__schema\n{ types { name } } }", `{ ... on Query { __schema { types { name } } } }`,
	} {
		if g := s.query(publicKey, response, query, nil); g.status != 400 || g.codes() != "GRAPHQL_VALIDATION_FAILED" || strings.Contains(g.body, "SimplePrice") {
			t.Errorf("%s as a user: %d %.300s", query, g.status, g.body)
		}
		if g := s.query(adminKey, response, query, nil); g.status != 200 || !strings.Contains(g.body, "Query") {
			t.Errorf("%s as an admin: %d %.300s", query, g.status, g.body)
		}
	}
	for _, query := range []string{
		`{ simplePrise(assets: ["bitcoin"]) { price } }`, `{ simplePrice(asset: ["bitcoin"]) { price } }`, `{ simplePrice(assets: ["bitcoin"], currencies: [USB]) { price } }`,
		`query($x: Currenc!) { __typename }`, `{ __typename @skipp(if: true) }`, `{ simplePrice(assets: ["bitcoin"], freshness: { maxAge: 1 }) { price } }`,
		`{ simplePrice(assets: ["bitcoin"]) { prise } }`, `{ marketChart(asset: "bitcoin") { prices } }`, `{ simplePrice { price } }`, `{ simplePrice(assets: ["bitcoin"]) }`,
	} {
		g := s.query(publicKey, response, query, nil)
		if g.status != 400 || len(g.Errors) == 0 {
			t.Errorf("%s: %d %s", query, g.status, g.body)
		}
		if strings.Contains(g.body, "Did you mean") {
			t.Errorf("a suggestion: %s", g.body)
		}
		for _, name := range []string{"maxAgeSeconds", "marketCap", "SimplePrice", "MarketChart", "staleIfError", "USD"} {
			if strings.Contains(g.body, name) && !strings.Contains(query, name) {
				t.Errorf("%s\nnames %s, which was not sent: %s", query, name, g.body)
			}
		}
	}
}

func TestCrossOrigin(t *testing.T) {
	s := start(t, map[string]string{"CORS_ORIGINS": "https://charts.example"})
	ask := func(origin string) reply {
		return s.do(http.MethodOptions, "/graphql", "", map[string]string{"Origin": origin, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type,x-api-key"}, "")
	}
	if r := ask("https://charts.example"); r.status >= 300 || r.header.Get("Access-Control-Allow-Origin") != "https://charts.example" || r.header.Get("Access-Control-Allow-Credentials") != "" {
		t.Errorf("an origin that is listed: %+v", r)
	}
	if r := ask("https://elsewhere.example"); r.header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("an origin that is not: %+v", r)
	}
}

// TestAKeyInTheQueryIsNone: outside of /api/v3 it is not looked at, and it is in no log.
func TestAKeyInTheQueryIsNone(t *testing.T) {
	s := start(t, nil)
	for _, path := range []string{"/simple_price?assets=bitcoin&api_key=", "/graphql?query={__typename}&X-API-Key=", "/logs/export?key=x&x_cg_demo_api_key="} {
		if r := s.get(path+adminKey, ""); r.status != 401 {
			t.Errorf("%s: %+v", path, r)
		}
	}
	if strings.Contains(s.log.String(), adminKey) {
		t.Error("the key is in the log")
	}
}
