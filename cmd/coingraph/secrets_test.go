package main

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/hex"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/coingraph/coingraph/fetch/simulator"
)

// TestSecretsStaySecret uses every secret once, forces every error, and then looks everywhere for the secrets.
func TestSecretsStaySecret(t *testing.T) {
	everyBackend(t, func(t *testing.T, s *server) {
		const jwtSecret = "a-jwt-secret-of-forty-bytes-0123456789ab"
		s.stop()
		s.env["JWT_SECRET"] = jwtSecret
		s.env["API_KEYS"] = "web:public:s3cret-of-the-frontend,ops:admin:s3cret-of-the-operators"
		s.env["UPSTREAM_TIMEOUT"], s.env["UPSTREAM_RETRIES"] = "100ms", "0"
		if database := s.env["DATABASE_URL"]; database != "" {
			u, err := url.Parse(database)
			if err != nil {
				t.Fatal(err)
			}
			u.User = url.UserPassword(u.User.Username(), "s3cret-of-the-database") // trust needs none, and takes any
			s.env["DATABASE_URL"] = u.String()
		}
		s.open()
		const user, admin = "s3cret-of-the-frontend", "s3cret-of-the-operators"
		var out, errs bytes.Buffer
		if code := run(t.Context(), []string{"token", "--role", "admin"}, []string{"JWT_SECRET=" + jwtSecret}, &out, &errs); code != 0 {
			t.Fatal(errs.String())
		}
		token := strings.TrimSpace(out.String())
		var created struct {
			CreateAPIKey struct{ Secret string } `json:"createApiKey"`
		}
		s.query(admin, plain, `mutation { createApiKey(name: "other", tier: "standard") { secret } }`, nil).into(t, &created)
		stored := created.CreateAPIKey.Secret

		secrets := map[string]string{"provider key": providerKey, "user key": user, "admin key": admin, "stored key": stored, "JWT secret": jwtSecret, "JWT": token, "database password": "s3cret-of-the-database"}
		var answers strings.Builder
		note := func(r reply) {
			answers.WriteString(r.body)
			for k, v := range r.header {
				answers.WriteString(k + ": " + strings.Join(v, ",") + "\n")
			}
		}
		for _, f := range []simulator.Fault{{}, {Status: 500}, {Status: 429}, {Status: 401, Body: []byte(`{"status":{"error_code":10002,"error_message":"Invalid API Key ` + providerKey + `"}}`)}, {HTML: true}, {Hang: true}, {Reset: true}, {Truncate: 5}, {Redirect: "http://127.0.0.1:1/"}} {
			s.sim.Clear()
			if err := s.sim.Inject(f); err != nil {
				t.Fatal(err)
			}
			for _, key := range []string{user, admin, stored} {
				note(s.get("/simple_price?assets=bitcoin&currencies=sek", key))
				note(s.get("/market_chart?asset=dogecoin&days=3&apikey="+key, key))
				note(s.query(key, plain, `{ simplePrice(assets: ["monero"]) { price } logExport { totalCount } }`, nil).reply)
				note(s.get("/api/v3/simple/price?ids=bitcoin&vs_currencies=nok&x_cg_demo_api_key="+key, ""))
				note(s.get("/api/v3/coins/markets?vs_currency=usd&page=2&x_cg_pro_api_key="+key, ""))
				note(s.get("/api/v3/nonesuch?x_cg_pro_api_key="+key+"x", ""))
				note(s.do(http.MethodGet, "/api/v3/coins/solana/market_chart?vs_currency=usd&days=3", "", map[string]string{"x-cg-pro-api-key": key}, ""))
				note(s.get("/nonesuch/"+url.PathEscape(key), key))
				note(s.do(http.MethodPost, "/graphql", key, map[string]string{"Content-Type": plain}, `{"query":"{ a(b: \"`+key+`\") }", "broken`))
				note(s.do(http.MethodPost, "/graphql", key+"x", map[string]string{"Content-Type": plain}, `{}`))
			}
			note(s.do(http.MethodGet, "/simple_price?assets=bitcoin", "", map[string]string{"Authorization": "Bearer " + token}, ""))
			note(s.do(http.MethodGet, "/simple_price?assets=bitcoin", "", map[string]string{"Authorization": "Bearer " + token + "x"}, ""))
		}
		s.sim.Clear()
		note(s.get("/readyz", ""))
		var export string
		s.await("the export", func() bool {
			r := s.get("/logs/export", admin)
			zip, err := gzip.NewReader(strings.NewReader(r.body))
			if err != nil {
				return false
			}
			lines, _ := io.ReadAll(zip)
			export = string(lines)
			return strings.Count(export, "\n") > 50
		})
		places := map[string]string{"the log": s.log.String(), "the export": export, "the answers": answers.String()}
		if address := s.env["REDIS_URL"]; address != "" {
			places["the keys of Redis"] = strings.Join(keysOfAll(t, redisClient(t, address), "*"), "\n")
		}
		for where, text := range places {
			for what, secret := range secrets {
				for form, encoded := range map[string]string{
					"plain": secret, "percent-encoded": url.QueryEscape(secret), "base64": base64.StdEncoding.EncodeToString([]byte(secret)),
					"base64url": base64.RawURLEncoding.EncodeToString([]byte(secret)), "hex": hex.EncodeToString([]byte(secret)),
				} {
					if strings.Contains(text, encoded) {
						i := strings.Index(text, encoded)
						t.Errorf("%s holds the %s, %s: …%s…", where, what, form, text[max(0, i-80):i])
					}
				}
			}
		}
	})
}

// TestKilledInABurst: a process that is killed in the middle of a burst leaves no rate key without a TTL.
func TestKilledInABurst(t *testing.T) {
	vars := backends(t)["postgres and redis"]
	if vars == nil {
		t.Skip("skipped: needs TEST_REDIS_URL")
	}
	sim := simulator.New(simulator.Options{Seed: 7, Plan: simulator.Public})
	vars = maps.Clone(vars)
	maps.Copy(vars, map[string]string{"COINGECKO_BASE_URL": serveHTTP(t, sim), "COINGECKO_PLAN": "public", "DATA_DIR": t.TempDir(), "API_KEYS": "kill-" + randomName() + ":public:a-secret-for-the-kill"})
	cmd, address, _ := process(t, vars)
	s := &server{t: t, url: address}
	var group sync.WaitGroup
	started := make(chan struct{}, 1)
	for range 16 {
		group.Go(func() {
			for {
				req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+"/simple_price?assets=bitcoin", nil)
				if err != nil {
					return
				}
				req.Header.Set("X-API-Key", "a-secret-for-the-kill")
				resp, err := http.DefaultTransport.RoundTrip(req)
				if err != nil {
					return // it was killed
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
				select {
				case started <- struct{}{}:
				default:
				}
			}
		})
	}
	for range 200 {
		<-started
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	group.Wait()
	rateKeys(t, vars["REDIS_URL"])
}

func TestLargeHeaders(t *testing.T) {
	s := start(t, nil)
	if r := s.do(http.MethodGet, "/simple_price?assets=bitcoin", publicKey, map[string]string{"X-Padding": strings.Repeat("x", 40<<10)}, ""); r.status != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("40 KB of headers: %d", r.status)
	}
}
