package fetch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/coingraph/coingraph/fault"
	"github.com/coingraph/coingraph/telemetry"
)

// spread is what waits for a pause's end are longer by, at random, so that not all come at once.
const spread = 100 * time.Millisecond

// caller makes the calls of one provider.
type caller struct {
	Provider
	opts Options
	gate gate
}

// try is the provider's [Try].
func (c *caller) try(ctx context.Context, endpoint string, call func(context.Context) error) error {
	for n := 0; ; n++ {
		f := c.attempt(ctx, endpoint, call, n)
		if f == nil {
			return nil
		}
		wait, again := c.patience(f, n)
		if !again || !sleep(ctx, wait) {
			return f
		}
	}
}

// attempt makes the call, if the gate lets it through. n is how many were made before.
func (c *caller) attempt(ctx context.Context, endpoint string, call func(context.Context) error, n int) *fault.Error {
	if ctx.Err() != nil {
		return ended(ctx)
	}
	turn, refused := c.gate.enter(c.opts.Now())
	if refused != nil {
		return refused
	}
	telemetry.TallyOf(ctx).UpstreamCall()
	limited, cancel := context.WithTimeout(ctx, c.opts.Timeout)
	defer cancel()
	limited, span := telemetry.StartSpan(limited, "upstream call", "provider", c.Name(), "endpoint", endpoint)
	start := time.Now()
	err := call(limited)
	span.End(err)
	took := time.Since(start)

	f := fault.Of(err)
	if f != nil && ctx.Err() != nil {
		f = ended(ctx) // the caller's end says nothing of the provider
	} else if n >= min(1, c.opts.Retries) || !temporary(f) { // one that may pass is tried again first
		c.tell(ctx, c.gate.leave(turn, c.opts.Now(), f), f)
	}
	c.log(ctx, endpoint, took, f)
	if c.opts.OnCall != nil {
		done := Call{Provider: c.Name(), Endpoint: endpoint, Duration: took}
		if f != nil {
			done.Err = f
		}
		c.opts.OnCall(done)
	}
	return f
}

// ended is the fault of a caller whose time is up, or who went away.
func ended(ctx context.Context) *fault.Error {
	return fault.Wrap(fault.UpstreamTimeout, fmt.Errorf("no answer before the caller's end: %w", context.Cause(ctx)))
}

// temporary tells whether a refusal says of itself that it may pass.
func temporary(f *fault.Error) bool {
	var t interface{ Temporary() bool }
	return f != nil && errors.As(f.Cause, &t) && t.Temporary()
}

// patience is how long to wait before a call is made again after n retries, if at all.
func (c *caller) patience(f *fault.Error, n int) (wait time.Duration, again bool) {
	made := !errors.Is(f, errShut)
	retries := 0
	switch {
	case f.Kind == fault.UpstreamRateLimited, made && (f.Kind == fault.UpstreamUnavailable || f.Kind == fault.UpstreamTimeout):
		retries = c.opts.Retries
	case made && (f.Kind == fault.UpstreamNonsense || temporary(f)):
		retries = min(1, c.opts.Retries)
	}
	if n >= retries {
		return 0, false
	}
	if f.RetryAfter > 0 {
		return f.RetryAfter + rand.N(spread), true //nolint:gosec // spreads load, guards nothing
	}
	ceiling := min(c.opts.Backoff, c.opts.BackoffMax)
	for range n {
		ceiling = min(2*ceiling, c.opts.BackoffMax)
	}
	return rand.N(ceiling + 1), true //nolint:gosec // likewise
}

// sleep waits, unless the context would end before.
func sleep(ctx context.Context, d time.Duration) bool {
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= d {
		return false
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func (c *caller) log(ctx context.Context, endpoint string, took time.Duration, f *fault.Error) {
	level := slog.LevelInfo
	attrs := []slog.Attr{
		slog.String("event", "fetch.call"), slog.String("provider", c.Name()), slog.String("endpoint", endpoint),
		slog.String("request_id", telemetry.RequestID(ctx)), slog.Duration("duration", took),
	}
	if f == nil {
		attrs = append(attrs, slog.String("kind", "ok"))
	} else {
		level = slog.LevelWarn
		attrs = append(attrs, slog.String("kind", f.Kind.String()), slog.Any("error", f))
	}
	c.opts.Log.LogAttrs(ctx, level, "call to a provider", attrs...)
}

// tell logs what became of the gate: once for each change, not for each request that meets it.
func (c *caller) tell(ctx context.Context, ch change, f *fault.Error) {
	attrs := []slog.Attr{slog.String("event", "fetch.gate"), slog.String("provider", c.Name())}
	switch ch {
	case opened:
		c.opts.Log.LogAttrs(ctx, slog.LevelInfo, "the provider answers again", attrs...)
	case paused:
		attrs = append(attrs, slog.Duration("pause", f.RetryAfter), slog.Any("error", f))
		c.opts.Log.LogAttrs(ctx, slog.LevelWarn, "the provider asks for a pause: no calls until it is over", attrs...)
	case shut:
		attrs = append(attrs, slog.String("kind", f.Kind.String()), slog.Duration("probe", c.opts.Probe), slog.Any("error", f))
		c.opts.Log.LogAttrs(ctx, slog.LevelError, "the provider is shut: from now on it is only probed", attrs...)
	case unchanged:
	}
}
