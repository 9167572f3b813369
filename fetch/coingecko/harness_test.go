package coingecko

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/coingraph/coingraph/fault"
	"github.com/coingraph/coingraph/fetch/wire/wiretest"
)

// once makes each call once, as a caller without patience does.
func once(ctx context.Context, _ string, call func(context.Context, string) error) error {
	return call(ctx, testKey)
}

// upstream is a server that answers as a test says, and the requests that it saw.
type upstream struct {
	*httptest.Server
	mu   sync.Mutex
	seen []*http.Request
}

func serve(t *testing.T, h http.HandlerFunc) *upstream {
	t.Helper()
	u := new(upstream)
	u.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		u.mu.Lock()
		u.seen = append(u.seen, r)
		u.mu.Unlock()
		h(w, r)
	}))
	t.Cleanup(func() {
		u.CloseClientConnections() // of handlers that hang
		u.Close()
	})
	return u
}

func (u *upstream) requests() []*http.Request {
	u.mu.Lock()
	defer u.mu.Unlock()
	return append([]*http.Request(nil), u.seen...)
}

// answer is a handler that sends a body as JSON.
func answer(body []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		_, _ = w.Write(body)
	}
}

const testKey = "CG-0123456789abcdef"

// client asks a server, at a fixed time.
func client(t *testing.T, u *upstream, plan Plan, now time.Time) *Client {
	t.Helper()
	o := Options{Plan: plan, BaseURL: u.URL + "/api/v3", Now: func() time.Time { return now }, Log: slog.New(slog.NewTextHandler(t.Output(), nil))}
	if plan != Public {
		o.Keys = []string{testKey}
	}
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.wire.CloseIdleConnections)
	return c
}

// recordings are CoinGecko's recorded bodies that match a pattern, by file name. Without recordings the test skips.
func recordings(t testing.TB, pattern string) map[string][]byte {
	t.Helper()
	return wiretest.Recordings(t, "../..", "coingecko", pattern)
}

func wantKind(t *testing.T, what string, err error, kind fault.Kind) {
	t.Helper()
	if !fault.Is(err, kind) {
		t.Errorf("%s: got %v, want %s", what, err, kind)
	}
}
