// Package wiretest is what the tests of the providers share: a server that answers as a test says, and recorded answers.
package wiretest

import (
	"context"
	"encoding/json"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coingraph/coingraph/fault"
	"github.com/coingraph/coingraph/fetch/wire"
	"github.com/coingraph/coingraph/market"
)

// Key is what tests give for a key.
const Key = "test-key-0123456789abcdef"

// Once makes each call once, with [Key], as a caller without patience does.
func Once(ctx context.Context, _ string, call func(context.Context, string) error) error {
	return call(ctx, Key)
}

var _ wire.Try = Once

// Upstream is a server that answers as a test says, and remembers what it was asked.
type Upstream struct {
	*httptest.Server
	mu   sync.Mutex
	seen []*http.Request
}

// Serve starts a server for the test's time.
func Serve(t testing.TB, h http.HandlerFunc) *Upstream {
	t.Helper()
	u := new(Upstream)
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

// Requests are those that have arrived.
func (u *Upstream) Requests() []*http.Request {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Clone(u.seen)
}

// Answer is a handler that sends a body as JSON.
func Answer(body []byte) http.HandlerFunc {
	return Refuse(http.StatusOK, "application/json", string(body))
}

// Refuse is a handler that sends a body of any kind.
func Refuse(status int, contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}

// WantKind checks what an error is.
func WantKind(t testing.TB, what string, err error, kind fault.Kind) {
	t.Helper()
	if !fault.Is(err, kind) {
		t.Errorf("%s: got %v, want %s", what, err, kind)
	}
}

// Recordings are a provider's recorded bodies that match a pattern, by file name; they stand beside the project and are
// not part of it. root is the path of the project from the test. Without recordings the test skips.
func Recordings(t testing.TB, root, provider, pattern string) map[string][]byte {
	t.Helper()
	folder := filepath.Join(root, "..", "shared", "recorded", provider)
	files, err := filepath.Glob(filepath.Join(folder, pattern))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Skipf("skipped: there are no recorded bodies %s at %s, which is no part of the project; this test alone needs them", pattern, folder)
	}
	bodies := make(map[string][]byte, len(files))
	for _, f := range files {
		body, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		bodies[filepath.Base(f)] = body
	}
	return bodies
}

// CheckIDs compares a table of ids with CoinGecko's recorded list: each id is there, with the symbol that the provider's id
// shows. That proves no identity, as symbols are not unique, but shows a slip.
func CheckIDs(t testing.TB, root string, symbols map[string]string) {
	t.Helper()
	const list = "coins_list__2025-08-03.json"
	var coins []struct{ ID, Symbol string }
	if err := json.Unmarshal(Recordings(t, root, "coingecko", list)[list], &coins); err != nil {
		t.Fatal(err)
	}
	known := make(map[string]string, len(coins))
	for _, c := range coins {
		known[c.ID] = c.Symbol
	}
	if len(symbols) < 30 {
		t.Errorf("the table has %d assets", len(symbols))
	}
	for id, symbol := range symbols {
		if got, ok := known[id]; !ok || !strings.EqualFold(got, symbol) {
			t.Errorf("%s has the symbol %q in CoinGecko's list, %q here", id, got, symbol)
		}
	}
}

// At reads an instant, in Unix ms.
func At(t testing.TB, text string) int64 {
	t.Helper()
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return at.UnixMilli()
}

// CheckPoints compares the stamps and prices of points, bit for bit. A NaN is a null.
func CheckPoints(t testing.TB, what string, got []market.Point, want ...market.Point) {
	t.Helper()
	same := func(a, b market.Point) bool {
		return a.Stamp == b.Stamp && a.Missing == b.Missing &&
			bits(a.Price) == bits(b.Price) && bits(a.MarketCap) == bits(b.MarketCap) && bits(a.Volume) == bits(b.Volume)
	}
	if !slices.EqualFunc(got, want, same) {
		t.Errorf("%s: got\n%+v\nwant\n%+v", what, got, want)
	}
}

// bits are those of a number; all NaNs are the same.
func bits(f float64) uint64 {
	if math.IsNaN(f) {
		return math.Float64bits(math.NaN())
	}
	return math.Float64bits(f)
}

// CheckAnswers checks what any answers of a provider must be: each with its source and time, its points ascending, one a
// stamp, within what it covers; and together, covering or refusing all that was asked for up to end, once.
func CheckAnswers(source string, missing []market.Range, end int64, answers []market.Fetched) string {
	rest := slices.Clone(missing)
	for _, f := range answers {
		if f.Source != source || f.FetchedAt.IsZero() {
			return "an answer is of nobody or of no time"
		}
		for i, p := range f.Points {
			if !f.Covers.Contains(p.Stamp) || p.Source != source || !p.FetchedAt.Equal(f.FetchedAt) || i > 0 && p.Stamp <= f.Points[i-1].Stamp {
				return "a point is not covered, not ascending or of somebody else"
			}
		}
		rest = market.Subtract(market.Subtract(rest, f.Covers), f.Beyond)
	}
	for _, r := range rest {
		if r.From < end {
			return "something that was asked for has no answer: " + time.UnixMilli(r.From).UTC().Format(time.RFC3339)
		}
	}
	return ""
}

// CheckNoSecret lets a provider echo the key at every place of the quoted beginning, and checks that no error shows it, nor
// the address.
func CheckNoSecret(t *testing.T, ask func(base string) error) {
	t.Helper()
	for pad := 0; pad < 2*wire.MaxQuote; pad += 7 {
		u := Serve(t, Refuse(http.StatusBadRequest+pad%2*100, "text/plain", strings.Repeat("x", pad)+Key+` `+Key))
		err := ask(u.URL)
		if err == nil || strings.Contains(err.Error(), Key[:8]) || strings.Contains(err.Error(), u.URL) {
			t.Fatalf("%d: %v", pad, err)
		}
	}
}
