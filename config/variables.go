package config

import (
	"log/slog"
	"net/netip"
	"time"
)

// variables are all variables, each after those that its default depends on.
func variables() []variable {
	var all []variable
	for _, s := range sections() {
		all = append(all, s.vars...)
	}
	return all
}

func sections() []section {
	return []section{
		{"Program", programVars()},
		{"Storage", storageVars()},
		{"Access", accessVars()},
		{"Providers", providerVars()},
		{"Asking providers", upstreamVars()},
		{"Freshness", freshnessVars()},
		{"Limits", limitVars()},
		{"Refresh", append(refreshVars(), jobVars()...)},
		{"Logs", logVars()},
		{"HTTP", httpVars()},
	}
}

func programVars() []variable {
	return []variable{
		{
			name: "COINGRAPH_ENV", def: always("dev"),
			value: into(oneOf(Dev, Prod), func(c *Config) *Env { return &c.Env }),
			doc: "Decides the defaults below. `prod` refuses to start without an API key in environment or database, with a development key, " +
				"with a key's secret under 16 bytes, with a JWT secret that is empty or under 32 bytes, and with a provider on this machine (the simulator).",
		},
		{
			name: "LISTEN_ADDR", def: always(":8080"),
			value: into(address, func(c *Config) *string { return &c.ListenAddr }),
			doc:   "Where HTTP is served. Port 0 takes a free one.",
		},
		{
			name: "METRICS_ADDR", def: unset("on `LISTEN_ADDR`"),
			value: into(address, func(c *Config) *string { return &c.MetricsAddr }),
			doc:   "Where `/metrics` is served instead, without a key: an address that only the scraper reaches.",
		},
		{
			name: "SCHEDULER", def: always("on"),
			value: into(onOff, func(c *Config) *bool { return &c.Scheduler }),
			doc:   "`off`: this replica schedules no daily refresh. It still works on the jobs that others schedule and admins ask for.",
		},
	}
}

func storageVars() []variable {
	return []variable{
		{
			name: "DATA_DIR", def: always("./data"),
			value: into(path, func(c *Config) *string { return &c.DataDir }),
			doc:   "Directory of the embedded database and of log segments.",
		},
		{
			name: "DATABASE_URL", def: unset("embedded SQLite in `DATA_DIR`"), secret: true,
			value: into(postgresURL, func(c *Config) *Secret { return &c.DatabaseURL }),
			doc:   "The Postgres database that replicas share.",
		},
		{
			name: "REDIS_URL", def: unset("in process"), secret: true,
			value: into(redisURL, func(c *Config) *Secret { return &c.RedisURL }),
			doc:   "The Redis that replicas share. Several addresses are a Redis Cluster; with `?master_name=` they are Sentinels.",
		},
		{
			name: "REDIS_TIMEOUT", def: always("100ms"),
			value: into(duration, func(c *Config) *time.Duration { return &c.RedisTimeout }),
			doc:   "How long a look-up, a charge or a lease waits for Redis before it does without. More where Redis is far away.",
		},
	}
}

func accessVars() []variable {
	return []variable{
		{
			name: "API_KEYS", secret: true,
			def: preset{
				dev:   "dev-public:public:" + DevPublicKey + ",dev-admin:admin:" + DevAdminKey,
				shown: "`dev`: `" + DevPublicKey + "` (tier public) and `" + DevAdminKey + "` (tier admin); `prod`: none",
			},
			value: into(apiKeys, func(c *Config) *[]APIKey { return &c.APIKeys }),
			doc:   "API keys; more live in the database. A key of tier `admin` has the role admin.",
		},
		{
			name: "JWT_SECRET", def: unset("JWT off"), secret: true,
			value: into(secretText, func(c *Config) *Secret { return &c.JWT.Secret }),
			doc:   "Signs and verifies HS256 tokens. In `prod` it must not be set to nothing.",
		},
		{
			name: "JWT_SECRET_PREVIOUS", def: unset("none"), secret: true,
			value: into(secretText, func(c *Config) *Secret { return &c.JWT.Previous }),
			doc:   "Verifies too, while `JWT_SECRET` is being changed.",
		},
		{
			name: "JWT_JWKS_URL", def: unset("none"),
			value: into(webURL, func(c *Config) *string { return &c.JWT.JWKSURL }),
			doc:   "Key set of an identity provider, for RS256 and ES256 tokens.",
		},
		{
			name: "JWT_ISSUER", def: unset("any"),
			value: into(word, func(c *Config) *string { return &c.JWT.Issuer }),
			doc:   "The `iss` that tokens must have.",
		},
		{
			name: "JWT_AUDIENCE", def: unset("any"),
			value: into(word, func(c *Config) *string { return &c.JWT.Audience }),
			doc:   "The `aud` that tokens must have.",
		},
		{
			name: "ANONYMOUS_TIER", def: unset("refused with 401"),
			value: into(tier, func(c *Config) *string { return &c.AnonymousTier }),
			doc:   "Tier of `/api/v3` clients without a key, metered by address. Not `admin`.",
		},
	}
}

func providerVars() []variable {
	vars := []variable{
		{
			name: "COINGECKO_PLAN", def: always("public"),
			value: into(oneOf(Public, Demo, Pro), func(c *Config) *Plan { return &c.CoinGecko.Plan }),
			doc:   "Decides host, key header and limits. `public` is without a key; every paid plan is `pro`.",
		},
		{
			name: "COINGECKO_BASE_URL", def: unset("by plan: `" + Public.baseURL() + "`, with `pro` `" + Pro.baseURL() + "`"),
			value: into(baseURL, func(c *Config) *string { return &c.CoinGecko.BaseURL }),
			doc:   "Root of the API, with its path.",
		},
		{
			name: "COINGECKO_API_KEY", def: unset("none"), secret: true,
			value: into(secretPool, func(c *Config) *[]Secret { return &c.CoinGecko.Keys }),
			doc:   "Needed with plan `demo` and `pro`, refused with `public`, which would not send it. Several, separated by commas, are a pool: each call takes the key with the most of its quota left.",
		},
		{
			name: "CRYPTOQUANT_BASE_URL", def: always("https://api.cryptoquant.com/v1"),
			value: into(baseURL, func(c *Config) *string { return &c.CryptoQuant.BaseURL }),
			doc:   "Root of the API, with its path.",
		},
		{
			name: "CRYPTOQUANT_API_KEY", def: unset("no on-chain data"), secret: true,
			value: into(secretText, func(c *Config) *Secret { return &c.CryptoQuant.Key }),
			doc:   "Access token of CryptoQuant.",
		},
	}
	for _, p := range []struct{ name, prefix, title string }{
		{coinmetrics, "COINMETRICS", "Coin Metrics"},
		{coinpaprika, "COINPAPRIKA", "CoinPaprika"},
		{binance, "BINANCE", "Binance"},
	} {
		vars = append(vars, variable{
			name: p.prefix + "_BASE_URL", def: unset("the provider's own"),
			value: fallback(p.name, baseURL, func(to *Provider) *string { return &to.BaseURL }),
			doc:   "Root of the API of " + p.title + ", with its path.",
		}, variable{
			name: p.prefix + "_API_KEY", def: unset("keyless"), secret: true,
			value: fallback(p.name, secretText, func(to *Provider) *Secret { return &to.Key }),
			doc:   "Key for " + p.title + ".",
		})
	}
	const terms = " Read `docs/providers.md` before you name another than the default: the terms of most are not for commercial use."
	return append(vars,
		variable{
			name: "PRICE_PROVIDERS", def: always(coingecko),
			value: into(namesOf(coingecko, coinpaprika), func(c *Config) *[]string { return &c.PriceProviders }),
			doc:   "Who is asked for prices, in order of preference; the next one serves when one fails." + terms,
		},
		variable{
			name: "CHART_PROVIDERS", def: always(coingecko),
			value: into(namesOf(coingecko, coinmetrics, coinpaprika, binance), func(c *Config) *[]string { return &c.ChartProviders }),
			doc:   "Who is asked for charts, likewise.",
		},
		variable{
			name: "ONCHAIN_PROVIDERS", def: always(cryptoquant),
			value: into(namesOf(cryptoquant, coinmetrics), func(c *Config) *[]string { return &c.OnChainProviders }),
			doc:   "Who is asked for on-chain metrics, likewise. `cryptoquant` is asked with a key only.",
		},
	)
}

// limitsOf shows a plan's default of UPSTREAM_LIMITS.
func limitsOf(p Plan) string { return "`" + quota(coingecko, p.limits()) + "`" }

// limitsOfOthers shows the defaults that do not depend on a plan.
func limitsOfOthers() string {
	free := freeLimits()
	return "`" + quota(coinmetrics, free[coinmetrics]) + "`, `" + quota(coinpaprika, free[coinpaprika]) + "`; other providers none"
}

func upstreamVars() []variable {
	return []variable{
		{
			name: "UPSTREAM_LIMITS", def: unset("by `COINGECKO_PLAN`: `public` " + limitsOf(Public) + ", `demo` " + limitsOf(Demo) + ", `pro` " + limitsOf(Pro) + "; " + limitsOfOthers()),
			value: into(upstreamLimits, func(c *Config) *map[string][]Rate { return &c.UpstreamLimits }),
			doc: "The calls that each key of a provider's pool may be sent with, kept by all replicas together: so many in any window of that length, several windows with `+`. " +
				"A provider that is not named keeps its default; see docs/upstreams.md. A month of a vendor's bill may have 31 days, which is `744h`.",
		},
		{
			name: "UPSTREAM_TIMEOUT", def: always("3s"),
			value: into(duration, func(c *Config) *time.Duration { return &c.Upstream.Timeout }),
			doc:   "For one attempt.",
		},
		{
			name: "UPSTREAM_RETRIES", def: always("3"),
			value: into(whole(0, 10), func(c *Config) *int { return &c.Upstream.Retries }),
			doc:   "Attempts after the first. Everything ends at the caller's deadline.",
		},
		{
			name: "UPSTREAM_BACKOFF", def: always("200ms"),
			value: into(duration, func(c *Config) *time.Duration { return &c.Upstream.Backoff }),
			doc:   "Wait before the first retry; it doubles from one to the next, with jitter. `Retry-After` wins.",
		},
		{
			name: "UPSTREAM_BACKOFF_MAX", def: always("5s"),
			value: into(duration, func(c *Config) *time.Duration { return &c.Upstream.BackoffMax }),
			doc:   "The longest such wait.",
		},
		{
			name: "UPSTREAM_PROBE", def: always("5s"),
			value: into(duration, func(c *Config) *time.Duration { return &c.Upstream.Probe }),
			doc:   "How often a provider that is shut (breaker, refused key, block page) is tried.",
		},
	}
}

func freshnessVars() []variable {
	return []variable{
		{
			name: "PRICE_TTL", def: byEnv("15s", "30s"),
			value: into(duration, func(c *Config) *time.Duration { return &c.TTL.Price }),
			doc:   "How long a price is fresh.",
		},
		{
			name: "CHART_HOURLY_TTL", def: byEnv("5m", "10m"),
			value: into(duration, func(c *Config) *time.Duration { return &c.TTL.ChartHourly }),
			doc:   "How long an hourly chart is fresh; never beyond the moment its next point is due.",
		},
		{
			name: "CHART_DAILY_TTL", def: byEnv("1h", "6h"),
			value: into(duration, func(c *Config) *time.Duration { return &c.TTL.ChartDaily }),
			doc:   "Likewise, for a daily chart.",
		},
		{
			name: "ONCHAIN_TTL", def: byEnv("1h", "6h"),
			value: into(duration, func(c *Config) *time.Duration { return &c.TTL.OnChain }),
			doc:   "Likewise, for an on-chain metric.",
		},
		{
			name: "MEMORY_CACHE", def: always("40MiB"),
			value: into(sizeOrNone, func(c *Config) *int64 { return &c.MemoryCache }),
			doc:   "How much memory this process keeps values in, in front of Redis. 0: none, each look-up goes there, or to the database.",
		},
		{
			name: "ANSWER_CACHE", def: always("12MiB"),
			value: into(sizeOrNone, func(c *Config) *int64 { return &c.AnswerCache }),
			doc: "How much memory finished answers are kept in, for the same operation or GET of prices or a chart by a caller with the same rights, until the first of the values inside is due for renewal. " +
				"They are measured, charged and logged like any. 0: none are kept.",
		},
		{
			name: "CURRENCIES", def: unset("all that CoinGecko supports"),
			value: into(currencies, func(c *Config) *[]string { return &c.Currencies }),
			doc:   "The currencies that may be asked for.",
		},
		{
			name: "GUARD_SPIKE_FACTOR", def: always("20"),
			value: into(factor(3, 1_000_000), func(c *Config) *int { return &c.SpikeFactor }),
			doc: "A single point whose price is over so many times both of its neighbours, or under as small a part of both, is quarantined, if the neighbours " +
				"lie within 2 × of each other: see docs/history.md. 0: nothing is.",
		},
	}
}

func limitVars() []variable {
	return []variable{
		{
			name: "RATE_LIMIT_WINDOW", def: always("1m"),
			value: into(window, func(c *Config) *time.Duration { return &c.RateLimitWindow }),
			doc:   "The fixed window of `RATE_LIMITS`. Windows start at multiples of their length since 1970.",
		},
		{
			name: "RATE_LIMIT_LEASE", def: always("100ms"),
			value: into(unitLease, func(c *Config) *time.Duration { return &c.RateLimitLease }),
			doc: "For how long a replica takes units of a key that asks much at once from Redis in advance: the limit stays exact, see docs/operations.md. " +
				"0: Redis is asked for each operation.",
		},
		{
			name: "RATE_LIMITS",
			def: byEnv("public/*=100000,standard/*=1000000,admin/*=1000000",
				"public/simple_price=60,public/market_chart=30,public/*=30,standard/*=600,admin/*=6000"),
			value: into(rateLimits, func(c *Config) *[]RateLimit { return &c.RateLimits }),
			doc:   "What each key may ask in a window, by its tier. `*` gives each endpoint that the tier does not name a counter of its own.",
		},
		{
			name: "QUERY_LIMITS", def: unset("tokens 1000, depth 12, aliases 100, directives 100, selections 2000, cost 1000000, and cost 100000 for tier public"),
			value: into(queryLimits, func(c *Config) *[]RateLimit { return &c.QueryLimits }),
			doc:   "How large a GraphQL operation may be, by tier: what is not named keeps its default. The cost is the number of values in the answer.",
		},
		{
			name: "ADDRESS_LIMIT", def: always("300/1m"),
			value: into(rate, func(c *Config) *Rate { return &c.AddressLimit }),
			doc:   "Requests without a valid credential, for each client address.",
		},
	}
}

func refreshVars() []variable {
	return []variable{
		{
			name: "REFRESH_CRON", def: always("10 1 * * *"),
			value: into(cron, func(c *Config) *string { return &c.Refresh.Cron }),
			doc:   "When the daily refresh runs, in UTC: after providers have closed the day.",
		},
		{
			name: "REFRESH_ASSETS",
			def: always("bitcoin,ethereum,tether,binancecoin,solana,ripple,usd-coin,dogecoin,cardano,tron," +
				"avalanche-2,chainlink,polkadot,litecoin,bitcoin-cash,stellar,monero,uniswap,aave,dai"),
			value: into(assetChoice, func(c *Config) *AssetChoice { return &c.Refresh.Assets }),
			doc:   "The assets whose history the daily refresh keeps. `top:100` is the hundred with the largest market caps, which costs one call for each 250.",
		},
		{
			name: "REFRESH_CURRENCIES", def: always("usd"),
			value: into(currencies, func(c *Config) *[]string { return &c.Refresh.Currencies }),
			doc:   "The currencies it keeps them in.",
		},
		{
			name: "BACKFILL_CONCURRENCY", def: always("4"),
			value: into(whole(1, 64), func(c *Config) *int { return &c.Refresh.Concurrency }),
			doc:   "How many series a job works on at once, and so the most calls of it that are under way.",
		},
	}
}

func jobVars() []variable {
	return []variable{{
		name: "JOB_LEASE", def: always("15s"),
		value: into(duration, func(c *Config) *time.Duration { return &c.JobLease }),
		doc:   "How long a replica that died or hangs keeps the others from its jobs.",
	}}
}

func logVars() []variable {
	return []variable{
		{
			name: "LOG_LEVEL", def: always("info"),
			value: into(level, func(c *Config) *slog.Level { return &c.LogLevel }),
			doc:   "The least level that is logged, on the console and in the log that admins export: from `warn` on, requests are not.",
		},
		{
			name: "LOG_RETENTION", def: always("720h"),
			value: into(duration, func(c *Config) *time.Duration { return &c.LogRetention }),
			doc:   "How long the log is kept in the database.",
		},
	}
}

func httpVars() []variable {
	return []variable{
		{
			name: "CORS_ORIGINS", def: unset("none"),
			value: into(origins, func(c *Config) *[]string { return &c.CORSOrigins }),
			doc:   "The web origins whose pages may call the API from a browser.",
		},
		{
			name: "TRUSTED_PROXIES", def: unset("none"),
			value: into(networks, func(c *Config) *[]netip.Prefix { return &c.TrustedProxies }),
			doc:   "The proxies whose `X-Forwarded-For` is believed.",
		},
		{
			name: "MAX_BODY_BYTES", def: always("256KiB"),
			value: into(size, func(c *Config) *int64 { return &c.MaxBodyBytes }),
			doc:   "The longest request body.",
		},
		{
			name: "REQUEST_TIMEOUT", def: always("10s"),
			value: into(duration, func(c *Config) *time.Duration { return &c.RequestTimeout }),
			doc:   "The deadline of a request.",
		},
		{
			name: "SHUTDOWN_TIMEOUT", def: always("20s"),
			value: into(duration, func(c *Config) *time.Duration { return &c.ShutdownTimeout }),
			doc:   "How long requests in flight may take to finish after SIGTERM.",
		},
	}
}
