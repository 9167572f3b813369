package auth

import (
	"context"
	"errors"
	"strings"
)

// KeyAuthenticator finds the actor whose API key has the secret, as [Registry.Authenticate] does.
type KeyAuthenticator interface {
	Authenticate(ctx context.Context, secret string) (Actor, error)
}

// TokenAuthenticator finds the actor that a token names, as [JWT.Authenticate] does.
type TokenAuthenticator interface {
	Authenticate(ctx context.Context, token string) (Actor, error)
}

// Authenticator decides who is asking by all the credentials that a request shows.
type Authenticator struct {
	Keys   KeyAuthenticator
	Tokens TokenAuthenticator // nil: every token is refused
}

var (
	errManyKeys = errors.New("API key: several that differ")
	errManyAuth = errors.New("authorization: several that differ")
	errScheme   = errors.New("authorization: not a bearer token")
	errNoTokens = errors.New("JWT: switched off")
)

// Authenticate finds the actor by the API keys that a request shows, wherever they stand, and the values of its header
// Authorization. All that is shown must be valid: an invalid credential is refused even where a valid one stands beside
// it, and so are two of a kind that differ (the same one twice is one). Where there are a key and a token, the token's
// actor rules, with its role and tier, whichever may more: the key names the application, the token who uses it, and that
// is whom limits and logs are about.
//
// It fails with fault.Unauthenticated, whose cause is [ErrNoCredential] where nothing was shown at all, or with
// fault.StoreUnavailable. An empty value is a credential, an invalid one.
func (a *Authenticator) Authenticate(ctx context.Context, keys, authorization []string) (Actor, error) {
	if len(keys) == 0 && len(authorization) == 0 {
		return Actor{}, unauthenticated(ErrNoCredential)
	}
	if differ(keys) {
		return Actor{}, unauthenticated(errManyKeys)
	}
	if differ(authorization) {
		return Actor{}, unauthenticated(errManyAuth)
	}
	var actor Actor
	// The token first: a wrong one costs no visit to the database.
	if len(authorization) > 0 {
		token, ok := bearer(authorization[0])
		if !ok {
			return Actor{}, unauthenticated(errScheme)
		}
		if a.Tokens == nil {
			return Actor{}, unauthenticated(errNoTokens)
		}
		var err error
		if actor, err = a.Tokens.Authenticate(ctx, token); err != nil {
			return Actor{}, err
		}
	}
	if len(keys) > 0 {
		holder, err := a.Keys.Authenticate(ctx, keys[0])
		if err != nil {
			return Actor{}, err
		}
		if len(authorization) == 0 {
			actor = holder
		}
	}
	return actor, nil
}

func differ(values []string) bool {
	for _, v := range values {
		if v != values[0] {
			return true
		}
	}
	return false
}

// bearer is the token of an Authorization header (RFC 6750, section 2.1). The scheme's case does not matter (RFC 9110,
// section 11.1).
func bearer(value string) (token string, ok bool) {
	scheme, rest, ok := strings.Cut(value, " ")
	token = strings.TrimLeft(rest, " ")
	return token, ok && strings.EqualFold(scheme, "bearer") && token != ""
}
