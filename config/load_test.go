package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// compare looks into secrets, which cmp would otherwise refuse to.
var compare = cmp.Options{
	cmp.AllowUnexported(Config{}),
	cmp.Comparer(func(a, b Secret) bool { return a.Reveal() == b.Reveal() }),
	cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
}

// defaults are those of the contract, in dev.
func defaults() Config {
	return Config{
		Env: Dev, ListenAddr: ":8080", DataDir: "./data", RedisTimeout: 100 * time.Millisecond,
		APIKeys: []APIKey{
			{"dev-public", "public", NewSecret("dev-public-key")}, {"dev-admin", "admin", NewSecret("dev-admin-key")},
		},
		CoinGecko:      CoinGecko{BaseURL: "https://api.coingecko.com/api/v3", Plan: Public},
		CryptoQuant:    Provider{BaseURL: "https://api.cryptoquant.com/v1"},
		PriceProviders: []string{"coingecko"}, ChartProviders: []string{"coingecko"}, OnChainProviders: []string{"cryptoquant"},
		UpstreamLimits: withFree(map[string][]Rate{"coingecko": {{10, time.Minute}}}),
		Upstream: Upstream{
			Timeout: 3 * time.Second, Retries: 3, Backoff: 200 * time.Millisecond, BackoffMax: 5 * time.Second, Probe: 5 * time.Second,
		},
		MemoryCache:     40 << 20,
		AnswerCache:     12 << 20,
		SpikeFactor:     20,
		TTL:             TTL{Price: 15 * time.Second, ChartHourly: 5 * time.Minute, ChartDaily: time.Hour, OnChain: time.Hour},
		RateLimitWindow: time.Minute,
		RateLimitLease:  100 * time.Millisecond,
		RateLimits:      []RateLimit{{"public", "*", 100_000}, {"standard", "*", 1_000_000}, {"admin", "*", 1_000_000}},
		AddressLimit:    Rate{300, time.Minute},
		Refresh: Refresh{
			Cron: "10 1 * * *", Currencies: []string{"usd"}, Concurrency: 4,
			Assets: AssetChoice{IDs: []string{
				"bitcoin", "ethereum", "tether", "binancecoin", "solana", "ripple", "usd-coin", "dogecoin", "cardano", "tron",
				"avalanche-2", "chainlink", "polkadot", "litecoin", "bitcoin-cash", "stellar", "monero", "uniswap", "aave", "dai",
			}},
		},
		Scheduler: true, JobLease: 15 * time.Second,
		LogLevel: slog.LevelInfo, LogRetention: 720 * time.Hour,
		MaxBodyBytes: 256 << 10, RequestTimeout: 10 * time.Second, ShutdownTimeout: 20 * time.Second,
	}
}

func TestDefaults(t *testing.T) {
	prod := defaults()
	prod.Env, prod.APIKeys = Prod, nil
	prod.TTL = TTL{Price: 30 * time.Second, ChartHourly: 10 * time.Minute, ChartDaily: 6 * time.Hour, OnChain: 6 * time.Hour}
	prod.RateLimits = []RateLimit{
		{"public", "simple_price", 60}, {"public", "market_chart", 30}, {"public", "*", 30}, {"standard", "*", 600}, {"admin", "*", 6000},
	}
	for _, c := range []struct {
		name    string
		environ []string
		want    Config
	}{
		{"dev", nil, defaults()},
		{"empty is unset", []string{"COINGRAPH_ENV=", "PRICE_TTL=", "API_KEYS=", "JWT_SECRET=", "JWT_SECRET_FILE=", "REDIS_URL="}, defaults()},
		{"others are ignored", []string{"PATH=/bin", "PRICE_TLL=1", "NONSENSE", "=C:=C:", ""}, defaults()},
		{"prod", []string{"COINGRAPH_ENV=prod"}, prod},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Load(c.environ)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(c.want, got, compare); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
		})
	}
}

func TestDefaultsByPlan(t *testing.T) {
	const month = 720 * time.Hour
	for plan, want := range map[Plan]struct {
		url    string
		limits []Rate
	}{
		Demo: {"https://api.coingecko.com/api/v3", []Rate{{30, time.Minute}, {10_000, month}}},
		Pro:  {"https://pro-api.coingecko.com/api/v3", []Rate{{250, time.Minute}, {100_000, month}}},
	} {
		got, err := Load([]string{"COINGECKO_PLAN=" + string(plan), "COINGECKO_API_KEY=CG-one, CG-two", "UPSTREAM_LIMITS=binance=5/1m"})
		if err != nil {
			t.Fatal(err)
		}
		if got.CoinGecko.BaseURL != want.url {
			t.Errorf("%s: base URL %s", plan, got.CoinGecko.BaseURL)
		}
		limits := withFree(map[string][]Rate{"coingecko": want.limits, "binance": {{5, time.Minute}}})
		if d := cmp.Diff(limits, got.UpstreamLimits); d != "" {
			t.Errorf("%s: limits: -want +got:\n%s", plan, d)
		}
		if k := got.CoinGecko.Keys; len(k) != 2 || k[0].Reveal() != "CG-one" || k[1].Reveal() != "CG-two" {
			t.Errorf("%s: %d keys", plan, len(k))
		}
	}
}

// everything sets each variable to something that is not its default.
func everything() map[string]string {
	return map[string]string{
		"COINGRAPH_ENV": "prod", "LISTEN_ADDR": "127.0.0.1:9090", "METRICS_ADDR": "[::1]:9091", "SCHEDULER": "off",
		"DATA_DIR": "/var/lib/coingraph", "DATABASE_URL": "postgres://u:" + canary + "@db:5432/coingraph?sslmode=require",
		"REDIS_URL":     "rediss://:" + canary + "@a:7000,b:7000",
		"REDIS_TIMEOUT": "150ms",
		"API_KEYS":      "web:public:" + canary + "1, ops:admin:" + canary + ":2",
		"JWT_SECRET":    canary + "3", "JWT_SECRET_PREVIOUS": canary + "4", "JWT_JWKS_URL": "https://id.example.com/keys",
		"JWT_ISSUER": "https://id.example.com/", "JWT_AUDIENCE": "coingraph", "ANONYMOUS_TIER": "public",
		"COINGECKO_PLAN": "pro", "COINGECKO_BASE_URL": "https://gecko.example.com/api/v3/", "COINGECKO_API_KEY": canary + "5," + canary + "6",
		"CRYPTOQUANT_BASE_URL": "https://cq.example.com/v1", "CRYPTOQUANT_API_KEY": canary + "7",
		"COINMETRICS_BASE_URL": "https://cm.example.com/v4", "COINMETRICS_API_KEY": canary + "8",
		"COINPAPRIKA_BASE_URL": "https://cp.example.com/v1", "COINPAPRIKA_API_KEY": canary + "9",
		"BINANCE_BASE_URL": "https://bn.example.com/api/v3", "BINANCE_API_KEY": canary + "a",
		"PRICE_PROVIDERS": "coingecko, coinpaprika", "CHART_PROVIDERS": "coinmetrics,binance", "ONCHAIN_PROVIDERS": "coinmetrics,cryptoquant",
		"UPSTREAM_LIMITS": "coingecko=30/1m+10000/720h,binance=100/1m", "UPSTREAM_TIMEOUT": "1s", "UPSTREAM_RETRIES": "0",
		"UPSTREAM_BACKOFF": "50ms", "UPSTREAM_BACKOFF_MAX": "50ms", "UPSTREAM_PROBE": "1m",
		"PRICE_TTL": "1s", "CHART_HOURLY_TTL": "2s", "CHART_DAILY_TTL": "3s", "ONCHAIN_TTL": "4s", "CURRENCIES": "USD, eur", "GUARD_SPIKE_FACTOR": "50", "MEMORY_CACHE": "0", "ANSWER_CACHE": "3MiB",
		"RATE_LIMIT_WINDOW": "10s", "RATE_LIMIT_LEASE": "5ms", "RATE_LIMITS": "public/simple_price=6,public/market_chart=3,standard/*=60", "ADDRESS_LIMIT": "30/10s", "QUERY_LIMITS": "public/depth=5,admin/cost=5000000",
		"REFRESH_CRON": "*/5 0-6/2  1,15 * 7", "REFRESH_ASSETS": "bitcoin,1move token,boringdao-[old],_", "REFRESH_CURRENCIES": "eur",
		"BACKFILL_CONCURRENCY": "8", "JOB_LEASE": "30s", "LOG_LEVEL": "WARN", "LOG_RETENTION": "24h",
		"CORS_ORIGINS": "https://a.example.com,http://b.example.com:8081", "TRUSTED_PROXIES": "10.1.2.3/8,192.0.2.1,fd00::/8",
		"MAX_BODY_BYTES": "1MiB", "REQUEST_TIMEOUT": "5s", "SHUTDOWN_TIMEOUT": "7s",
	}
}

func environOf(vars map[string]string) []string {
	environ := make([]string, 0, len(vars))
	for name, value := range vars {
		environ = append(environ, name+"="+value)
	}
	return environ
}

func TestEverything(t *testing.T) {
	vars := everything()
	for _, v := range variables() {
		if vars[v.name] == "" {
			t.Errorf("the test does not set %s", v.name)
		}
	}
	got, err := Load(environOf(vars))
	if err != nil {
		t.Fatal(err)
	}
	provider := func(url, key string) Provider { return Provider{url, NewSecret(canary + key)} }
	want := Config{
		Env: Prod, ListenAddr: "127.0.0.1:9090", MetricsAddr: "[::1]:9091", DataDir: "/var/lib/coingraph",
		DatabaseURL: NewSecret(vars["DATABASE_URL"]), RedisURL: NewSecret(vars["REDIS_URL"]), RedisTimeout: 150 * time.Millisecond,
		APIKeys: []APIKey{{"web", "public", NewSecret(canary + "1")}, {"ops", "admin", NewSecret(canary + ":2")}},
		JWT: JWT{
			NewSecret(canary + "3"), NewSecret(canary + "4"), "https://id.example.com/keys", "https://id.example.com/", "coingraph",
		},
		AnonymousTier: "public",
		CoinGecko: CoinGecko{
			BaseURL: "https://gecko.example.com/api/v3", Keys: []Secret{NewSecret(canary + "5"), NewSecret(canary + "6")}, Plan: Pro,
		},
		CryptoQuant: provider("https://cq.example.com/v1", "7"),
		Fallbacks: map[string]Provider{
			"coinmetrics": provider("https://cm.example.com/v4", "8"), "coinpaprika": provider("https://cp.example.com/v1", "9"),
			"binance": provider("https://bn.example.com/api/v3", "a"),
		},
		PriceProviders: []string{"coingecko", "coinpaprika"}, ChartProviders: []string{"coinmetrics", "binance"}, OnChainProviders: []string{"coinmetrics", "cryptoquant"},
		UpstreamLimits: withFree(map[string][]Rate{"coingecko": {{30, time.Minute}, {10_000, 720 * time.Hour}}, "binance": {{100, time.Minute}}}),
		Upstream:       Upstream{time.Second, 0, 50 * time.Millisecond, 50 * time.Millisecond, time.Minute},
		TTL:            TTL{time.Second, 2 * time.Second, 3 * time.Second, 4 * time.Second},
		MemoryCache:    0,
		AnswerCache:    3 << 20,
		SpikeFactor:    50,
		Currencies:     []string{"usd", "eur"}, RateLimitWindow: 10 * time.Second, RateLimitLease: 5 * time.Millisecond,
		RateLimits:   []RateLimit{{"public", "simple_price", 6}, {"public", "market_chart", 3}, {"standard", "*", 60}},
		QueryLimits:  []RateLimit{{"public", "depth", 5}, {"admin", "cost", 5_000_000}},
		AddressLimit: Rate{30, 10 * time.Second},
		Refresh:      Refresh{"*/5 0-6/2 1,15 * 7", AssetChoice{IDs: []string{"bitcoin", "1move token", "boringdao-[old]", "_"}}, []string{"eur"}, 8},
		JobLease:     30 * time.Second,
		LogLevel:     slog.LevelWarn, LogRetention: 24 * time.Hour,
		CORSOrigins: []string{"https://a.example.com", "http://b.example.com:8081"},
		TrustedProxies: []netip.Prefix{
			netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("192.0.2.1/32"), netip.MustParsePrefix("fd00::/8"),
		},
		MaxBodyBytes: 1 << 20, RequestTimeout: 5 * time.Second, ShutdownTimeout: 7 * time.Second,
	}
	if d := cmp.Diff(want, got, compare); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

// A value that is wrong for each variable that can be wrong.
func TestAllFaultsAtOnce(t *testing.T) {
	wrong := map[string]string{}
	for name := range everything() {
		wrong[name] = "\x01 " + canary + " wrong"
	}
	_, err := Load(environOf(wrong))
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("got %v", err)
	}
	var got, want []string
	for _, f := range e.Faults {
		got = append(got, f.Variable)
	}
	for _, v := range variables() {
		if v.name != "DATA_DIR" { // any text is a path
			want = append(want, v.name)
		}
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Fatalf("the faults, in the order of the reference: -want +got:\n%s", d)
	}
	if lines := strings.Count(err.Error(), "\n") + 1; lines != len(want) {
		t.Errorf("%d lines for %d faults", lines, len(want))
	}
	for i, v := range slices.DeleteFunc(variables(), func(v variable) bool { return v.name == "DATA_DIR" }) {
		if !strings.HasSuffix(e.Faults[i].Message, "; it takes "+v.value.takes) {
			t.Errorf("%s: %q does not say what it takes", v.name, e.Faults[i].Message)
		}
	}
	check(t, "the error", err.Error())
}

func TestFaults(t *testing.T) {
	const prod = "COINGRAPH_ENV=prod"
	long := strings.Repeat("k", 32)
	for _, c := range []struct {
		name    string
		environ []string
		want    []string // the variables with a fault
		says    string
	}{
		{"key on the public plan", []string{"COINGECKO_API_KEY=CG-x"}, []string{"COINGECKO_API_KEY"}, "COINGECKO_PLAN is public"},
		{"no key on demo", []string{"COINGECKO_PLAN=demo"}, []string{"COINGECKO_API_KEY"}, "COINGECKO_PLAN=demo"},
		{"no key on pro", []string{"COINGECKO_PLAN=pro"}, []string{"COINGECKO_API_KEY"}, "COINGECKO_PLAN=pro"},
		{"a wrong plan does not accuse the key", []string{"COINGECKO_PLAN=gold"}, []string{"COINGECKO_PLAN"}, "public, demo or pro"},
		{"a wrong key does not seem absent", []string{"COINGECKO_PLAN=pro", "COINGECKO_API_KEY=a b"}, []string{"COINGECKO_API_KEY"}, "blank"},
		{"backoffs", []string{"UPSTREAM_BACKOFF=10s"}, []string{"UPSTREAM_BACKOFF_MAX"}, "shorter"},
		{"previous alone", []string{"JWT_SECRET_PREVIOUS=" + long}, []string{"JWT_SECRET_PREVIOUS"}, "without JWT_SECRET"},
		{"everybody admin", []string{"ANONYMOUS_TIER=admin"}, []string{"ANONYMOUS_TIER"}, "administrator"},

		{"prod: development keys", []string{prod, "API_KEYS=a:public:dev-public-key,b:admin:dev-admin-key"}, []string{"API_KEYS", "API_KEYS"}, "development key"},
		{"prod: short key", []string{prod, "API_KEYS=a:public:" + long + ",b:public:fifteen-bytes-x"}, []string{"API_KEYS"}, "key 2 has a secret under 16 bytes"},
		{"prod: JWT secret of 31 bytes", []string{prod, "JWT_SECRET=" + long[1:]}, []string{"JWT_SECRET"}, "under 32 bytes"},
		{"prod: JWT secret of one byte", []string{prod, "JWT_SECRET=x"}, []string{"JWT_SECRET"}, "under 32 bytes"},
		{"prod: empty JWT secret", []string{prod, "JWT_SECRET="}, []string{"JWT_SECRET"}, "under 32 bytes"},
		{"prod: short previous", []string{prod, "JWT_SECRET=" + long, "JWT_SECRET_PREVIOUS=x"}, []string{"JWT_SECRET_PREVIOUS"}, "under 32 bytes"},
		{"prod: simulator", []string{prod, "COINGECKO_BASE_URL=http://127.0.0.1:1/api/v3"}, []string{"COINGECKO_BASE_URL"}, "simulator"},
		{"prod: simulator by name", []string{prod, "COINGECKO_BASE_URL=http://LocalHost.:1/api/v3"}, []string{"COINGECKO_BASE_URL"}, "simulator"},
		{"prod: simulator of a fallback", []string{prod, "BINANCE_BASE_URL=http://localhost:1/binance/api/v3"}, []string{"BINANCE_BASE_URL"}, "simulator"},
		{"CryptoQuant without a key", []string{"ONCHAIN_PROVIDERS=coinmetrics,cryptoquant"}, []string{"CRYPTOQUANT_API_KEY"}, "ONCHAIN_PROVIDERS names cryptoquant"},
		{"prod: simulator by IPv6", []string{prod, "CRYPTOQUANT_BASE_URL=http://[::ffff:127.0.0.9]/v1"}, []string{"CRYPTOQUANT_BASE_URL"}, "simulator"},
		{"prod: simulator on any address", []string{prod, "COINGECKO_BASE_URL=http://0.0.0.0:1"}, []string{"COINGECKO_BASE_URL"}, "simulator"},
		{"prod: several", []string{prod, "JWT_SECRET=x", "PRICE_TTL=0s", "LOG_LEVEL=loud"}, []string{"JWT_SECRET", "PRICE_TTL", "LOG_LEVEL"}, ""},

		{"twice", []string{"PRICE_TTL=1s", "PRICE_TTL_FILE=/x"}, []string{"PRICE_TTL"}, "PRICE_TTL_FILE"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Load(c.environ)
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("got %v", err)
			}
			var got []string
			for _, f := range e.Faults {
				got = append(got, f.Variable)
			}
			if !slices.Equal(got, c.want) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got:\n%v\nwant faults of %q saying %q", err, c.want, c.says)
			}
		})
	}
}

func TestDevTakesWhatProdRefuses(t *testing.T) {
	for _, environ := range [][]string{
		{"JWT_SECRET=x"}, {"API_KEYS=a:admin:x"}, {"COINGECKO_BASE_URL=http://localhost:9/api/v3"},
	} {
		if _, err := Load(environ); err != nil {
			t.Errorf("%q: %v", environ, err)
		}
	}
}

func TestFiles(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	cfg, err := Load([]string{
		"COINGRAPH_ENV_FILE=" + write("env", "prod\n"), "JWT_SECRET_FILE=" + write("jwt", canary+"\r\n"), "CRYPTOQUANT_API_KEY_FILE=" + write("key", "k"),
		"PRICE_TTL_FILE=" + write("ttl", "7s"), "PRICE_TTL=",
	})
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Env != Prod || cfg.JWT.Secret.Reveal() != canary || cfg.TTL.Price != 7*time.Second {
		t.Errorf("env %s, TTL %s, secret %d bytes", cfg.Env, cfg.TTL.Price, len(cfg.JWT.Secret.Reveal()))
	}
	if cfg.CryptoQuant.Key.Reveal() != "k" {
		t.Errorf("key of %d bytes", len(cfg.CryptoQuant.Key.Reveal()))
	}

	for path, says := range map[string]string{
		filepath.Join(dir, canary):               "no such file",
		dir:                                      "cannot be read",
		write("empty", "\n"):                     "empty file",
		write("nul", "a\x00b"):                   "not text",
		write("big", strings.Repeat("x", 1<<17)): "64 KiB",
		write("blank", canary+" "+canary):        "it takes",
		"/dev/zero":                              "64 KiB",
	} {
		_, err := Load([]string{"JWT_SECRET_FILE=" + path})
		if err == nil || !strings.HasPrefix(err.Error(), "JWT_SECRET_FILE: ") || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: got %v, want %q", path, err, says)
			continue
		}
		check(t, path, err.Error())
	}
}

// No secret of a configuration comes out of it by printing, and none out of the faults of a wrong one.
func TestSecretsStayInside(t *testing.T) {
	vars := everything()
	cfg, err := Load(environOf(vars))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		fmt.Fprintf(&out, verb, cfg)
		fmt.Fprintf(&out, verb, &cfg)
	}
	slog.New(slog.NewTextHandler(&out, nil)).Info("m", "config", cfg, "pointer", &cfg)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("m", "config", cfg, "pointer", &cfg)
	if err := json.NewEncoder(&out).Encode(cfg); err != nil {
		t.Fatal(err)
	}
	check(t, "the configuration", out.String())

	// One character at the end makes most of them wrong, each in another way.
	for _, tail := range []string{" ", "\x7f", "%zz", ":", "/", "é", ",", "@"} {
		for name := range vars {
			broken := maps.Clone(vars)
			broken[name] = canary + tail + canary
			if _, err := Load(environOf(broken)); err != nil {
				check(t, name, err.Error()+fmt.Sprintf("%+v %#v", err, err))
			}
		}
	}
}

// withFree adds the defaults that depend on no plan.
func withFree(limits map[string][]Rate) map[string][]Rate {
	limits["coinmetrics"], limits["coinpaprika"] = []Rate{{10, 6 * time.Second}}, []Rate{{20_000, 720 * time.Hour}}
	return limits
}
