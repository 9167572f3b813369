package fetch

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/coingraph/coingraph/fault"
	"github.com/coingraph/coingraph/fetch/coingecko"
	"github.com/coingraph/coingraph/market"
)

// These tests have the real provider on real connections; the rest of the package is about time, and has fakes.

const secret = "CG-secret-0123456789"

// gecko is a Source on a server that answers as the handlers say, one a call, the last for ever.
func gecko(t *testing.T, o Options, handlers ...http.HandlerFunc) (*Source, *atomic.Int32, *events) {
	t.Helper()
	calls, log := new(atomic.Int32), new(events)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := int(calls.Add(1))
		handlers[min(n, len(handlers))-1](w, r)
	}))
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	client, err := coingecko.New(coingecko.Options{Plan: coingecko.Demo, BaseURL: server.URL, Keys: []string{secret}, Log: log.logger()})
	if err != nil {
		t.Fatal(err)
	}
	o.Prices, o.Charts, o.Catalogue, o.Log = []PriceProvider{client}, []SeriesProvider{client}, []CatalogueProvider{client}, log.logger()
	return New(o), calls, log
}

func answers(status int, contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}

var bitcoin = []market.Pair{{Asset: "bitcoin", Currency: "usd"}}

func TestOverHTTP(t *testing.T) {
	good := answers(200, "application/json", `{"bitcoin":{"usd":67187.3358936566}}`)
	hang := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	o := Options{Timeout: 300 * time.Millisecond, Retries: 3, Backoff: time.Millisecond, BackoffMax: 2 * time.Millisecond, Probe: time.Hour}
	for _, test := range []struct {
		name     string
		handlers []http.HandlerFunc
		calls    int32
		kind     fault.Kind // Internal: well
		status   int        // of the API
	}{
		{"well", []http.HandlerFunc{good}, 1, 0, 0},
		{"500, 502, then well", []http.HandlerFunc{answers(500, "text/html", "<html>"), answers(502, "text/html", ""), good}, 3, 0, 0},
		{"500 for ever", []http.HandlerFunc{answers(500, "text/html", "<html>")}, 4, fault.UpstreamUnavailable, 502},
		{"hangs", []http.HandlerFunc{hang}, 4, fault.UpstreamTimeout, 504},
		{"a captcha, then well", []http.HandlerFunc{answers(200, "text/html", "<html>"), good}, 2, 0, 0},
		{"cut JSON", []http.HandlerFunc{answers(200, "application/json", `{"bitcoin":{"usd":67`)}, 2, fault.UpstreamNonsense, 502},
		{"429", []http.HandlerFunc{answers(429, "text/plain", "Throttled")}, 1, fault.UpstreamRateLimited, 503},
		{"a wrong key", []http.HandlerFunc{answers(401, "application/json", `{"status":{"error_code":10002,"error_message":"`+secret+`"}}`)}, 1, fault.UpstreamKey, 502},
		{"beyond the plan", []http.HandlerFunc{answers(401, "application/json", `{"error":{"status":{"error_code":10012,"error_message":"x"}}}`)}, 1, fault.UpstreamRange, 502},
		{"10010, then well", []http.HandlerFunc{answers(400, "application/json", `{"error_code":10010,"status":{"error_message":"x"}}`), good}, 2, 0, 0},
		{"10010 for ever", []http.HandlerFunc{answers(400, "application/json", `{"error_code":10010,"status":{"error_message":"x"}}`)}, 2, fault.UpstreamHost, 502},
		{"10011", []http.HandlerFunc{answers(400, "application/json", `{"error_code":10011,"status":{"error_message":"x"}}`)}, 1, fault.UpstreamHost, 502},
		{"a block page", []http.HandlerFunc{answers(403, "text/html", "<title>Access denied</title>")}, 1, fault.UpstreamBlocked, 502},
		{"a redirect", []http.HandlerFunc{func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://canary.invalid/", http.StatusFound)
		}}, 1, fault.UpstreamPath, 502},
	} {
		t.Run(test.name, func(t *testing.T) {
			source, calls, log := gecko(t, o, test.handlers...)
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			quotes, err := source.Quotes(ctx, bitcoin)
			if test.kind == fault.Internal {
				if err != nil || len(quotes) != 1 || quotes[0].Price != 67187.3358936566 {
					t.Errorf("got %v, %v", quotes, err)
				}
			} else {
				wantKind(t, test.name, err, test.kind)
				f := fault.Of(err)
				if f.Kind.Status() != test.status || len(quotes) != 0 || strings.Contains(f.Safe(), "HTTP") {
					t.Errorf("got %v, status %d: %s", quotes, f.Kind.Status(), f.Safe())
				}
			}
			if calls.Load() != test.calls {
				t.Errorf("%d calls, want %d", calls.Load(), test.calls)
			}
			log.mu.Lock()
			defer log.mu.Unlock()
			if text := log.b.String(); strings.Contains(text, secret) || !strings.Contains(text, `"endpoint":"/simple/price"`) {
				t.Errorf("logged %s", text)
			}
			for line := range strings.Lines(log.b.String()) {
				if !json.Valid([]byte(line)) {
					t.Errorf("logged %q", line)
				}
			}
		})
	}
}

// TestNothingIsLeftBehind: calls that hang, are cut and time out leave no goroutine.
func TestNothingIsLeftBehind(t *testing.T) {
	before := goleak.IgnoreCurrent()
	t.Run("calls", func(t *testing.T) {
		o := Options{Timeout: 50 * time.Millisecond, Retries: 1, Backoff: time.Millisecond, Probe: time.Millisecond}
		source, calls, _ := gecko(t, o,
			func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
			func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
			answers(500, "text/html", strings.Repeat("x", 1<<20)),
			answers(200, "text/html", strings.Repeat("x", 1<<20)),
			func(w http.ResponseWriter, r *http.Request) {
				answers(200, "application/json", " ")(w, r)
				_ = http.NewResponseController(w).Flush()
				<-r.Context().Done()
			},
		)
		for range 5 {
			_, err := source.Quotes(t.Context(), bitcoin)
			if !fault.Of(err).Kind.Upstream() {
				t.Errorf("got %v", err)
			}
		}
		if calls.Load() < 5 {
			t.Errorf("only %d calls", calls.Load())
		}
	})
	goleak.VerifyNone(t, before)
}
