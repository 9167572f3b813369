package authtest_test

import (
	"testing"

	"github.com/coingraph/coingraph/auth"
	"github.com/coingraph/coingraph/auth/authtest"
)

func TestMemory(t *testing.T) {
	authtest.Run(t, func(*testing.T) func() auth.KeyStore {
		s := authtest.Memory()
		return func() auth.KeyStore { return s }
	})
}
