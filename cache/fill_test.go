package cache

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/coingraph/coingraph/market"
)

// TestFillNeverReplaces: a value that was read from far before another one was set must not come after it in near.
func TestFillNeverReplaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewMemory(MemoryOptions{})
		defer m.Close()
		keys := []string{"a"}
		m.Set(t.Context(), []market.CacheEntry{{Key: "a", Value: []byte("new"), TTL: time.Second}})
		m.fill("a", []byte("old"), time.Minute)
		if got := m.Get(t.Context(), keys)[0].Value; string(got) != "new" {
			t.Errorf("got %q", got)
		}
		<-time.After(time.Second) // what has expired is no obstacle
		m.fill("a", []byte("later"), time.Minute)
		if got := m.Get(t.Context(), keys)[0].Value; string(got) != "later" {
			t.Errorf("got %q", got)
		}
		m.fill("b", []byte("past"), 0)
		if got := m.Get(t.Context(), []string{"b"})[0].Value; got != nil {
			t.Errorf("got %q, which has expired", got)
		}
	})
}
