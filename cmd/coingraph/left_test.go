package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coingraph/coingraph/fetch/simulator"
)

// TestWhoLeavesIsNoFault: a client that goes before its answer is there is told apart in the log from what is broken here.
func TestWhoLeavesIsNoFault(t *testing.T) {
	s := start(t, nil)
	if err := s.sim.Inject(simulator.Fault{Match: "simple/price|market_chart", Delay: 2 * time.Second}); err != nil {
		t.Fatal(err)
	}
	for i, c := range []struct{ method, path, asset, body string }{
		{http.MethodGet, "/simple_price?assets=bitcoin", "bitcoin", ""},
		{http.MethodGet, "/api/v3/simple/price?vs_currencies=usd&ids=ethereum", "ethereum", ""},
		{http.MethodPost, "/graphql", "tether", `{"query":"{ simplePrice(assets: [\"tether\"]) { price } }"}`},
		{http.MethodPost, "/graphql", "solana", `{"query":"{ asset(id: \"solana\") { chart(days: 3) { prices } } asset(id: \"solana\") { id } }"}`}, // the executor's
	} {
		ctx, leave := context.WithCancel(t.Context())
		r, err := http.NewRequestWithContext(ctx, c.method, s.url+c.path, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-API-Key", publicKey)
		r.Header.Set("Content-Type", plain)
		left := make(chan error)
		go func() {
			resp, err := http.DefaultClient.Do(r)
			if err == nil {
				err = resp.Body.Close()
			}
			left <- err
		}()
		if err := s.sim.Await(t.Context(), c.asset, 1); err != nil {
			t.Fatal(err)
		}
		leave()
		if err := <-left; err == nil {
			t.Fatalf("%s was answered", c.path)
		}
		s.await(fmt.Sprint("the line of ", c.path), func() bool {
			return strings.Count(s.log.String(), `"code":"CLIENT_CLOSED_REQUEST"`) == i+1
		})
	}
	if log := s.log.String(); strings.Contains(log, `"level":"ERROR"`) || strings.Contains(log, `"status":500`) {
		t.Errorf("an error is told of: %s", log)
	}
}
