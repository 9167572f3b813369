package config

import (
	"log/slog"
	"net/netip"
	"time"
)

// Config is the whole configuration. What it holds has been checked, as far as that can be done without looking at
// anything but the environment; docs/configuration.md says what each variable means.
type Config struct {
	Env         Env
	ListenAddr  string // host:port
	MetricsAddr string // host:port; "": on ListenAddr
	DataDir     string

	DatabaseURL Secret // not set: embedded SQLite in DataDir
	RedisURL    Secret // not set: in this process

	RedisTimeout time.Duration // what one exchange with Redis may take

	APIKeys       []APIKey // more may be in the database
	JWT           JWT
	AnonymousTier string // "": callers without a credential are refused

	CoinGecko        CoinGecko
	CryptoQuant      Provider
	Fallbacks        map[string]Provider // the further providers that were given an address or a key, by name
	PriceProviders   []string            // in order of preference, here and below
	ChartProviders   []string
	OnChainProviders []string
	UpstreamLimits   map[string][]Rate // of each key, by provider; one that is not there has no limit
	Upstream         Upstream

	TTL         TTL
	MemoryCache int64    // bytes of values in this process; 0: none
	AnswerCache int64    // bytes of finished answers; 0: none
	SpikeFactor int      // of the guard; 0: off
	Currencies  []string // lower case; empty: all

	RateLimitWindow time.Duration // whole seconds
	RateLimitLease  time.Duration // of units, at most 1 s; 0: none
	RateLimits      []RateLimit
	QueryLimits     []RateLimit // Endpoint is the limit's name
	AddressLimit    Rate

	Refresh   Refresh
	Scheduler bool
	JobLease  time.Duration // how long it lasts when it is not renewed

	LogLevel     slog.Level
	LogRetention time.Duration

	CORSOrigins     []string
	TrustedProxies  []netip.Prefix
	MaxBodyBytes    int64
	RequestTimeout  time.Duration
	ShutdownTimeout time.Duration
}

// Env is what the program runs for. It decides defaults, and what is refused.
type Env string

// The environments.
const (
	Dev  Env = "dev"
	Prod Env = "prod"
)

// APIKey is a key that callers authenticate with.
type APIKey struct {
	Name   string // unique; may be shown and logged
	Tier   string
	Secret Secret // unique
}

// JWT configures JSON Web Tokens. Without Secret and JWKSURL they are off.
type JWT struct {
	Secret   Secret // HS256: signs and verifies
	Previous Secret // HS256: verifies
	JWKSURL  string // RS256 and ES256: the key set of an identity provider
	Issuer   string // "": any
	Audience string // "": any
}

// Plan is what we bought at CoinGecko: it decides the host and the key's header.
type Plan string

// The plans. Every paid plan is [Pro].
const (
	Public Plan = "public" // keyless
	Demo   Plan = "demo"
	Pro    Plan = "pro"
)

// CoinGecko is our access to CoinGecko.
type CoinGecko struct {
	BaseURL string // with the path, without a slash at the end
	Keys    []Secret
	Plan    Plan
}

// Provider is our access to another provider.
type Provider struct {
	BaseURL string // with the path, without a slash at the end; "": the provider's usual one
	Key     Secret
}

// Upstream says how patiently providers are asked.
type Upstream struct {
	Timeout    time.Duration // for one attempt
	Retries    int           // attempts after the first
	Backoff    time.Duration // before the first retry; doubles from then on
	BackoffMax time.Duration
	Probe      time.Duration // between two looks at a provider that is shut
}

// TTL is how long answers stay fresh.
type TTL struct {
	Price, ChartHourly, ChartDaily, OnChain time.Duration
}

// Rate is at most Max in each Per.
type Rate struct {
	Max int
	Per time.Duration
}

// Every is what a rule says for the endpoints that have no rule of their own.
const Every = "*"

// RateLimit is how much a key of the tier may ask of the endpoint in each window.
type RateLimit struct {
	Tier     string
	Endpoint string // or [Every]
	Max      int
}

// Refresh configures the daily refresh and the backfill.
type Refresh struct {
	Cron        string // five fields, UTC
	Assets      AssetChoice
	Currencies  []string // lower case
	Concurrency int      // of a job
}

// AssetChoice names assets, or says how many of the largest.
type AssetChoice struct {
	IDs []string
	Top int // by market cap; 0: IDs
}
