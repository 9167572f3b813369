package fetch

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coingraph/coingraph/fault"
	"github.com/coingraph/coingraph/limit/quota"
	"github.com/coingraph/coingraph/market"
	"github.com/coingraph/coingraph/telemetry"
)

// keyed is a provider with a pool of keys, each of which answers in its own way.
type keyed struct {
	vendor
	keys []string
}

func (k *keyed) Keys() []string { return k.keys }

// pooled is a Source of one provider whose calls end as the key that they are told says, and the keys in the order of
// their calls.
func pooled(o Options, ends map[string]func(context.Context, string) error) (source *Source, sent func() []string) {
	var mu sync.Mutex
	var keys []string
	p := &keyed{keys: []string{"a", "b"}}
	p.vendor = vendor{name: "acme", assets: func(ctx context.Context, try Try) ([]market.Asset, error) {
		err := try(ctx, "/list", func(ctx context.Context, key string) error {
			mu.Lock()
			keys = append(keys, key)
			mu.Unlock()
			return ends[key](ctx, key)
		})
		if err != nil {
			return nil, err
		}
		return []market.Asset{{ID: "bitcoin"}}, nil
	}}
	o.Catalogue = []CatalogueProvider{p}
	return New(o), func() []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(keys)
	}
}

// TestRefusedForTheKey: what is refused for the key that was sent is tried at once with the other one, and from then on the
// other one is sent; if it is refused as well, that is the error.
func TestRefusedForTheKey(t *testing.T) {
	type end = func(context.Context, string) error
	for _, test := range []struct {
		name  string
		ends  map[string]end
		sent  []string // by two questions
		kind  fault.Kind
		event []string
	}{
		{"a wrong key", map[string]end{"a": failing(fault.UpstreamKey), "b": well}, []string{"a", "b", "b"}, 0, []string{"ERROR upstream_key"}},
		{"another host's key", map[string]end{"a": failing(fault.UpstreamHost), "b": well}, []string{"a", "b", "b"}, 0, []string{"ERROR upstream_host"}},
		{"429", map[string]end{"a": limited(time.Hour), "b": well}, []string{"a", "b", "b"}, 0, []string{"WARN upstream_rate_limited"}},
		{"both wrong", map[string]end{"a": failing(fault.UpstreamKey), "b": failing(fault.UpstreamKey)}, []string{"a", "b"}, fault.UpstreamKey, []string{"ERROR upstream_key", "ERROR upstream_key"}},
		{"both rest", map[string]end{"a": limited(time.Hour), "b": limited(time.Hour)}, []string{"a", "b"}, fault.UpstreamRateLimited, []string{"WARN upstream_rate_limited", "WARN upstream_rate_limited"}},
		{"no such asset", map[string]end{"a": failing(fault.UpstreamNotFound), "b": well}, []string{"a", "a"}, fault.UpstreamNotFound, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log := new(events)
				o := defaults
				o.Log = log.logger()
				source, sent := pooled(o, test.ends)
				start := time.Now()
				for range 2 {
					if err := within(t, source, 10*time.Second); test.kind == fault.Internal && err != nil || test.kind != fault.Internal && !fault.Is(err, test.kind) {
						t.Errorf("got %v", err)
					}
				}
				if took := time.Since(start); took != 0 || !slices.Equal(sent(), test.sent) {
					t.Errorf("sent %q in %v, want %q", sent(), took, test.sent)
				}
				if got := log.of(t, "fetch.gate"); !slices.Equal(got, test.event) {
					t.Errorf("logged %q, want %q", got, test.event)
				}
			})
		})
	}
}

// TestQuota: no call beyond the limit, retries included, whoever asks in whatever lane; who can, waits for it.
func TestQuota(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := defaults
		o.Limits = map[string][]quota.Rate{"acme": {{Max: 10, Per: time.Hour}}}
		source, s := scripted(o, failing(fault.UpstreamUnavailable), failing(fault.UpstreamUnavailable), well)
		for _, step := range []struct {
			lane quota.Lane
			most int // calls in all
		}{{quota.Backfill, 5}, {quota.Refresh, 8}, {quota.Interactive, 10}} {
			in := source.In(step.lane)
			for range 12 {
				if err := within(t, in, time.Minute); err != nil && !fault.Is(err, fault.QuotaExhausted) {
					t.Error(err)
				}
			}
			if s.count() != step.most {
				t.Errorf("%s: %d calls, want %d", step.lane, s.count(), step.most)
			}
		}
		err := within(t, source, time.Second)
		if f := fault.Of(err); f.Kind.Code() != "UPSTREAM_QUOTA_EXHAUSTED" || f.RetryAfter <= 0 || f.RetryAfter > time.Hour+time.Minute {
			t.Errorf("got %v, retry after %v", f, f.RetryAfter)
		}
		start := time.Now()
		if err := within(t, source, 2*time.Hour); err != nil || time.Since(start) < 50*time.Minute {
			t.Errorf("one who waits gets %v after %v", err, time.Since(start))
		}
		all, err := source.Quotas(t.Context())
		if err != nil || len(all) != 1 || all[0].Provider != "acme" || all[0].Keys[0].ID != "keyless" {
			t.Errorf("got %+v, %v", all, err)
		}
	})
}

// TestNextProviderRatherThanWaiting: a pause or a spent quota is not waited for while somebody else can answer.
func TestNextProviderRatherThanWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, first := range map[string]func(context.Context, string) error{"pause": limited(5 * time.Second), "quota": well} {
			o := defaults
			o.Limits = map[string][]quota.Rate{"first": {{Max: 1, Per: time.Minute}}}
			provider := func(name string, end func(context.Context, string) error) CatalogueProvider {
				return &vendor{name: name, assets: func(ctx context.Context, try Try) ([]market.Asset, error) {
					return []market.Asset{{ID: name}}, try(ctx, "/list", end)
				}}
			}
			o.Catalogue = []CatalogueProvider{provider("first", first), provider("second", well)}
			source := New(o)
			start := time.Now()
			for range 3 {
				if _, err := source.Assets(t.Context()); err != nil {
					t.Error(name, err)
				}
			}
			if took := time.Since(start); took != 0 {
				t.Errorf("%s: it took %v", name, took)
			}
		}
	})
}

// TestCallTold: each call is told with all that the bill needs, also what goes on without its first caller.
func TestCallTold(t *testing.T) {
	var told []Call
	o := defaults
	o.OnCall = func(c Call) { told = append(told, c) }
	p := &vendor{
		name: "acme",
		quotes: func(ctx context.Context, try Try, _ []market.Pair) ([]market.Quote, error) {
			return nil, try(ctx, "/price", well)
		},
		chart: func(ctx context.Context, try Try, _ market.SeriesKey, _ []market.Range) ([]market.Fetched, error) {
			return nil, try(ctx, "/chart", failing(fault.UpstreamNotFound))
		},
	}
	o.Prices, o.Charts = []PriceProvider{p}, []SeriesProvider{p}
	source := New(o).In(quota.Refresh)
	ctx := context.WithoutCancel(telemetry.WithCaller(t.Context(), "web"))
	pair := func(asset, currency string) market.Pair {
		return market.Pair{Asset: asset, Currency: market.Currency(currency)}
	}
	_, _ = source.Quotes(ctx, []market.Pair{pair("bitcoin", "usd"), pair("bitcoin", "eur")})
	_, _ = source.Quotes(ctx, []market.Pair{pair("bitcoin", "usd"), pair("ethereum", "usd")})
	_, _ = source.Series(ctx, "acme", market.SeriesKey{Asset: "tether", Currency: "usd"}, nil)
	want := []Call{
		{Provider: "acme", Key: "keyless", Endpoint: "/price", Lane: quota.Refresh, Asset: "bitcoin", Caller: "web"},
		{Provider: "acme", Key: "keyless", Endpoint: "/price", Lane: quota.Refresh, Caller: "web"},
		{Provider: "acme", Key: "keyless", Endpoint: "/chart", Lane: quota.Refresh, Asset: "tether", Caller: "web"},
	}
	if len(told) != len(want) {
		t.Fatalf("told %+v", told)
	}
	for i, c := range told {
		failed := c.Err != nil
		c.Duration, c.Err = 0, nil
		if c != want[i] || failed != (i == 2) {
			t.Errorf("told %+v, want %+v", c, want[i])
		}
	}
}
