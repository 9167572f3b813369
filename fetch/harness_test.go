package fetch

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/coingraph/coingraph/fault"
	"github.com/coingraph/coingraph/market"
)

// vendor is a provider made of functions.
type vendor struct {
	name   string
	quotes func(context.Context, Try, []market.Pair) ([]market.Quote, error)
	chart  func(context.Context, Try, market.SeriesKey, []market.Range) ([]market.Fetched, error)
	assets func(context.Context, Try) ([]market.Asset, error)
}

func (v *vendor) Name() string { return v.name }

func (v *vendor) Quotes(ctx context.Context, try Try, pairs []market.Pair) ([]market.Quote, error) {
	return v.quotes(ctx, try, pairs)
}

func (v *vendor) Series(ctx context.Context, try Try, key market.SeriesKey, missing []market.Range) ([]market.Fetched, error) {
	return v.chart(ctx, try, key, missing)
}

func (v *vendor) Assets(ctx context.Context, try Try) ([]market.Asset, error) {
	return v.assets(ctx, try)
}

// script is a provider of one endpoint whose calls end as the list says, the last for ever, and when they were made.
type script struct {
	mu    sync.Mutex
	ends  []func(context.Context, string) error
	calls []time.Time
}

func (s *script) call(ctx context.Context, key string) error {
	s.mu.Lock()
	s.calls = append(s.calls, time.Now())
	end := s.ends[0]
	if len(s.ends) > 1 {
		s.ends = s.ends[1:]
	}
	s.mu.Unlock()
	return end(ctx, key)
}

func (s *script) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.calls)
}

// then replaces what is still to come.
func (s *script) then(ends ...func(context.Context, string) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ends = ends
}

// The ways in which calls end.
func well(context.Context, string) error { return nil }

func failing(k fault.Kind) func(context.Context, string) error {
	return func(context.Context, string) error { return fault.New(k, "") }
}

func limited(d time.Duration) func(context.Context, string) error {
	return func(context.Context, string) error {
		return &fault.Error{Kind: fault.UpstreamRateLimited, RetryAfter: d}
	}
}

func hanging(ctx context.Context, _ string) error {
	<-ctx.Done()
	return fault.Wrap(fault.UpstreamTimeout, ctx.Err())
}

// scripted is a Source of one provider that makes one call for whatever it is asked.
func scripted(o Options, ends ...func(context.Context, string) error) (*Source, *script) {
	s := &script{ends: ends}
	o.Catalogue = []CatalogueProvider{&vendor{
		name: "acme",
		assets: func(ctx context.Context, try Try) ([]market.Asset, error) {
			if err := try(ctx, "/list", s.call); err != nil {
				return nil, err
			}
			return []market.Asset{{ID: "bitcoin"}}, nil
		},
	}}
	return New(o), s
}

// events are the lines of a log with an event, as level, event and kind.
type events struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (e *events) Write(p []byte) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.b.Write(p)
}

func (e *events) logger() *slog.Logger {
	return slog.New(slog.NewJSONHandler(e, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func (e *events) of(t *testing.T, event string) []string {
	t.Helper()
	e.mu.Lock()
	defer e.mu.Unlock()
	var found []string
	for dec := json.NewDecoder(bytes.NewReader(e.b.Bytes())); dec.More(); {
		var line struct{ Level, Event, Kind string }
		if err := dec.Decode(&line); err != nil {
			t.Fatal(err)
		}
		if line.Event == event {
			found = append(found, line.Level+" "+line.Kind)
		}
	}
	return found
}

func wantKind(t *testing.T, what string, err error, kind fault.Kind) {
	t.Helper()
	if !fault.Is(err, kind) {
		t.Errorf("%s: got %v, want %s", what, err, kind)
	}
}
