package coingecko

import (
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coingraph/coingraph/fault"
	"github.com/coingraph/coingraph/fetch/wire/wiretest"
	"github.com/coingraph/coingraph/market"
)

const emptyChart = `{"prices":[],"market_caps":[],"total_volumes":[]}`

func TestNewRefuses(t *testing.T) {
	for name, o := range map[string]Options{
		"no plan":            {},
		"a plan of others":   {Plan: "gold"},
		"a key for nobody":   {Plan: Public, Keys: []string{testKey}},
		"no key for demo":    {Plan: Demo},
		"no key for pro":     {Plan: Pro},
		"an empty key":       {Plan: Pro, Keys: []string{testKey, ""}},
		"a key with a line":  {Plan: Pro, Keys: []string{testKey + "\r\nX: y"}},
		"an address":         {Plan: Public, BaseURL: "api.coingecko.com"},
		"another scheme":     {Plan: Public, BaseURL: "ftp://api.coingecko.com"},
		"a user in the URL":  {Plan: Public, BaseURL: "https://u:" + testKey + "@api.coingecko.com"},
		"a query in the URL": {Plan: Public, BaseURL: "https://api.coingecko.com/?key=" + testKey},
	} {
		if _, err := New(o); err == nil || strings.Contains(err.Error(), testKey) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for plan, want := range map[Plan]string{Public: "https://api.coingecko.com/api/v3", Demo: "https://api.coingecko.com/api/v3", Pro: "https://pro-api.coingecko.com/api/v3"} {
		o := Options{Plan: plan}
		if plan != Public {
			o.Keys = []string{testKey}
		}
		if c, err := New(o); err != nil || c.wire.BaseURL() != want {
			t.Errorf("%s: %v %v", plan, c, err)
		}
	}
}

// TestKeys: the key that a call is told goes into its plan's own header, and no key where the plan has none.
func TestKeys(t *testing.T) {
	for plan, header := range map[Plan]string{Public: "", Demo: "X-Cg-Demo-Api-Key", Pro: "X-Cg-Pro-Api-Key"} {
		u := wiretest.Serve(t, wiretest.Answer([]byte(emptyChart)))
		c := client(t, u, plan, midMarch)
		told := []string{"CG-b", "CG-a", "CG-b"}
		for _, key := range told {
			last := market.Daily.Newest(midMarch)
			try := func(ctx context.Context, _ string, call func(context.Context, string) error) error {
				return call(ctx, key)
			}
			missing := []market.Range{{From: last, To: last + market.Daily.Step()}}
			if _, err := c.Series(t.Context(), try, market.SeriesKey{Asset: "bitcoin", Currency: "usd", Interval: market.Daily}, missing); err != nil {
				t.Fatal(err)
			}
		}
		for i, r := range u.Requests() {
			for name := range r.Header {
				if strings.HasPrefix(name, "X-Cg") && name != header {
					t.Errorf("%s sends %s", plan, name)
				}
			}
			if header != "" && r.Header.Get(header) != told[i] {
				t.Errorf("%s: call %d with %q, want %s", plan, i, r.Header, told[i])
			}
		}
	}
}

// TestPaths: an id stays one segment of the path, whatever is in it, and what is no id goes nowhere.
func TestPaths(t *testing.T) {
	u := wiretest.Serve(t, wiretest.Answer([]byte(emptyChart)))
	c := client(t, u, Public, midMarch)
	last := market.Daily.Newest(midMarch)
	missing := []market.Range{{From: last, To: last + market.Daily.Step()}}
	for id, want := range map[string]string{
		"0x": "0x", "_": "_", "boringdao-[old]": "boringdao-%5Bold%5D", "1move token": "1move%20token", "a.b": "a.b",
		"": "", "..": "", ".": "", "a/b": "", "a?b": "", "a%2fb": "", "Bitcoin": "", "a\nb": "", "a..b": "",
	} {
		before := len(u.Requests())
		_, err := c.Series(t.Context(), wiretest.Once, market.SeriesKey{Asset: id, Currency: "usd", Interval: market.Daily}, missing)
		if want == "" {
			if wiretest.WantKind(t, id, err, fault.UpstreamNotFound); len(u.Requests()) != before {
				t.Errorf("%q was asked for", id)
			}
			continue
		}
		if err != nil {
			t.Errorf("%q: %v", id, err)
			continue
		}
		if got := u.Requests()[before].URL.EscapedPath(); got != "/api/v3/coins/"+want+"/market_chart" {
			t.Errorf("%q: %s", id, got)
		}
	}
}

func TestRedirectIsRefused(t *testing.T) {
	canary := wiretest.Serve(t, wiretest.Answer([]byte(emptyChart)))
	for _, status := range []int{301, 302, 303, 307, 308} {
		u := wiretest.Serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", canary.URL)
			w.WriteHeader(status)
		})
		_, err := chartOf(t, client(t, u, Demo, midMarch))
		wiretest.WantKind(t, strconv.Itoa(status), err, fault.UpstreamPath)
	}
	if seen := canary.Requests(); len(seen) != 0 {
		t.Errorf("the canary saw %v", seen[0].Header)
	}
}

// TestBodiesAreBounded sends 64 MB of blanks, plain and compressed to some KB, as an answer and as an error.
func TestBodiesAreBounded(t *testing.T) {
	const size = 64 << 20
	for _, status := range []int{200, 500} {
		for _, compressed := range []bool{false, true} {
			var sent atomic.Int64
			u := wiretest.Serve(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", asJSON)
				var to io.Writer = w
				if compressed {
					w.Header().Set("Content-Encoding", "gzip")
					z := gzip.NewWriter(w)
					defer z.Close()
					to = z
				}
				w.WriteHeader(status)
				for blanks := make([]byte, 1<<20); sent.Load() < size; sent.Add(1 << 20) {
					for i := range blanks {
						blanks[i] = ' '
					}
					if _, err := to.Write(blanks); err != nil {
						return
					}
				}
			})
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			_, err := chartOf(t, client(t, u, Public, midMarch))
			runtime.ReadMemStats(&after)
			kind := fault.UpstreamNonsense
			if status != 200 {
				kind = fault.UpstreamUnavailable
			}
			wiretest.WantKind(t, strconv.Itoa(status), err, kind)
			if len(err.Error()) > 2000 {
				t.Errorf("an error of %d bytes", len(err.Error()))
			}
			// Growing a buffer to 16 MB allocates some times that in all; 64 MB read whole would be four times more.
			if got := after.TotalAlloc - before.TotalAlloc; got > 160<<20 {
				t.Errorf("%d, compressed %t: %d MB allocated", status, compressed, got>>20)
			}
		}
	}
}

// TestBrokenConnections: what the connection does is an outage or a timeout, and never an answer.
func TestBrokenConnections(t *testing.T) {
	within := func(t *testing.T, c *Client, d time.Duration) error {
		ctx, cancel := context.WithTimeout(t.Context(), d)
		defer cancel()
		start := time.Now()
		last := market.Daily.Newest(midMarch)
		got, err := c.Series(ctx, wiretest.Once, market.SeriesKey{Asset: "bitcoin", Currency: "usd", Interval: market.Daily}, []market.Range{{From: last, To: last + market.Daily.Step()}})
		if took := time.Since(start); took > d+5*time.Second {
			t.Errorf("it took %v", took)
		}
		if len(got) != 0 {
			t.Errorf("got %v", got)
		}
		return err
	}
	release := make(chan struct{})
	free := sync.OnceFunc(func() { close(release) })
	defer free()
	reset := func(w http.ResponseWriter) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_ = conn.(*net.TCPConn).SetLinger(0)
		_ = conn.Close()
	}
	for name, test := range map[string]struct {
		kind fault.Kind
		h    http.HandlerFunc
	}{
		"hangs":        {fault.UpstreamTimeout, func(_ http.ResponseWriter, r *http.Request) { waitFor(r.Context(), release) }},
		"reset before": {fault.UpstreamUnavailable, func(w http.ResponseWriter, _ *http.Request) { reset(w) }},
		"reset within": {fault.UpstreamUnavailable, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", asJSON)
			w.Header().Set("Content-Length", "1000")
			_, _ = w.Write([]byte(emptyChart))
			_ = http.NewResponseController(w).Flush()
			reset(w)
		}},
		"shorter than it says": {fault.UpstreamUnavailable, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", asJSON)
			w.Header().Set("Content-Length", "1000")
			_, _ = w.Write([]byte(emptyChart))
		}},
		"cut, and says so": {fault.UpstreamNonsense, wiretest.Answer([]byte(emptyChart[:20]))},
		"empty":            {fault.UpstreamNonsense, wiretest.Answer(nil)},
		"drips": {fault.UpstreamTimeout, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", asJSON)
			tick := time.NewTicker(20 * time.Millisecond)
			defer tick.Stop()
			for r.Context().Err() == nil {
				if _, err := w.Write([]byte{' '}); err != nil || http.NewResponseController(w).Flush() != nil {
					return
				}
				select {
				case <-tick.C:
				case <-release:
					return
				}
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			err := within(t, client(t, wiretest.Serve(t, test.h), Public, midMarch), 300*time.Millisecond)
			wiretest.WantKind(t, name, err, test.kind)
		})
	}
	t.Run("refuses", func(t *testing.T) {
		u := wiretest.Serve(t, wiretest.Answer(nil))
		u.Close()
		err := within(t, client(t, u, Public, midMarch), time.Second)
		if wiretest.WantKind(t, "refuses", err, fault.UpstreamUnavailable); strings.Contains(err.Error(), "/coins/bitcoin") {
			t.Errorf("the URL is in %v", err)
		}
	})
	t.Run("the caller goes away", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		u := wiretest.Serve(t, func(_ http.ResponseWriter, r *http.Request) {
			cancel()
			waitFor(r.Context(), release)
		})
		_, err := client(t, u, Public, midMarch).Assets(ctx, wiretest.Once)
		if !errors.Is(err, context.Canceled) || !fault.Of(err).Kind.Upstream() {
			t.Errorf("got %v", err)
		}
	})
}

func waitFor(ctx context.Context, release <-chan struct{}) {
	select {
	case <-ctx.Done():
	case <-release:
	}
}
