package cache_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/coingraph/coingraph/cache"
	"github.com/coingraph/coingraph/cache/cachetest"
	"github.com/coingraph/coingraph/market"
)

// TestAnswersOfAllSizes: small values that share an allocation, large ones between them, empty ones and none at all, in both
// protocols; and none of them changes when more is looked up.
func TestAnswersOfAllSizes(t *testing.T) {
	for _, protocol := range []string{"2", "3"} {
		t.Run("RESP"+protocol, func(t *testing.T) {
			client, err := cache.OpenPatient(testURL(t, "TEST_REDIS_URL")+"?protocol="+protocol, cachetest.Patience)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = client.Close() })
			r := cache.NewRedis(client, cache.RedisOptions{Timeout: cachetest.Patience, Log: discard})
			draw := rand.New(rand.NewPCG(1, 2))
			keys := prefixed(strings.Fields(strings.Repeat("k ", 300))...)
			want := make([][]byte, len(keys))
			var entries []market.CacheEntry
			for i := range keys {
				keys[i] = fmt.Sprint(keys[i], i)
				size := []int{-1, 0, 1, 300, 300, 300, 4 << 10, 5000, 100 << 10}[draw.IntN(9)]
				if size < 0 {
					continue
				}
				want[i] = bytes.Repeat([]byte{byte(i)}, size+draw.IntN(20))
				entries = append(entries, market.CacheEntry{Key: keys[i], Value: want[i], TTL: time.Minute})
			}
			r.Set(t.Context(), entries)
			first := r.Get(t.Context(), keys)
			for range 5 {
				from := draw.IntN(len(keys))
				again := append(keys[from:from+1:from+1], keys...) // one of them twice
				for i, hit := range r.Get(t.Context(), again) {
					at := max(i-1, 0)
					if i == 0 {
						at = from
					}
					if (hit.Value == nil) != (want[at] == nil) || !bytes.Equal(hit.Value, want[at]) {
						t.Fatalf("key %d: %d bytes, want %d", at, len(hit.Value), len(want[at]))
					}
				}
			}
			for i, hit := range first {
				if (hit.Value == nil) != (want[i] == nil) || !bytes.Equal(hit.Value, want[i]) {
					t.Fatalf("key %d: %d bytes, want %d, after others were looked up", i, len(hit.Value), len(want[i]))
				}
			}
		})
	}
}
