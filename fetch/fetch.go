// Package fetch joins the providers into one market.Source: their order, and retries within what the quota allows.
//
// # One call
//
// A provider plans its calls and hands each to [Try], which makes it with a time limit of its own and answers for what
// becomes of it. Failed calls cost credits too, so only what may pass is tried again:
//
//	outage, timeout                  up to Retries times, after a random part of Backoff, doubled each time up to BackoffMax;
//	                                 Retry-After wins where there is one
//	429                              likewise, but exactly when the provider says, if that is before the caller's deadline
//	an answer that cannot be used    once: a page of a CDN may pass, what the provider has stored does not
//	a refusal said to be Temporary   once
//	the quota is spent               likewise, when enough slides out of the window
//	all else                         not at all
//
// A wait that would outlast the caller's deadline is not begun: the error is given at once, with what is left to wait. For
// the end of a pause or for the quota one waits only where no further provider can be asked. What is refused for the key
// that was sent, 429 included, is tried at once with each other key of the pool that the quota gives.
//
// # The quota
//
// Each provider has one quota.Quota that all its calls go through, retries too. It keeps the limits, picks the key, and
// shuts what asked for a pause, refuses us or keeps failing: for all replicas together. Whoever meets a shut gate gets
// the fault that shut it, and no call is made. A Source is of one lane of the quota; [Source.In] gives it in another.
package fetch

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/coingraph/coingraph/fault"
	"github.com/coingraph/coingraph/limit/quota"
	"github.com/coingraph/coingraph/market"
)

// Try makes one call to a provider, with all that the package comment says. The endpoint is for the log and the bill and
// must have neither ids nor secrets in it. The call is told which of the provider's API keys to send, see [Keyed]; ""
// where there is none. Try gives the last error, which is a fault.
type Try = func(ctx context.Context, endpoint string, call func(ctx context.Context, key string) error) error

// Provider is one data vendor. Its methods send every request through the Try they are given; their errors are faults of
// the upstream kinds, and with one, what is answered is good and is kept.
type Provider interface {
	// Name is short, fixed and unique.
	Name() string
}

// Keyed is a provider with a pool of API keys. Each call sends the one that its Try tells it, so that the quota and what a
// vendor says of a key are kept for each of them.
type Keyed interface {
	// Keys are the pool, each once, in order of preference. It never changes; nil: calls send none.
	Keys() []string
}

// PriceProvider has current prices, as market.Source.Quotes says.
type PriceProvider interface {
	Provider
	Quotes(ctx context.Context, try Try, pairs []market.Pair) ([]market.Quote, error)
}

// SeriesProvider has history, charts or metrics, as market.Source.Series says. What it does not have at all it tells as
// fault.UpstreamNotFound.
type SeriesProvider interface {
	Provider
	Series(ctx context.Context, try Try, key market.SeriesKey, missing []market.Range) ([]market.Fetched, error)
}

// MetricProvider has on-chain metrics.
type MetricProvider interface {
	SeriesProvider
	// Offers are the metrics it has. It makes no call.
	Offers() []market.Offer
}

// CatalogueProvider has the list of all assets, as market.Source.Assets says.
type CatalogueProvider interface {
	Provider
	Assets(ctx context.Context, try Try) ([]market.Asset, error)
}

// DocumentProvider is a catalogue provider that has documents to pass on, too, as market.DocumentSource says.
type DocumentProvider interface {
	Document(ctx context.Context, try Try, q market.DocumentQuery) (market.Document, error)
}

// Options are what a Source needs. A provider may stand in several lists: it has one gate all the same.
type Options struct {
	// In order of preference: the next one serves what one did not.
	Prices    []PriceProvider
	Charts    []SeriesProvider
	OnChain   []MetricProvider
	Catalogue []CatalogueProvider

	Timeout    time.Duration // for one call; default 3 s
	Retries    int           // calls after the first
	Backoff    time.Duration // the most that is waited before the first retry; default 200 ms
	BackoffMax time.Duration // the most that is waited before any; default 5 s
	Probe      time.Duration // between two calls to a provider that is shut; default 5 s

	// Limits are what each key of a provider's pool may spend, by the provider's name; none: no limit.
	Limits map[string][]quota.Rate
	Quota  quota.Options // where that is kept

	Now    func() time.Time // nil: the real clock
	Log    *slog.Logger     // nil: none
	OnCall func(Call)       // is told of each call when it is over; nil: nobody. Must be safe for concurrent use
}

// Call is one call to a provider that was made.
type Call struct {
	Provider string
	Key      string // the id of the key that was sent, see [quota.KeyID]
	Endpoint string
	Lane     quota.Lane
	Asset    string // that it was about; "": several, or none
	Caller   string // who caused it, see [telemetry.Caller]
	Duration time.Duration
	Err      error // nil: answered
}

// Source is the providers, joined, in one lane of their quotas. Its methods are safe for concurrent use.
type Source struct {
	opts    Options
	callers map[string]*caller // by the provider's name
	order   []*caller          // as they were first named
	lane    quota.Lane
}

var _ market.BulkSource = (*Source)(nil)

// New makes a Source in the interactive lane.
func New(o Options) *Source {
	o.Timeout = cmp.Or(o.Timeout, 3*time.Second)
	o.Backoff = cmp.Or(o.Backoff, 200*time.Millisecond)
	o.BackoffMax = cmp.Or(o.BackoffMax, 5*time.Second)
	o.Probe = cmp.Or(o.Probe, 5*time.Second)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Quota.Now == nil {
		o.Quota.Now = o.Now
	}
	if o.Quota.Log == nil {
		o.Quota.Log = o.Log
	}
	s := &Source{opts: o, callers: make(map[string]*caller)}
	join(s, o.Prices)
	join(s, o.Charts)
	join(s, o.OnChain)
	join(s, o.Catalogue)
	return s
}

func join[P Provider](s *Source, providers []P) {
	for _, p := range providers {
		if s.callers[p.Name()] == nil {
			c := newCaller(p, s.opts)
			s.callers[p.Name()], s.order = c, append(s.order, c)
		}
	}
}

// In is the same Source in another lane: what is asked of it leaves the reserve that the lane has to leave.
func (s *Source) In(lane quota.Lane) *Source {
	in := *s
	in.lane = lane
	return &in
}

// Quotas are where the providers stand, in the order in which they were first named. It fails with
// fault.StoreUnavailable.
func (s *Source) Quotas(ctx context.Context) ([]quota.Status, error) {
	all := make([]quota.Status, len(s.order))
	for i, c := range s.order {
		var err error
		if all[i], err = c.quota.Status(ctx); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// try is the Try of a provider, for a question about an asset; "": about several, or none. After the last provider there
// is nobody else to ask.
func (s *Source) try(p Provider, asset string, last bool) Try {
	return errand{s.callers[p.Name()], s.lane, asset, last}.try
}

// Quotes is what market.Source says of it. Of several providers that failed the most preferred one's error is given; that a
// pair has no price only the most preferred one can say.
func (s *Source) Quotes(ctx context.Context, pairs []market.Pair) ([]market.Quote, error) {
	var quotes []market.Quote
	var first error
	for i, p := range s.opts.Prices {
		got, err := p.Quotes(ctx, s.try(p, onlyAsset(pairs), i == len(s.opts.Prices)-1), pairs)
		quotes = append(quotes, got...)
		if err == nil && first == nil {
			return quotes, nil
		}
		answered := make(map[market.Pair]bool, len(got))
		for _, q := range got {
			answered[q.Pair] = true
		}
		pairs = slices.DeleteFunc(slices.Clone(pairs), func(p market.Pair) bool { return answered[p] })
		if len(pairs) == 0 {
			return quotes, nil
		}
		if first == nil {
			first = fault.Of(err)
		}
		if ctx.Err() != nil {
			break
		}
	}
	return quotes, first
}

// packer is a price provider that can carry more for the same credit.
type packer interface {
	Riders(pairs, more []market.Pair) []market.Pair
}

// Riders is what market.Source says of it: the most preferred provider's word.
func (s *Source) Riders(pairs, more []market.Pair) []market.Pair {
	if len(s.opts.Prices) > 0 {
		if p, ok := s.opts.Prices[0].(packer); ok {
			return p.Riders(pairs, more)
		}
	}
	return nil
}

// onlyAsset is the pairs' asset, if they have but one.
func onlyAsset(pairs []market.Pair) string {
	for _, p := range pairs {
		if p.Asset != pairs[0].Asset {
			return ""
		}
	}
	if len(pairs) == 0 {
		return ""
	}
	return pairs[0].Asset
}

// Providers is what market.Source says of it.
func (s *Source) Providers(key market.SeriesKey) []string {
	if key.OnChain() {
		return names(s.opts.OnChain)
	}
	return names(s.opts.Charts)
}

func names[P Provider](providers []P) []string {
	names := make([]string, len(providers))
	for i, p := range providers {
		names[i] = p.Name()
	}
	return names
}

// Series is what market.Source says of it.
func (s *Source) Series(ctx context.Context, provider string, key market.SeriesKey, missing []market.Range) ([]market.Fetched, error) {
	if key.OnChain() {
		return series(ctx, s, s.opts.OnChain, provider, key, missing)
	}
	return series(ctx, s, s.opts.Charts, provider, key, missing)
}

func series[P SeriesProvider](ctx context.Context, s *Source, providers []P, name string, key market.SeriesKey, missing []market.Range) ([]market.Fetched, error) {
	for i, p := range providers {
		if p.Name() == name {
			return p.Series(ctx, s.try(p, key.Asset, i == len(providers)-1), key, missing)
		}
	}
	return nil, fault.New(fault.Internal, "no provider %s", name)
}

// Assets is the most preferred catalogue that is to be had; if there is none, the most preferred provider's error.
func (s *Source) Assets(ctx context.Context) ([]market.Asset, error) {
	var first error
	for i, p := range s.opts.Catalogue {
		assets, err := p.Assets(ctx, s.try(p, "", i == len(s.opts.Catalogue)-1))
		if err == nil {
			return assets, nil
		}
		if first == nil {
			first = fault.Of(err)
		}
		if ctx.Err() != nil {
			break
		}
	}
	return nil, first
}

// Document is what market.DocumentSource says of it: of the first of the catalogue's providers that has such.
func (s *Source) Document(ctx context.Context, q market.DocumentQuery) (market.Document, error) {
	for _, p := range s.opts.Catalogue {
		if d, ok := p.(DocumentProvider); ok {
			return d.Document(ctx, s.try(p, "", true), q)
		}
	}
	return market.Document{}, fault.Wrap(fault.UpstreamPlan, nil)
}

// Offers is what market.Source says of it.
func (s *Source) Offers() []market.Offer {
	var offers []market.Offer
	for _, p := range s.opts.OnChain {
		offers = append(offers, p.Offers()...)
	}
	return offers
}
