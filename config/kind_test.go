package config

import (
	"net/url"
	"slices"
	"strings"
	"testing"
)

// What each variable takes and refuses. Files, defaults and what concerns several variables have tests of their own.
func TestSyntax(t *testing.T) {
	for name, c := range map[string]struct{ good, bad []string }{
		"COINGRAPH_ENV": {[]string{"dev"}, []string{"DEV", "production", "prod "}},
		"LISTEN_ADDR": {
			[]string{":8080", "0.0.0.0:80", "[::]:0", "localhost:8080", "api-1.internal:65535"},
			[]string{"8080", ":", "localhost", ":http", ":65536", ":-1", ":٨٠", "a b:80", "::1:80", "http://x:80"},
		},
		"SCHEDULER": {[]string{"on", "off"}, []string{"ON", "true", "1"}},
		"DATABASE_URL": {
			[]string{
				"postgres://localhost/db", "postgresql://u:p@h:5432/db?sslmode=disable", "postgres:///db?host=/run/postgresql",
				"postgres://u:p%40ss@h1:5432,h2:5433/db?target_session_attrs=read-write", "postgres://[::1]:5432/db",
			},
			[]string{"mysql://h/db", "host=h dbname=d", "postgres:/h", "postgres://h:port/db", "postgres://h:99999/db", "postgres://u:%zz@h/db", "postgres://h/\x00"},
		},
		"REDIS_URL": {
			[]string{
				"redis://localhost", "redis://u:p@h:6379/0", "rediss://h:6380?master_name=m", "redis://a:7000,b:7000,c:7000",
				"redis://a:7000,redis://b:7000", "redis://:p@a:7000, b:7000/0?protocol=3", "redis://[::1]:6379",
			},
			[]string{"localhost:6379", "http://h", "redis://", "redis://a,", "redis://a:x", "redis://a:7000,rediss://b:7000", "unix:///x"},
		},
		"API_KEYS": {
			[]string{"a:public:x", "a:public:x, B.b_c-1:my-tier_2:y:z"},
			[]string{"a", "a:b", "a:b:", ":b:c", "a::c", "a:B:c", "a b:c:d", "a:b:c,a:b:d", "a:b:c,d:b:c", "a:b:c,", "a:b:c d", "a:b:ключ", "é:b:c"},
		},
		"JWT_SECRET":         {[]string{"x", strings.Repeat("~", 100)}, []string{"a b", "a\tb", "ключ", "a\x00"}},
		"JWT_JWKS_URL":       {[]string{"https://id.example.com/keys/"}, []string{"id.example.com", "ftp://h", "https://u:p@h/", "https://h/?k=v"}},
		"ANONYMOUS_TIER":     {[]string{"public", "a_b-1"}, []string{"Public", "a b", "*", strings.Repeat("a", 65)}},
		"COINGECKO_PLAN":     {[]string{"public"}, []string{"free", "Public"}},
		"COINGECKO_BASE_URL": {[]string{"http://h:1/api/v3/", "https://[2001:db8::1]/"}, []string{"h:1", "http://", "https://key@h/", "https://h?x", "https://h?", "https://h/#f", "https://h#", "https://h:0/", "http://a b/"}},
		"PRICE_PROVIDERS":    {[]string{"coingecko", "coinpaprika,coingecko"}, []string{"cryptoquant", "binance", "coingecko,", "coingecko,coingecko", "CoinGecko"}},
		"CHART_PROVIDERS":    {[]string{"binance", "coingecko,coinmetrics,coinpaprika,binance"}, []string{"cryptoquant", "coingecko,"}},
		"ONCHAIN_PROVIDERS":  {[]string{"coinmetrics"}, []string{"coingecko", "cryptoquant,", "blockchain"}},
		"UPSTREAM_LIMITS": {
			[]string{"coingecko=30/1m+10000/720h", "coingecko=1/1s,binance=2/1m"},
			[]string{"30/1m", "coingecko", "coingecko=", "coingecko=30", "coingecko=0/1m", "coingecko=-1/1m", "coingecko=1/0s", "coingecko=1/m", "other=1/1m", "coingecko=1/1m,coingecko=2/1h", "coingecko=1/1m+2/60s", "coingecko=1/1500ms"},
		},
		"UPSTREAM_RETRIES":   {[]string{"0", "10"}, []string{"11", "-1", "+1", "1.0", "three", "٣", "99999999999999999999"}},
		"PRICE_TTL":          {[]string{"1ns", "1h30m", "87600h"}, []string{"0s", "-1s", "15", "87601h", "1d", "１s", "9999999h999999h"}},
		"GUARD_SPIKE_FACTOR": {[]string{"0", "3", "20", "1000000"}, []string{"1", "2", "1000001", "-1", "2.5", "off"}},
		"CURRENCIES":         {[]string{"usd", "USD,eur", "sats"}, []string{"usd,", "us d", "usd,USD", "$", "usd;eur"}},
		"RATE_LIMIT_WINDOW":  {[]string{"1s", "1m"}, []string{"500ms", "1500ms", "0"}},
		"RATE_LIMIT_LEASE":   {[]string{"0", "1ms", "20ms", "1s"}, []string{"999us", "1001ms", "-1ms", "20", "off"}},
		"RATE_LIMITS": {
			[]string{"public/simple_price=60,standard/*=600", "my_tier-1/log_export=1"},
			[]string{"public=60", "public/simple_price", "public/prices=60", "*/simple_price=1", "public/*=0", "public/*=1.5", "public/*=1,public/*=2", "a/b/c=1", "public/simple_price=2147483648"},
		},
		"ADDRESS_LIMIT": {[]string{"300/1m"}, []string{"300", "300/m", "/1m", "0/1m", "300/1m/2"}},
		"REFRESH_CRON": {
			[]string{"10 1 * * *", "*/15 * * * *", "0 0-6/2,12 1,15 1-12 0-7", "  5  4 * * 7 "},
			[]string{"* * * *", "* * * * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * * 13 *", "* * * * 8", "5-1 * * * *", "*/0 * * * *", "5/2 * * * *", "@daily", "* * * jan *", "1, * * * *", "-1 * * * *", "1-2-3 * * * *", "*/5/5 * * * *"},
		},
		"REFRESH_ASSETS":  {[]string{"bitcoin", "0x,_,1move token", "top:1", "top:5000"}, []string{"top:", "top:0", "top:5001", "top:x", "top:1,bitcoin", "Bitcoin", "bit/coin", "bitcoin,", "a:b", "bitcoin,bitcoin", strings.Repeat("a", 129)}},
		"LOG_LEVEL":       {[]string{"debug", "INFO", "warn", "error"}, []string{"trace", "info+2", "0"}},
		"CORS_ORIGINS":    {[]string{"*", "https://a.example.com,http://localhost:3000"}, []string{"a.example.com", "https://a.example.com/", "https://*.example.com", "null", "https://a,*"}},
		"TRUSTED_PROXIES": {[]string{"10.0.0.0/8", "::1,10.0.0.1", "::ffff:10.0.0.1"}, []string{"10.0.0.0/33", "proxy", "10.0.0", "fe80::1%eth0", "10.0.0.1,10.0.0.1/32"}},
		"MAX_BODY_BYTES":  {[]string{"1024", "256KiB", "1 GiB", "300kB"}, []string{"1023", "2GiB", "-1KiB", "1KiBs", "KiB", "1e6", "99999999999999999999EiB"}},
	} {
		t.Run(name, func(t *testing.T) {
			vars := variables()
			i := slices.IndexFunc(vars, func(v variable) bool { return v.name == name })
			if i < 0 {
				t.Fatal("no such variable")
			}
			for _, text := range c.good {
				if err := vars[i].value.set(&Config{}, text); err != nil {
					t.Errorf("refuses %q: %v", text, err)
				}
			}
			for _, text := range c.bad {
				if err := vars[i].value.set(&Config{}, text); err == nil {
					t.Errorf("takes %q", text)
				}
			}
		})
	}
}

// Whatever stands in a variable, loading neither panics nor shows it.
func FuzzLoad(f *testing.F) {
	vars := variables()
	for i, v := range vars {
		for _, text := range []string{everything()[v.name], v.def.dev, v.def.prod, ",", ":", "=/+", "redis://a,b", "postgres://u:p@h,i/d", "a:b:c"} {
			f.Add(uint8(i), text)
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, text string) {
		name := vars[int(which)%len(vars)].name
		cfg, err := Load([]string{name + "=" + text, "COINGRAPH_ENV=prod"})
		if err == nil {
			if cfg.Env != Prod && name != "COINGRAPH_ENV" {
				t.Errorf("env %q", cfg.Env)
			}
			return
		}
		// A short text may be part of what the message says anyway.
		if len(text) > 40 && strings.Contains(err.Error(), text) {
			t.Errorf("the error shows the value: %v", err)
		}
	})
}

// Whatever is taken as a base URL, a path that is appended to it stays on its host, and is a path.
func FuzzBaseURL(f *testing.F) {
	for _, text := range []string{"https://api.coingecko.com/api/v3", "http://[::1]:80/", "https://u:p@h/", "https://h?q", "https://h/%2e", "http://h\n/", "https://h/\\", "http://00#"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		base, err := parseBaseURL(text)
		if err != nil {
			return
		}
		before, err := url.Parse(base)
		if err != nil {
			t.Fatal(err)
		}
		after, err := url.Parse(base + "/ping?a=b")
		if err != nil {
			t.Fatal(err)
		}
		if after.Host != before.Host || after.User != nil || !strings.HasSuffix(after.Path, "/ping") || after.RawQuery != "a=b" {
			t.Errorf("%q with a path is %q", text, after)
		}
		if again, err := parseBaseURL(base); err != nil || again != base {
			t.Errorf("%q is read back as %q, %v", base, again, err)
		}
	})
}

func FuzzCron(f *testing.F) {
	for _, text := range []string{"10 1 * * *", "*/5 0-6/2 1,15 * 7", "1-2-3 * * * *", "* * * * *\n* *"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := parseCron(text)
		if err != nil {
			return
		}
		if len(strings.Split(got, " ")) != 5 || strings.Trim(got, "0123456789*/,- ") != "" {
			t.Errorf("%q gave %q", text, got)
		}
	})
}
