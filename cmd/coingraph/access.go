package main

import (
	"context"
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/coingraph/coingraph/auth"
	"github.com/coingraph/coingraph/config"
)

type keysCmd struct {
	Create keysCreateCmd `cmd:"" help:"Make an API key. Its secret is printed once, and nowhere else."`
	List   keysListCmd   `cmd:"" help:"List the API keys of the database."`
	Revoke keysRevokeCmd `cmd:"" help:"End an API key for ever, on every server within 5 seconds."`
}

type (
	keysCreateCmd struct {
		Name    string        `arg:"" help:"For people: 1 to 64 letters, digits and . _ -."`
		Tier    string        `default:"standard" help:"Decides the limits; admin has the role admin."`
		Expires time.Duration `help:"How long it is valid, such as 720h; for ever when left out."`
	}
	keysListCmd   struct{}
	keysRevokeCmd struct {
		ID string `arg:"" help:"The key's id: key_…"`
	}
)

// withKeys runs what an operator does with the API keys of the database.
func withKeys(e *env, do func(context.Context, *auth.Registry) error) error {
	cfg, err := config.Load(e.environ)
	if err != nil {
		return err
	}
	s, err := openStore(e)
	if err != nil {
		return err
	}
	keys := auth.NewRegistry(auth.RegistryOptions{Configured: keysOf(cfg.APIKeys), Store: s, Tiers: tiersOf(cfg.RateLimits)})
	ctx := auth.WithActor(e.ctx, auth.Operator())
	err = s.Migrate(ctx)
	if err == nil {
		err = do(ctx, keys)
	}
	return errors.Join(err, s.Close())
}

func (c keysCreateCmd) Run(e *env) error {
	return withKeys(e, func(ctx context.Context, keys *auth.Registry) error {
		var expires time.Time
		if c.Expires != 0 {
			expires = time.Now().Add(c.Expires)
		}
		key, secret, err := keys.Create(ctx, c.Name, c.Tier, expires)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(e.stdout, "%s\nid %s, name %s, tier %s, expires %s. The secret is shown only this once.\n", secret, key.ID, key.Name, key.Tier, orNever(key.ExpiresAt))
		return err
	})
}

func (keysListCmd) Run(e *env) error {
	return withKeys(e, func(ctx context.Context, keys *auth.Registry) error {
		all, err := keys.Keys(ctx)
		if err != nil {
			return err
		}
		w := tabwriter.NewWriter(e.stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "ID\tNAME\tTIER\tCREATED\tEXPIRES\tLAST USED\tREVOKED")
		for _, k := range all {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", k.ID, k.Name, k.Tier, orNever(k.CreatedAt), orNever(k.ExpiresAt), orNever(k.LastUsedAt), orNever(k.RevokedAt))
		}
		return w.Flush()
	})
}

func (c keysRevokeCmd) Run(e *env) error {
	return withKeys(e, func(ctx context.Context, keys *auth.Registry) error {
		key, err := keys.Revoke(ctx, c.ID)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(e.stdout, "%s (%s) is revoked since %s\n", key.ID, key.Name, orNever(key.RevokedAt))
		return err
	})
}

func orNever(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.UTC().Format(time.RFC3339)
}

type tokenCmd struct {
	Role    string        `default:"user" enum:"user,admin" help:"user or admin."`
	Subject string        `default:"operator" help:"Whom limits and logs name."`
	Tier    string        `help:"Decides the limits; standard, or admin for role admin, when left out."`
	TTL     time.Duration `default:"1h" name:"ttl" help:"How long it is valid."`
}

// Run mints a JWT with the configured secret.
func (c tokenCmd) Run(e *env) error {
	cfg, err := config.Load(e.environ)
	if err != nil {
		return err
	}
	if !cfg.JWT.Secret.IsSet() {
		return misconfigured("JWT_SECRET", "is not set: there is nothing to sign a token with")
	}
	tokens, err := openTokens(cfg, AppOptions{Now: time.Now})
	if err != nil {
		return err
	}
	role := auth.User
	if c.Role == "admin" {
		role = auth.Admin
	}
	token, err := tokens.Mint(role, c.Subject, c.Tier, c.TTL)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(e.stdout, token)
	return err
}
