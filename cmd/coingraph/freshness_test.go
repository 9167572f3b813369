package main

import (
	"net/http"
	"strings"
	"testing"

	"github.com/coingraph/coingraph/fetch/simulator"
)

// TestStaleByConsent: REST serves an old value in place of a failure to who asks for that, says so, and to nobody else.
func TestStaleByConsent(t *testing.T) {
	s := start(t, map[string]string{"PRICE_TTL": "20ms", "UPSTREAM_RETRIES": "0"})
	const prices = "/simple_price?assets=bitcoin"
	if got := s.get(prices, publicKey); got.status != http.StatusOK || !strings.Contains(got.body, `"stale":false`) {
		t.Fatalf("got %+v", got)
	}
	if err := s.sim.Inject(simulator.Fault{Match: "^/simple/price", Status: http.StatusInternalServerError}); err != nil {
		t.Fatal(err)
	}
	s.await("the price to be too old", func() bool { return s.get(prices, publicKey).status == http.StatusBadGateway })
	if got := s.get(prices+"&stale_if_error=3600", publicKey); got.status != http.StatusOK || !strings.Contains(got.body, `"stale":true`) || got.header.Get("Cache-Control") != "private, max-age=0" {
		t.Errorf("with consent: %+v", got)
	}
	if got := s.get(prices+"&max_age=3600", publicKey); got.status != http.StatusOK {
		t.Errorf("with an age to do with: %+v", got)
	}
	for _, bad := range []string{"&max_age=-1", "&max_age=1.5", "&stale_if_error=x", "&stale_if_error=99999999999"} {
		name, _, _ := strings.Cut(bad[1:], "=")
		if got := s.get(prices+bad, publicKey); got.status != http.StatusBadRequest || !strings.Contains(got.body, `"field":"`+name+`"`) {
			t.Errorf("%s: %+v", bad, got)
		}
	}
}
