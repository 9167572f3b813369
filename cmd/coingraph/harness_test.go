package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coingraph/coingraph/config"
	"github.com/coingraph/coingraph/fetch/simulator"
	"github.com/coingraph/coingraph/limit/limittest"
)

// server is an App that serves, on a simulated provider.
type server struct {
	t    testing.TB
	sim  *simulator.Simulator
	url  string
	env  map[string]string
	log  *safeBuffer
	app  *App
	stop func() // idempotent; waits until the App has stopped

	now  func() time.Time // nil: the real clock
	prod bool             // prod's rules, which no variables allow on a simulated provider
}

const (
	publicKey = "dev-public-key"
	adminKey  = "dev-admin-key"

	providerKey = "CG-test-key-of-the-provider"
)

// safeBuffer is a buffer for concurrent writers.
type safeBuffer struct {
	mu  sync.Mutex
	b   bytes.Buffer
	off bool // takes no more: for those who measure
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.off {
		return len(p), nil
	}
	return b.b.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// start opens an App as main does, on a fresh simulator and the variables given.
func start(t testing.TB, vars map[string]string) *server {
	t.Helper()
	return startOn(t, simulator.Options{}, vars)
}

// startOn is start on a simulator with the options given, by its clock.
func startOn(t testing.TB, o simulator.Options, vars map[string]string) *server {
	t.Helper()
	o.Seed, o.Plan, o.Keys = 7, simulator.Pro, []string{providerKey}
	sim := simulator.New(o)
	env := map[string]string{
		"COINGECKO_BASE_URL": serveHTTP(t, sim), "COINGECKO_PLAN": "pro", "COINGECKO_API_KEY": providerKey,
		"DATA_DIR": t.TempDir(), "UPSTREAM_BACKOFF": "1ms", "UPSTREAM_BACKOFF_MAX": "2ms", "UPSTREAM_PROBE": "50ms",
		"RATE_LIMITS": "public/*=1000000,standard/*=1000000,admin/*=1000000", "ADDRESS_LIMIT": "100000/1m",
		"RATE_LIMIT_WINDOW": limittest.Long.String(), // no test's units come back in the middle of it
		"UPSTREAM_LIMITS":   "coingecko=1000000/1m", "SCHEDULER": "off",
	}
	maps.Copy(env, vars)
	s := &server{t: t, sim: sim, env: env, now: o.Now}
	s.open()
	return s
}

// open starts an App on the server's variables. It is stopped when the test ends, or by stop.
func (s *server) open() {
	s.t.Helper()
	var environ []string
	for k, v := range s.env {
		environ = append(environ, k+"="+v)
	}
	cfg, err := config.Load(environ)
	if err != nil {
		s.t.Fatal(err)
	}
	if s.prod {
		cfg.Env = config.Prod
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.t.Fatal(err)
	}
	s.log = new(safeBuffer)
	app, err := Open(cfg, AppOptions{Observed: observe(cfg, s.log, cfg.LogLevel), Listener: listener, Now: s.now})
	if err != nil {
		s.t.Fatal(err)
	}
	s.app, s.url = app, "http://"+app.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- app.Serve(ctx) }()
	s.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			s.t.Error("serve:", err)
		}
	})
	s.t.Cleanup(s.stop)
	s.await("life", func() bool {
		r, err := http.Get(s.url + "/healthz")
		if err != nil {
			return false
		}
		r.Body.Close()
		return r.StatusCode == http.StatusOK
	})
	s.await("the catalogue", func() bool { return strings.Contains(s.log.String(), `"event":"catalogue.refresh"`) })
}

// restart stops the App and opens another on the same database.
func (s *server) restart() {
	s.t.Helper()
	s.stop()
	s.open()
}

// await waits for a condition, and fails the test if it does not come.
func (s *server) await(what string, condition func() bool) {
	s.t.Helper()
	awaitOn(s.t, s.log, 20*time.Second, what, condition)
}

// awaitFor is await for what takes longer on a busy machine.
func (s *server) awaitFor(most time.Duration, what string, condition func() bool) {
	s.t.Helper()
	awaitOn(s.t, s.log, most, what, condition)
}

// awaitOn is await for a program whose log is given.
func awaitOn(t testing.TB, log *safeBuffer, most time.Duration, what string, condition func() bool) {
	t.Helper()
	deadline := time.Now().Add(most)
	for tick := time.NewTicker(5 * time.Millisecond); !condition(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("%s did not come; the log:\n%s", what, log)
		}
	}
}

// reply is an HTTP answer, read whole.
type reply struct {
	status int
	header http.Header
	body   string
}

func (s *server) do(method, path, key string, header map[string]string, body string) reply {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	if key != "" {
		req.Header.Set("X-API-Key", key)
	}
	for k, v := range header {
		req.Header.Set(k, v)
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	read, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return reply{resp.StatusCode, resp.Header, string(read)}
}

func (s *server) get(path, key string) reply {
	s.t.Helper()
	return s.do(http.MethodGet, path, key, nil, "")
}

const (
	plain    = "application/json"
	response = "application/graphql-response+json"
)

// gqlError is an error of a GraphQL answer.
type gqlError struct {
	Message    string `json:"message"`
	Path       []any  `json:"path"`
	Extensions struct {
		Code   string `json:"code"`
		Fields []struct{ Field, Message string }
	} `json:"extensions"`
}

// gql is a GraphQL answer.
type gql struct {
	reply
	Data   json.RawMessage `json:"data"`
	Errors []gqlError      `json:"errors"`
}

func (g gql) codes() string {
	var codes []string
	for _, e := range g.Errors {
		codes = append(codes, e.Extensions.Code)
	}
	return strings.Join(codes, " ")
}

// into decodes the data, which must have come without errors.
func (g gql) into(t testing.TB, v any) {
	t.Helper()
	if len(g.Errors) > 0 || g.status != http.StatusOK {
		t.Fatalf("got %d %s", g.status, g.body)
	}
	if err := json.Unmarshal(g.Data, v); err != nil {
		t.Fatal(err)
	}
}

func (s *server) query(key, accept, query string, variables map[string]any) gql {
	s.t.Helper()
	body, err := json.Marshal(map[string]any{"query": query, "variables": variables})
	if err != nil {
		s.t.Fatal(err)
	}
	g := gql{reply: s.do(http.MethodPost, "/graphql", key, map[string]string{"Content-Type": plain, "Accept": accept}, string(body))}
	if err := json.Unmarshal([]byte(g.body), &g); err != nil {
		s.t.Fatalf("%v in %s", err, g.body)
	}
	return g
}

// spent is how many calls the provider saw since the last time, without those for the catalogue.
func (s *server) spent() int {
	n := s.sim.Total() - s.sim.Counts()["/coins/list"]
	s.sim.ResetCalls()
	return n
}

// backends are the variables of each backend that is at hand, by name. In CI all must be.
func backends(t *testing.T) map[string]map[string]string {
	t.Helper()
	all := map[string]map[string]string{"embedded": {}}
	postgres, redis, cluster := os.Getenv("TEST_DATABASE_URL"), os.Getenv("TEST_REDIS_URL"), os.Getenv("TEST_REDIS_CLUSTER_URL")
	if postgres == "" || redis == "" || cluster == "" {
		if os.Getenv("CI") == "true" {
			t.Fatal("in CI, TEST_DATABASE_URL, TEST_REDIS_URL and TEST_REDIS_CLUSTER_URL must be set")
		}
		t.Log("only the embedded backend is tested: run make test for all of them")
		return all
	}
	for _, address := range []string{redis, cluster} {
		forgetQuotas(t, address) // of the provider that other tests broke
	}
	// On a machine that is busy with other tests a Redis that is well may answer late: that is not what is tested.
	all["postgres and redis"] = map[string]string{"DATABASE_URL": freshDatabase(t, postgres), "REDIS_URL": redis, "REDIS_TIMEOUT": "20s"}
	all["postgres and redis cluster"] = map[string]string{"DATABASE_URL": freshDatabase(t, postgres), "REDIS_URL": cluster, "REDIS_TIMEOUT": "20s"}
	return all
}

// freshDatabase makes a database of the test's own and gives its URL.
func freshDatabase(t testing.TB, base string) string {
	t.Helper()
	name := "e2e_" + strings.ToLower(randomName())
	onServer(t, base, "CREATE DATABASE "+name)
	t.Cleanup(func() { onServer(t, base, "DROP DATABASE "+name+" WITH (FORCE)") })
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/" + name
	q := u.Query()
	q.Set("connect_timeout", "30") // on a busy machine a database that is well may take its time
	u.RawQuery = q.Encode()
	return u.String()
}
