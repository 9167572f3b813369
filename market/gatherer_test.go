package market

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestMissesTravelTogether: what is needed while a batch is under way waits for the next one, which has all of it, each
// pair once with the strictest of what was asked.
func TestMissesTravelTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g gatherer
		wait := make(chan struct{})
		var batches [][]need
		work := func(_ context.Context, needs []need) map[Pair]quoted {
			batches = append(batches, needs)
			<-wait
			found := make(map[Pair]quoted)
			for _, n := range needs {
				found[n.Pair] = quoted{quote: &Quote{Pair: n.Pair}}
			}
			return found
		}
		old, later := &Quote{FetchedAt: t0}, &Quote{FetchedAt: t0.Add(time.Second)}
		btc, eth, zrx := Pair{"bitcoin", "usd"}, Pair{"ethereum", "usd"}, Pair{"0x", "usd"}
		var group sync.WaitGroup
		ask := func(needs ...need) {
			group.Go(func() {
				found := g.ask(t.Context(), needs, work)
				for _, n := range needs {
					if found[n.Pair].quote == nil {
						t.Errorf("no answer for %v", n.Pair)
					}
				}
			})
			synctest.Wait()
		}
		ask(need{Pair: btc, read: true})
		ask(need{Pair: eth, notBefore: t0, stored: old, read: true}, need{Pair: btc})
		ask(need{Pair: zrx, read: true}, need{Pair: eth, notBefore: t0.Add(-time.Hour), stored: later})
		gone, leave := context.WithCancel(t.Context())
		group.Go(func() {
			if found := g.ask(gone, []need{{Pair: btc}}, work); found != nil {
				t.Errorf("who left got %v", found)
			}
		})
		synctest.Wait()
		leave()
		synctest.Wait()
		close(wait)
		group.Wait()
		want := []need{{Pair: eth, notBefore: t0, stored: later}, {Pair: btc}, {Pair: zrx, read: true}}
		if len(batches) != 2 || !slices.Equal(batches[1], want) {
			t.Errorf("the batches were %+v", batches)
		}
		ask(need{Pair: zrx})
		if len(batches) != 3 {
			t.Errorf("an idle gatherer did not begin: %+v", batches)
		}
	})
}
