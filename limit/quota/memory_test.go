package quota_test

import (
	"testing"

	"github.com/coingraph/coingraph/limit/quota"
	"github.com/coingraph/coingraph/limit/quota/quotatest"
)

func TestMemory(t *testing.T) {
	quotatest.Run(t, func(_ *testing.T, n int) []quota.Keeper {
		m, keepers := quota.NewMemory(nil), make([]quota.Keeper, n)
		for i := range keepers {
			keepers[i] = m
		}
		return keepers
	})
}
