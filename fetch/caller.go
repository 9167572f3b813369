package fetch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/coingraph/coingraph/fault"
	"github.com/coingraph/coingraph/limit/quota"
	"github.com/coingraph/coingraph/telemetry"
)

// spread is what waits for a pause's end are longer by, at random, so that not all come at once.
const spread = 100 * time.Millisecond

// caller makes the calls of one provider.
type caller struct {
	name     string
	provider Provider
	keys     []string // the pool; one "" without keys
	quota    *quota.Quota
	opts     Options
}

func newCaller(p Provider, o Options) *caller {
	c := &caller{name: p.Name(), provider: p, keys: []string{""}, opts: o}
	if k, ok := p.(Keyed); ok && len(k.Keys()) > 0 {
		c.keys = k.Keys()
	}
	pool := quota.Pool{Provider: c.name, Rates: o.Limits[c.name], Probe: o.Probe}
	for _, key := range c.keys {
		pool.Keys = append(pool.Keys, quota.KeyID(key))
	}
	c.quota = quota.New(pool, o.Quota)
	return c
}

// errand is what the calls of one question to a provider have in common.
type errand struct {
	*caller
	lane  quota.Lane
	asset string // "": several, or none
	last  bool   // nobody else can be asked: it is worth while to wait for a pause's end
}

// try is the provider's [Try].
func (e errand) try(ctx context.Context, endpoint string, call func(context.Context, string) error) error {
	others := len(e.keys) - 1 // keys that may do better than the one that was sent
	for n := 0; ; n++ {
		f := e.attempt(ctx, endpoint, call, n)
		if f == nil {
			return nil
		}
		if others > 0 && ofKey(f) {
			others--
			n--
			continue
		}
		wait, again := e.patience(f, n)
		if !again || !sleep(ctx, wait) {
			return f
		}
	}
}

// ofKey tells whether a call was made, and refused for the key that was sent.
func ofKey(f *fault.Error) bool {
	return made(f) && (f.Kind == fault.UpstreamRateLimited || f.Kind == fault.UpstreamKey || f.Kind == fault.UpstreamHost)
}

func made(f *fault.Error) bool { return !errors.Is(f, quota.ErrRefused) }

// attempt makes the call, if the quota has one. n is how many were made before.
func (e errand) attempt(ctx context.Context, endpoint string, call func(context.Context, string) error, n int) *fault.Error {
	if ctx.Err() != nil {
		return ended(ctx)
	}
	grant, err := e.quota.Acquire(ctx, e.lane)
	switch {
	case err == nil:
	case ctx.Err() != nil:
		return ended(ctx)
	default:
		return fault.Of(err)
	}
	telemetry.TallyOf(ctx).UpstreamCall()
	limited, cancel := context.WithTimeout(ctx, e.opts.Timeout)
	defer cancel()
	limited, span := telemetry.StartSpan(limited, "upstream call", "provider", e.name, "endpoint", endpoint)
	start := time.Now()
	err = call(limited, e.keys[grant.Key])
	span.End(err)
	done := Call{
		Provider: e.name, Key: quota.KeyID(e.keys[grant.Key]), Endpoint: endpoint, Lane: e.lane, Asset: e.asset, Caller: telemetry.Caller(ctx),
		Duration: time.Since(start),
	}

	f := fault.Of(err)
	if f != nil && ctx.Err() != nil {
		f = ended(ctx) // the caller's end says nothing of the provider
	} else if n >= min(1, e.opts.Retries) || !temporary(f) { // one that may pass is tried again first
		e.tell(ctx, e.quota.Report(ctx, grant, f), done.Key, f)
	}
	if f != nil {
		done.Err = f
	}
	e.log(ctx, done, f)
	if e.opts.OnCall != nil {
		e.opts.OnCall(done)
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
func (e errand) patience(f *fault.Error, n int) (wait time.Duration, again bool) {
	made, retries := made(f), 0
	switch {
	case f.Kind == fault.UpstreamRateLimited || f.Kind == fault.QuotaExhausted:
		if e.last {
			retries = e.opts.Retries
		}
	case made && (f.Kind == fault.UpstreamUnavailable || f.Kind == fault.UpstreamTimeout):
		retries = e.opts.Retries
	case made && (f.Kind == fault.UpstreamNonsense || temporary(f)):
		retries = min(1, e.opts.Retries)
	}
	if n >= retries {
		return 0, false
	}
	if f.RetryAfter > 0 {
		return f.RetryAfter + rand.N(spread), true //nolint:gosec // spreads load, guards nothing
	}
	ceiling := min(e.opts.Backoff, e.opts.BackoffMax)
	for range n {
		ceiling = min(2*ceiling, e.opts.BackoffMax)
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

func (e errand) log(ctx context.Context, c Call, f *fault.Error) {
	level := slog.LevelInfo
	attrs := []slog.Attr{
		slog.String("event", "fetch.call"), slog.String("provider", c.Provider), slog.String("pool_key", c.Key), slog.String("lane", c.Lane.String()),
		slog.String("endpoint", c.Endpoint), slog.String("asset", c.Asset), slog.String("key_id", c.Caller),
		slog.String("request_id", telemetry.RequestID(ctx)), slog.Duration("duration", c.Duration),
	}
	if f == nil {
		attrs = append(attrs, slog.String("kind", "ok"))
	} else {
		level = slog.LevelWarn
		attrs = append(attrs, slog.String("kind", f.Kind.String()), slog.Any("error", f))
	}
	e.opts.Log.LogAttrs(ctx, level, "call to a provider", attrs...)
}

// tell logs what became of the gates: once for each change, not for each request that meets it.
func (e errand) tell(ctx context.Context, ch quota.Change, key string, f *fault.Error) {
	attrs := []slog.Attr{slog.String("event", "fetch.gate"), slog.String("provider", e.name), slog.String("pool_key", key)}
	if f != nil {
		attrs = append(attrs, slog.String("kind", f.Kind.String()), slog.Any("error", f))
	}
	switch ch {
	case quota.Opened:
		e.opts.Log.LogAttrs(ctx, slog.LevelInfo, "the provider answers again", attrs...)
	case quota.Paused:
		attrs = append(attrs, slog.Duration("pause", f.RetryAfter))
		e.opts.Log.LogAttrs(ctx, slog.LevelWarn, "the provider asks for a pause: no calls with this key until it is over", attrs...)
	case quota.Shut:
		attrs = append(attrs, slog.Duration("probe", e.opts.Probe))
		e.opts.Log.LogAttrs(ctx, slog.LevelError, "the provider is shut: from now on it is only probed", attrs...)
	case quota.Refused:
		attrs = append(attrs, slog.Duration("probe", e.opts.Probe))
		e.opts.Log.LogAttrs(ctx, slog.LevelError, "the provider refuses a key: from now on the key is only probed", attrs...)
	case quota.Unchanged:
	}
}
