package main

import (
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/coingraph/coingraph/fetch/simulator"
)

const onePrice = `{"query":"query P($id: ID!) { simplePrice(assets: [$id]) { price fetchedAt } marketChart(asset: $id, days: 30) { prices } }","variables":{"id":"bitcoin"}}`

// TestAnswersAreUsedAgain on each backend: exactly as long as they hold, by nobody with other rights, and each use is
// charged, counted and logged.
func TestAnswersAreUsedAgain(t *testing.T) {
	for name, vars := range backends(t) {
		t.Run(name, func(t *testing.T) {
			if address := vars["REDIS_URL"]; address != "" {
				clearCache(t, address)
			}
			clock := new(wall)
			clock.set(time.March, 10, 12, 30)
			vars := maps.Clone(vars)
			vars["PRICE_TTL"] = "8s"
			s := startOn(t, simulator.Options{Now: clock.Now}, vars)
			ask := func(key, body string) reply {
				got := s.do(http.MethodPost, "/graphql", key, map[string]string{"Content-Type": plain}, body)
				if got.status != http.StatusOK || strings.Contains(got.body, `"errors"`) {
					t.Fatalf("%d %s", got.status, got.body)
				}
				return got
			}
			first := ask(publicKey, onePrice)
			s.spent()
			lines := func() int { return strings.Count(s.log.String(), `"operation":"P `) }
			s.await("its line", func() bool { return lines() == 1 })
			before := s.units()
			for range 10 {
				if got := ask(publicKey, onePrice); got.body != first.body || got.header.Get("Cache-Control") != "private, no-store" {
					t.Fatalf("%s, first %s", got.body, first.body)
				}
			}
			if spent := before - s.units(); spent != 20 {
				t.Errorf("10 answers with 2 units each were charged as %d", spent)
			}
			s.await("their lines", func() bool { return lines() == 11 })
			log := s.log.String()
			last := log[strings.LastIndex(log[:strings.LastIndex(log, `"operation":"P `)], `{"time":`):]
			for _, want := range []string{`"variables":"id=string(7)"`, `"cache":"memory"`, `"route":"/graphql"`} {
				if !strings.Contains(last, want) {
					t.Errorf("the line of one lacks %s: %s", want, last)
				}
			}
			if s.spent() != 0 {
				t.Error("the provider was asked")
			}
			// An admin has other limits, which the answer tells.
			if got := ask(adminKey, onePrice); got.body == first.body || !strings.Contains(got.body, `"limit":1000000`) {
				t.Errorf("an admin got %s", got.body)
			}
			// It ends with the price.
			clock.now.Add((8*time.Second + time.Millisecond).Milliseconds())
			if got := ask(publicKey, onePrice); got.body == first.body {
				t.Error("an answer outlived its price")
			}
			// What the caller consents to is never what others got, nor is it kept for them.
			fresh := strings.Replace(onePrice, "assets: [$id]", "assets: [$id], freshness: {maxAgeSeconds: 600}", 1)
			held := ask(publicKey, fresh).body
			for range 3 {
				ask(publicKey, fresh)
			}
			clock.now.Add((8*time.Second + time.Millisecond).Milliseconds())
			if got := ask(publicKey, onePrice).body; strings.Contains(got, strings.Split(held, `"fetchedAt":`)[1][:26]) {
				t.Error("an older price was served to somebody who did not consent to it")
			}
		})
	}
}

// TestGetGraphQL: a browser keeps what it asked by GET, asks whether it is still so, and gets it compressed.
func TestGetGraphQL(t *testing.T) {
	s := start(t, map[string]string{"PRICE_TTL": "1h"})
	document := "query Chart { marketChart(asset: \"bitcoin\", days: 365) { timestamps prices } simplePrice(assets: [\"bitcoin\"]) { price } }"
	sum := sha256.Sum256([]byte(document))
	hash := url.QueryEscape(fmt.Sprintf(`{"persistedQuery":{"version":1,"sha256Hash":"%s"}}`, hex.EncodeToString(sum[:])))
	whole, short := "/graphql?query="+url.QueryEscape(document), "/graphql?extensions="+hash
	if got := s.get(short, publicKey); !strings.Contains(got.body, "PERSISTED_QUERY_NOT_FOUND") {
		t.Errorf("a hash that nobody has told: %s", got.body)
	}
	if cold := s.get(whole, publicKey); !strings.HasPrefix(cold.header.Get("Cache-Control"), "private, max-age=") || cold.header.Get("ETag") == "" {
		t.Errorf("the first of all: %v", cold.header)
	}
	first := s.get(whole+"&extensions="+hash, publicKey)
	for _, path := range []string{whole, short} {
		for range 4 {
			got := s.get(path, publicKey)
			if got.status != http.StatusOK || got.body != first.body {
				t.Fatalf("%d %.300s", got.status, got.body)
			}
			if cc := got.header.Get("Cache-Control"); !strings.HasPrefix(cc, "private, max-age=") || cc == "private, max-age=0" {
				t.Errorf("%s", cc)
			}
			if vary := got.header.Get("Vary"); !strings.Contains(vary, "X-API-Key, Authorization") || !strings.Contains(vary, "Accept-Encoding") {
				t.Errorf("Vary: %s", vary)
			}
			before := s.units()
			same := s.do(http.MethodGet, path, publicKey, map[string]string{"If-None-Match": got.header.Get("ETag")}, "")
			if same.status != http.StatusNotModified || same.body != "" || before-s.units() != 2 {
				t.Errorf("%d, %d bytes, %d units", same.status, len(same.body), before-s.units())
			}
		}
		packed := s.do(http.MethodGet, path, publicKey, map[string]string{"Accept-Encoding": "gzip"}, "")
		if packed.header.Get("Content-Encoding") != "gzip" || packed.header.Get("ETag") != s.get(path, publicKey).header.Get("ETag") {
			t.Fatalf("%v", packed.header)
		}
		r, err := gzip.NewReader(strings.NewReader(packed.body))
		if err != nil {
			t.Fatal(err)
		}
		if text, err := io.ReadAll(r); err != nil || string(text) != first.body {
			t.Errorf("%v: %.300s", err, text)
		}
	}
	// What is not of this kind is not kept: where the caller stands, and errors.
	for _, query := range []string{"{ viewer { limits { remaining } } }", `{ simplePrice(assets: ["no-such-asset"]) { price } }`} {
		if got := s.get("/graphql?query="+url.QueryEscape(query), publicKey); got.header.Get("Cache-Control") != "private, no-store" || got.header.Get("ETag") != "" {
			t.Errorf("%s: %v", query, got.header)
		}
	}
}
