// Package auth says who is asking and what they may do.
package auth

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"io"

	"github.com/coingraph/coingraph/fault"
)

// Role is what an actor may do.
type Role string

// The roles. An admin may do what a user may.
const (
	User  Role = "USER"
	Admin Role = "ADMIN"
)

// AdminTier is the tier whose keys have the role [Admin].
const AdminTier = "admin"

// Allows tells whether an actor of this role may do what needs the role given.
func (r Role) Allows(needed Role) bool { return r == Admin || r == User && needed == User }

// MarshalGQL writes the GraphQL enum value.
func (r Role) MarshalGQL(w io.Writer) { _, _ = io.WriteString(w, `"`+string(r)+`"`) }

// UnmarshalGQL reads the GraphQL enum value.
func (r *Role) UnmarshalGQL(v any) error {
	s, _ := v.(string)
	if *r = Role(s); *r != User && *r != Admin {
		return fmt.Errorf("a role is USER or ADMIN")
	}
	return nil
}

// Actor is an authenticated caller.
type Actor struct {
	ID   string // the key's id, which may be shown and logged
	Tier string
	Role Role
}

// Key is an API key from the configuration.
type Key struct {
	Name   string
	Tier   string
	Secret string
}

// Keys authenticates API keys. It holds hashes only.
type Keys struct{ entries []entry }

type entry struct {
	hash  [sha256.Size]byte
	actor Actor
}

// NewKeys makes the set of the keys that are valid.
func NewKeys(keys []Key) *Keys {
	set := &Keys{entries: make([]entry, len(keys))}
	for i, k := range keys {
		role := User
		if k.Tier == AdminTier {
			role = Admin
		}
		set.entries[i] = entry{sha256.Sum256([]byte(k.Secret)), Actor{ID: k.Name, Tier: k.Tier, Role: role}}
	}
	return set
}

// maxSecret bounds what is hashed for a stranger.
const maxSecret = 512

// Authenticate finds the actor whose key has this secret. It fails with fault.Unauthenticated, which never says why.
// It takes the same time whatever the secret shares with a valid one: digests are compared, all of them, and each
// in constant time.
func (k *Keys) Authenticate(secret string) (Actor, error) {
	if len(secret) > maxSecret {
		secret = "" // no key is empty
	}
	hash := sha256.Sum256([]byte(secret))
	found := -1
	for i := range k.entries {
		if subtle.ConstantTimeCompare(hash[:], k.entries[i].hash[:]) == 1 {
			found = i
		}
	}
	if found < 0 || secret == "" {
		return Actor{}, fault.Wrap(fault.Unauthenticated, nil)
	}
	return k.entries[found].actor, nil
}

type actorKey struct{}

// WithActor gives the context its caller.
func WithActor(ctx context.Context, a Actor) context.Context {
	return context.WithValue(ctx, actorKey{}, a)
}

// ActorOf is the context's caller; the zero Actor, which may do nothing, when there is none.
func ActorOf(ctx context.Context) Actor {
	a, _ := ctx.Value(actorKey{}).(Actor)
	return a
}

// Require fails with fault.Unauthenticated where there is no caller, and with fault.Forbidden where the caller's role
// does not suffice.
func Require(ctx context.Context, needed Role) error {
	a := ActorOf(ctx)
	switch {
	case a.Role == "":
		return fault.Wrap(fault.Unauthenticated, nil)
	case !a.Role.Allows(needed):
		return fault.Wrap(fault.Forbidden, nil)
	}
	return nil
}
