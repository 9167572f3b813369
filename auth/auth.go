// Package auth says who is asking and what they may do.
//
// A caller shows an API key, a JWT, or both; [Authenticator] decides who that is. API keys are those of the configuration
// ([Keys]) and those of the database ([Registry]); tokens are verified by [JWT]. Whatever does not authenticate fails with
// fault.Unauthenticated, which never says why: the reason is the fault's cause, for the log, and holds no secret.
package auth

import (
	"context"
	"errors"
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

// The tiers that mean something to this package. All others only have limits.
const (
	AdminTier    = "admin"    // the tier whose keys have the role [Admin]
	StandardTier = "standard" // the tier of a user's token that names none
)

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
	// ID may be shown and logged, and is what limits are counted for: the name of a configured key, the id of a key of the
	// database ("key_…"), or a token's subject after what vouches for it ("jwt:…" our secret, "jwks:…" an identity
	// provider). It is 1 to 260 bytes of visible ASCII without braces.
	ID   string
	Tier string
	Role Role
	Name string // for people: the key's name, or the token's subject
}

// Operator is who runs the program on its own machine: an admin without a credential, for its command line.
func Operator() Actor {
	return Actor{ID: "operator", Tier: AdminTier, Role: Admin, Name: "operator"}
}

// roleOf is the role of a key of the tier.
func roleOf(tier string) Role {
	if tier == AdminTier {
		return Admin
	}
	return User
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
		return unauthenticated(ErrNoCredential)
	case !a.Role.Allows(needed):
		return fault.Wrap(fault.Forbidden, nil)
	}
	return nil
}

// ErrNoCredential is the cause of a fault.Unauthenticated where no credential was shown at all, valid or not.
var ErrNoCredential = errors.New("no credential")

func unauthenticated(cause error) error { return fault.Wrap(fault.Unauthenticated, cause) }
