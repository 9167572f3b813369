// Package fetch joins the providers into one market.Source: their order, retries, and the gate that shuts a provider who
// asks for a pause, refuses us or keeps failing.
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
//	all else                         not at all
//
// A wait that would outlast the caller's deadline is not begun: the error is given at once, with what is left to wait.
//
// # The gate
//
// Each provider has one gate that all its calls go through. A 429 shuts it until the time that the provider named. A
// refusal of our key, host or address shuts it at once, and so do 10 failures in a row; then one call each Probe is let
// through, and one that is answered opens it. Whoever meets a shut gate gets the error that shut it, and no call is made.
package fetch

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/coingraph/coingraph/fault"
	"github.com/coingraph/coingraph/market"
)

// Try makes one call to a provider, with all that the package comment says. The endpoint is for the log and must have
// neither ids nor secrets in it. It gives the last error, which is a fault.
type Try = func(ctx context.Context, endpoint string, call func(context.Context) error) error

// Provider is one data vendor. Its methods are those of market.Source, and send every request through the Try they are
// given. Their errors are faults of the upstream kinds; with one, what is answered is good and is kept.
type Provider interface {
	// Name is short, fixed and unique.
	Name() string
	Quotes(ctx context.Context, try Try, pairs []market.Pair) ([]market.Quote, error)
	Chart(ctx context.Context, try Try, key market.SeriesKey, missing []market.Range) ([]market.Fetched, error)
	Assets(ctx context.Context, try Try) ([]market.Asset, error)
}

// DocumentProvider is a provider that has documents to pass on, too, as market.DocumentSource says.
type DocumentProvider interface {
	Document(ctx context.Context, try Try, q market.DocumentQuery) (market.Document, error)
}

// Options are what a Source needs. Providers must be set.
type Options struct {
	Providers []Provider // in order of preference: the next one serves what one did not

	Timeout    time.Duration // for one call; default 3 s
	Retries    int           // calls after the first
	Backoff    time.Duration // the most that is waited before the first retry; default 200 ms
	BackoffMax time.Duration // the most that is waited before any; default 5 s
	Probe      time.Duration // between two calls to a provider that is shut; default 5 s

	Now    func() time.Time // nil: the real clock
	Log    *slog.Logger     // nil: none
	OnCall func(Call)       // is told of each call when it is over; nil: nobody. Must be safe for concurrent use
}

// Call is one call to a provider that was made.
type Call struct {
	Provider string
	Endpoint string
	Duration time.Duration
	Err      error // nil: answered
}

// Source is the providers, joined. Its methods are safe for concurrent use.
type Source struct {
	callers []*caller
}

// New makes a Source.
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
	s := new(Source)
	for _, p := range o.Providers {
		s.callers = append(s.callers, &caller{Provider: p, opts: o, gate: gate{probe: o.Probe}})
	}
	return s
}

// Quotes is what market.Source says of it. Of several providers that failed the most preferred one's error is given.
func (s *Source) Quotes(ctx context.Context, pairs []market.Pair) ([]market.Quote, error) {
	var quotes []market.Quote
	err := s.each(ctx, func(c *caller) error {
		got, err := c.Quotes(ctx, c.try, pairs)
		quotes = append(quotes, got...)
		if err != nil {
			answered := make(map[market.Pair]bool, len(got))
			for _, q := range got {
				answered[q.Pair] = true
			}
			pairs = slices.DeleteFunc(slices.Clone(pairs), func(p market.Pair) bool { return answered[p] })
		}
		return err
	})
	return quotes, err
}

// Chart is what market.Source says of it, and of errors the same holds as for Quotes.
func (s *Source) Chart(ctx context.Context, key market.SeriesKey, missing []market.Range) ([]market.Fetched, error) {
	var answers []market.Fetched
	err := s.each(ctx, func(c *caller) error {
		got, err := c.Chart(ctx, c.try, key, missing)
		answers = append(answers, got...)
		if err != nil {
			for _, f := range got {
				missing = market.Subtract(missing, f.Covers)
			}
		}
		return err
	})
	return answers, err
}

// Assets is the most preferred catalogue that is to be had.
func (s *Source) Assets(ctx context.Context) ([]market.Asset, error) {
	var assets []market.Asset
	err := s.each(ctx, func(c *caller) error {
		got, err := c.Assets(ctx, c.try)
		if err == nil {
			assets = got
		}
		return err
	})
	return assets, err
}

// Document is what market.DocumentSource says of it: the most preferred one of those providers that offer such.
func (s *Source) Document(ctx context.Context, q market.DocumentQuery) (market.Document, error) {
	var document market.Document
	err := s.each(ctx, func(c *caller) error {
		p, ok := c.Provider.(DocumentProvider)
		if !ok {
			return fault.Wrap(fault.UpstreamPlan, nil)
		}
		var err error
		document, err = p.Document(ctx, c.try, q)
		return err
	})
	return document, err
}

// each asks one provider after the other until one does not fail, and gives the first one's error if all do.
func (s *Source) each(ctx context.Context, ask func(*caller) error) error {
	var first error
	for _, c := range s.callers {
		err := ask(c)
		if err == nil {
			return nil
		}
		if first == nil {
			first = fault.Of(err)
		}
		if ctx.Err() != nil {
			break
		}
	}
	return first
}
