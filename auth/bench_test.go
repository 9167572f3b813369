package auth_test

import (
	"testing"
	"time"

	"github.com/coingraph/coingraph/auth"
	"github.com/coingraph/coingraph/auth/authtest"
)

// BenchmarkAuthenticate is what each request pays.
func BenchmarkAuthenticate(b *testing.B) {
	r := newRegistry(authtest.Memory())
	_, secret, err := r.Create(auth.WithActor(b.Context(), auth.Operator()), "phone", "public", time.Time{})
	if err != nil {
		b.Fatal(err)
	}
	b.Run("configured key", func(b *testing.B) {
		for b.Loop() {
			if _, err := r.Authenticate(b.Context(), "secret-of-the-frontend"); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("stored key", func(b *testing.B) {
		for b.Loop() {
			if _, err := r.Authenticate(b.Context(), secret); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("HS256", func(b *testing.B) {
		j, err := auth.NewJWT(auth.JWTOptions{Secret: current})
		if err != nil {
			b.Fatal(err)
		}
		token, err := j.Mint(auth.User, "alice", "", time.Hour)
		if err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			if _, err := j.Authenticate(b.Context(), token); err != nil {
				b.Fatal(err)
			}
		}
	})
}
