package auth

import (
	"context"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/coingraph/coingraph/fault"
	"github.com/coingraph/coingraph/telemetry"
)

// RegistryOptions are the options of [NewRegistry].
type RegistryOptions struct {
	Configured *Keys    // the keys of the configuration
	Store      KeyStore // the keys of the database
	Tiers      []string // the tiers that a new key may have; nil: any
	Now        func() time.Time
	Log        *slog.Logger
}

// Registry is all the API keys, those of the configuration and those of the database. Create, Keys and Revoke are for
// admins: they look at the context's actor (see [Require]) themselves, so that no caller can forget it.
type Registry struct {
	opts   RegistryOptions
	lookup *lookup
	uses   *uses
}

// NewRegistry makes a Registry. Without [Registry.Run] nothing is kept of when keys are used.
func NewRegistry(o RegistryOptions) *Registry {
	if o.Configured == nil {
		o.Configured = NewKeys(nil)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Registry{o, newLookup(o.Store, o.Now), newUses(o.Store, o.Log)}
}

// Authenticate finds the actor whose key has this secret. It fails with fault.Unauthenticated, which never says why, and
// with fault.StoreUnavailable where only the database could tell: then nobody is let in on a guess.
//
// A revocation holds within 5 seconds on every replica, because what the database said is believed for 4 (see
// keyTTL). An expiry holds at once. What the database holds is compared as hashes and found by its index, whose timing
// tells of hashes only: nobody can make a secret whose hash begins as he likes.
func (r *Registry) Authenticate(ctx context.Context, secret string) (Actor, error) {
	if actor, err := r.opts.Configured.Authenticate(secret); err == nil {
		return actor, nil
	}
	if !LooksLikeSecret(secret) {
		return Actor{}, unauthenticated(errUnknownKey)
	}
	key, found, err := r.lookup.find(ctx, hashOf(secret))
	if err != nil {
		return Actor{}, err
	}
	if !found {
		return Actor{}, unauthenticated(errUnknownKey)
	}
	now := r.opts.Now()
	if err := key.check(now); err != nil {
		return Actor{}, unauthenticated(err)
	}
	r.uses.note(&key, now)
	return Actor{ID: key.ID, Tier: key.Tier, Role: key.Role(), Name: key.Name}, nil
}

// Forms of a key's name and tier, as the configuration takes them.
var (
	nameForm = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)
	tierForm = regexp.MustCompile(`^[a-z0-9_-]{1,64}$`)
)

// Create makes a key that is valid until an instant, or for ever if that is zero, and gives it with its secret, which
// nobody can give again. Parameters that are wrong fail with a fault.BadInput that names name, tier and expiresAt.
func (r *Registry) Create(ctx context.Context, name, tier string, expires time.Time) (key StoredKey, secret string, err error) {
	if err := Require(ctx, Admin); err != nil {
		return StoredKey{}, "", err
	}
	now := r.opts.Now()
	if err := r.check(name, tier, expires, now); err != nil {
		return StoredKey{}, "", err
	}
	secret = NewSecret()
	key = StoredKey{ID: newID(), Name: name, Tier: tier, Hash: hashOf(secret), CreatedAt: instant(now), ExpiresAt: instant(expires)}
	if err := r.opts.Store.InsertKey(ctx, key); err != nil {
		return StoredKey{}, "", fmt.Errorf("auth: create a key: %w", err)
	}
	r.opts.Log.InfoContext(ctx, "an API key was created", "event", "key.create", "key_id", key.ID, "name", name, "tier", tier, "by", ActorOf(ctx).ID, telemetry.RecordedKey, true)
	return key, secret, nil
}

func (r *Registry) check(name, tier string, expires, now time.Time) error {
	var bad []fault.Field
	switch {
	case !nameForm.MatchString(name):
		bad = append(bad, fault.Field{Field: "name", Message: "must be 1 to 64 letters, digits and . _ -"})
	case r.opts.Configured.named(name):
		bad = append(bad, fault.Field{Field: "name", Message: "is the name of a key of the configuration"})
	}
	switch {
	case !tierForm.MatchString(tier):
		bad = append(bad, fault.Field{Field: "tier", Message: "must be 1 to 64 lower-case letters, digits and _ -"})
	case r.opts.Tiers != nil && !slices.Contains(r.opts.Tiers, tier):
		bad = append(bad, fault.Field{Field: "tier", Message: "must be one of " + strings.Join(r.opts.Tiers, ", ")})
	}
	switch {
	case expires.IsZero():
	case !expires.After(now):
		bad = append(bad, fault.Field{Field: "expiresAt", Message: "must be in the future"})
	case expires.UTC().Year() > 9999: // RFC 3339 ends there
		bad = append(bad, fault.Field{Field: "expiresAt", Message: "must be before the year 10000"})
	}
	return fault.Invalid(bad...)
}

// Keys are all keys of the database, the oldest first; revoked and expired ones too.
func (r *Registry) Keys(ctx context.Context) ([]StoredKey, error) {
	if err := Require(ctx, Admin); err != nil {
		return nil, err
	}
	keys, err := r.opts.Store.Keys(ctx)
	if err != nil {
		return nil, fmt.Errorf("auth: list the keys: %w", err)
	}
	return keys, nil
}

// Revoke ends a key of the database for ever, and gives it as it is then. On this replica it holds at once, unless the
// key is being looked up at that moment. Revoking a key again changes nothing. It fails with fault.NotFound where there is
// no such key: one of the configuration is ended there.
func (r *Registry) Revoke(ctx context.Context, id string) (StoredKey, error) {
	if err := Require(ctx, Admin); err != nil {
		return StoredKey{}, err
	}
	if !looksLikeID(id) {
		return StoredKey{}, fault.New(fault.NotFound, "there is no such API key in the database")
	}
	key, found, err := r.opts.Store.RevokeKey(ctx, id, instant(r.opts.Now()))
	if err != nil {
		return StoredKey{}, fmt.Errorf("auth: revoke a key: %w", err)
	}
	if !found {
		return StoredKey{}, fault.New(fault.NotFound, "there is no such API key in the database")
	}
	r.lookup.forget(key.Hash)
	r.opts.Log.InfoContext(ctx, "an API key was revoked", "event", "key.revoke", "key_id", key.ID, "name", key.Name, "tier", key.Tier, "by", ActorOf(ctx).ID, telemetry.RecordedKey, true)
	return key, nil
}

// Run stores when keys were used until the context ends, and then what is left of it.
func (r *Registry) Run(ctx context.Context) { r.uses.run(ctx) }

// instant is how the database keeps an instant.
func instant(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC().Truncate(time.Millisecond)
}
