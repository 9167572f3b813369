package resolvers

import (
	"context"

	"github.com/coingraph/coingraph/auth"
	"github.com/coingraph/coingraph/market"
)

// quarantine is a page of the points that were held back. Only admins get one, whoever calls.
func (r *Resolver) quarantine(ctx context.Context, first *int, after *string) (*market.QuarantinePage, error) {
	if err := auth.Require(ctx, auth.Admin); err != nil {
		return nil, err
	}
	return r.Market.Quarantine(ctx, first, after)
}

// release makes a quarantined point one like all others. Only admins may, whoever calls.
func (r *Resolver) release(ctx context.Context, id string) (*market.QuarantineEntry, error) {
	if err := auth.Require(ctx, auth.Admin); err != nil {
		return nil, err
	}
	return r.Market.Release(ctx, id, auth.ActorOf(ctx).ID)
}
