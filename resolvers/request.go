package resolvers

import (
	"context"
	"sync"

	"github.com/coingraph/coingraph/auth"
	"github.com/coingraph/coingraph/fault"
	"github.com/coingraph/coingraph/limit"
	"github.com/coingraph/coingraph/loaders"
)

// request is what belongs to one request: where its caller stands, once that is known.
type request struct {
	mu     sync.Mutex
	status *limit.Status
}

type requestKey struct{}

// Request prepares a context for one request: what the request looks up is gathered there, and where its caller stands
// is noted.
func (r *Resolver) Request(ctx context.Context) context.Context {
	return context.WithValue(loaders.With(ctx, r.Market), requestKey{}, new(request))
}

// charge takes the units of a whole operation from what the window leaves its caller.
func (r *Resolver) charge(ctx context.Context, units limit.Units) error {
	actor := auth.ActorOf(ctx)
	status, err := r.Meter.Charge(ctx, actor.ID, actor.Tier, units)
	if req, ok := ctx.Value(requestKey{}).(*request); ok && (err == nil || status.Limits != nil) {
		req.mu.Lock()
		req.status = &status
		req.mu.Unlock()
	}
	return err
}

func (r *Resolver) viewer(ctx context.Context) (*auth.Actor, error) {
	if err := auth.Require(ctx, auth.User); err != nil {
		return nil, err
	}
	actor := auth.ActorOf(ctx)
	return &actor, nil
}

// viewerLimits says where the caller stands after this very operation.
func (r *Resolver) viewerLimits(ctx context.Context) ([]limit.Limit, error) {
	if s, ok := r.Status(ctx); ok {
		return s.Limits, nil
	}
	return nil, fault.New(fault.StoreUnavailable, "the limits cannot be looked up now")
}

// Status is where the caller of a request stands after what it was charged; false where that cannot be said.
func (r *Resolver) Status(ctx context.Context) (limit.Status, bool) {
	req, ok := ctx.Value(requestKey{}).(*request)
	if !ok {
		return limit.Status{}, false
	}
	known := func() *limit.Status {
		req.mu.Lock()
		defer req.mu.Unlock()
		return req.status
	}
	if s := known(); s != nil {
		return *s, true
	}
	if auth.ActorOf(ctx).ID == "" {
		return limit.Status{}, false
	}
	if err := r.charge(ctx, limit.Units{}); err != nil { // asks, and charges nothing
		return limit.Status{}, false
	}
	return *known(), true
}
