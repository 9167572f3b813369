package auth_test

import (
	"context"
	"errors"
	"testing"

	"github.com/coingraph/coingraph/auth"
	"github.com/coingraph/coingraph/fault"
)

// known authenticates what it has, and counts who asks.
type known struct {
	actors map[string]auth.Actor
	errs   map[string]error
	asked  int
}

func (k *known) Authenticate(_ context.Context, credential string) (auth.Actor, error) {
	k.asked++
	if a, ok := k.actors[credential]; ok {
		return a, nil
	}
	if err := k.errs[credential]; err != nil {
		return auth.Actor{}, err
	}
	return auth.Actor{}, fault.Wrap(fault.Unauthenticated, nil)
}

func TestAuthenticator(t *testing.T) {
	web := auth.Actor{ID: "web", Tier: "public", Role: auth.User}
	ops := auth.Actor{ID: "ops", Tier: "admin", Role: auth.Admin}
	alice := auth.Actor{ID: "jwt:alice", Tier: "standard", Role: auth.User}
	root := auth.Actor{ID: "jwt:root", Tier: "admin", Role: auth.Admin}
	h := func(values ...string) []string { return values }
	const u, down = fault.Unauthenticated, fault.StoreUnavailable
	for _, c := range []struct {
		name       string
		keys, auth []string
		want       auth.Actor
		kind       fault.Kind // 0: let in
	}{
		{"key", h("web"), nil, web, 0},
		{"token", nil, h("Bearer alice"), alice, 0},
		{"the scheme in any case", nil, h("bEARER alice"), alice, 0},
		{"several blanks", nil, h("Bearer   alice"), alice, 0},
		{"one key twice", h("web", "web"), nil, web, 0},
		{"one token twice", nil, h("Bearer alice", "Bearer alice"), alice, 0},
		{"both: the token rules", h("web"), h("Bearer root"), root, 0},
		{"both: also where the key may more", h("ops"), h("Bearer alice"), alice, 0},

		{"A1 nothing", nil, nil, auth.Actor{}, u},
		{"A1 an empty key", h(""), nil, auth.Actor{}, u},
		{"A1 an empty header", nil, h(""), auth.Actor{}, u},
		{"A1 an empty token", nil, h("Bearer "), auth.Actor{}, u},
		{"A1 only the scheme", nil, h("Bearer"), auth.Actor{}, u},
		{"A1 two keys", h("web", "ops"), nil, auth.Actor{}, u},
		{"A1 two keys in one", h("web,ops"), nil, auth.Actor{}, u},
		{"A1 a key and an empty one", h("web", ""), nil, auth.Actor{}, u},
		{"A1 two tokens", nil, h("Bearer alice", "Bearer root"), auth.Actor{}, u},
		{"A2 a wrong key", h("wrong"), nil, auth.Actor{}, u},
		{"A2 a blank after the key", h("web "), nil, auth.Actor{}, u},
		{"a wrong token", nil, h("Bearer wrong"), auth.Actor{}, u},
		{"a blank after the token", nil, h("Bearer alice "), auth.Actor{}, u},
		{"a token without scheme", nil, h("alice"), auth.Actor{}, u},
		{"a tab for a blank", nil, h("Bearer\talice"), auth.Actor{}, u},
		{"another scheme", nil, h("Basic alice"), auth.Actor{}, u},
		{"a key as token", nil, h("Bearer web"), auth.Actor{}, u},
		{"a token as key", h("alice"), nil, auth.Actor{}, u},
		{"A8 a wrong token beside a key", h("web"), h("Bearer expired"), auth.Actor{}, u},
		{"A8 a wrong key beside a token", h("wrong"), h("Bearer alice"), auth.Actor{}, u},
		{"A8 an empty key beside a token", h(""), h("Bearer alice"), auth.Actor{}, u},
		{"A8 another scheme beside a key", h("web"), h("Basic dXNlcjpwYXNz"), auth.Actor{}, u},
		{"A8 an empty header beside a key", h("web"), h(""), auth.Actor{}, u},
		{"A8 two keys beside a token", h("web", "ops"), h("Bearer alice"), auth.Actor{}, u},
		{"the store is down", h("unknown"), nil, auth.Actor{}, down},
		{"the store is down, and a token", h("unknown"), h("Bearer alice"), auth.Actor{}, down},
		{"the store is down, and a wrong token", h("unknown"), h("Bearer wrong"), auth.Actor{}, u},
	} {
		t.Run(c.name, func(t *testing.T) {
			keys := &known{actors: map[string]auth.Actor{"web": web, "ops": ops}, errs: map[string]error{"unknown": fault.Wrap(down, nil)}}
			tokens := &known{actors: map[string]auth.Actor{"alice": alice, "root": root}}
			a := &auth.Authenticator{Keys: keys, Tokens: tokens}
			got, err := a.Authenticate(t.Context(), c.keys, c.auth)
			if got != c.want || (err == nil) != (c.kind == 0) || err != nil && !fault.Is(err, c.kind) {
				t.Errorf("got %+v %v, want %+v %s", got, err, c.want, c.kind)
			}
			if nothing := len(c.keys)+len(c.auth) == 0; errors.Is(err, auth.ErrNoCredential) != nothing {
				t.Errorf("%v says wrongly whether there was a credential", err)
			}
			if keys.asked > 1 || tokens.asked > 1 {
				t.Errorf("%d keys and %d tokens were looked at", keys.asked, tokens.asked)
			}

			// Without tokens whoever shows one is refused.
			a.Tokens = nil
			if got, err := a.Authenticate(t.Context(), c.keys, c.auth); len(c.auth) > 0 && (got != (auth.Actor{}) || !fault.Is(err, u)) {
				t.Errorf("without tokens: %+v %v", got, err)
			}
		})
	}
}
