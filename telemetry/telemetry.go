// Package telemetry is what only observes: the request's id, the tally of what the request caused and whom the bill is
// for, which ride in a context, metrics, and spans. Nothing in here may change an answer.
package telemetry

import (
	"context"
	"sync/atomic"
)

// Tier is where a value came from, in the order it was looked for.
type Tier uint8

// The tiers of the read-through.
const (
	Memory Tier = iota
	Redis
	Database
	Upstream
	tiers
)

var tierNames = [tiers]string{"memory", "redis", "database", "upstream"}

func (t Tier) String() string { return tierNames[t] }

// Tally counts what one request caused. Its methods are safe for concurrent use and on nil, so that work without a
// request (a refresh, a test) needs no special case.
type Tally struct {
	served        [tiers]atomic.Int64
	upstreamCalls atomic.Int64
}

// Served notes that n values were answered by the tier.
func (t *Tally) Served(tier Tier, n int) {
	if t != nil && n > 0 {
		t.served[tier].Add(int64(n))
	}
}

// UpstreamCall notes one call to a provider.
func (t *Tally) UpstreamCall() {
	if t != nil {
		t.upstreamCalls.Add(1)
	}
}

// UpstreamCalls is how many calls to providers the request caused so far.
func (t *Tally) UpstreamCalls() int {
	if t == nil {
		return 0
	}
	return int(t.upstreamCalls.Load())
}

// Outcome is the farthest tier that had to be asked for a value: "memory", "redis", "database" or "upstream"; empty when
// no value was looked up.
func (t *Tally) Outcome() string {
	if t == nil {
		return ""
	}
	for tier := int(tiers) - 1; tier >= 0; tier-- {
		if t.served[tier].Load() > 0 {
			return Tier(tier).String()
		}
	}
	return ""
}

type (
	tallyKey     struct{}
	requestIDKey struct{}
	callerKey    struct{}
)

// Request is the context of a request: it has an id and a tally.
type Request struct {
	context.Context
	ID    string
	Tally Tally
}

// Value is the id or the tally, or what the context below has.
func (r *Request) Value(key any) any {
	switch key.(type) {
	case tallyKey:
		return &r.Tally
	case requestIDKey:
		return r.ID
	}
	return r.Context.Value(key)
}

// WithTally gives the context a tally of its own.
func WithTally(ctx context.Context) (context.Context, *Tally) {
	t := new(Tally)
	return context.WithValue(ctx, tallyKey{}, t), t
}

// TallyOf is the context's tally, or nil.
func TallyOf(ctx context.Context) *Tally {
	t, _ := ctx.Value(tallyKey{}).(*Tally)
	return t
}

// WithRequestID gives the context the request's id.
func WithRequestID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, requestIDKey{}, id)
}

// RequestID is the id of the context's request, or "".
func RequestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}

// WithCaller gives the context the caller for the bill: the id of an API key or a token's subject, never a secret. Work
// that goes on without its first caller keeps it.
func WithCaller(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, callerKey{}, id)
}

// Caller is whom the bill is for, or "".
func Caller(ctx context.Context) string {
	id, _ := ctx.Value(callerKey{}).(string)
	return id
}
