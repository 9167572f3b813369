package resolvers

import (
	"context"
	"time"

	"github.com/coingraph/coingraph/auth"
)

// The registry looks at the caller's role itself, so that no caller of it can forget to.

func (r *Resolver) createKey(ctx context.Context, name, tier string, expiresAt *time.Time) (*auth.CreatedKey, error) {
	var expires time.Time
	if expiresAt != nil {
		expires = *expiresAt
	}
	key, secret, err := r.Keys.Create(ctx, name, tier, expires)
	if err != nil {
		return nil, err
	}
	return &auth.CreatedKey{Key: key, Secret: secret}, nil
}

func (r *Resolver) revokeKey(ctx context.Context, id string) (*auth.StoredKey, error) {
	key, err := r.Keys.Revoke(ctx, id)
	if err != nil {
		return nil, err
	}
	return &key, nil
}
