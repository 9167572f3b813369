package config

import (
	"fmt"
	"maps"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// The least length of secrets in prod. For JWT it is the 256 bits that RFC 7518, section 3.2, asks of an HS256 key.
const (
	minAPIKey    = 16
	minJWTSecret = 32
)

// The keys that dev has from the start, and prod refuses.
const (
	DevPublicKey = "dev-public-key"
	DevAdminKey  = "dev-admin-key"
)

// adminTier is the tier whose keys have the role admin.
const adminTier = "admin"

// complete fills what depends on more than one variable.
func (l *loader) complete() {
	c := &l.config
	if c.CoinGecko.BaseURL == "" {
		c.CoinGecko.BaseURL = c.CoinGecko.Plan.baseURL()
	}
	limits := freeLimits()
	limits[coingecko] = c.CoinGecko.Plan.limits()
	maps.Copy(limits, c.UpstreamLimits)
	c.UpstreamLimits = limits
}

// check reports what is wrong with variables that are right each for itself.
func (l *loader) check() {
	l.checkCoinGecko()
	l.checkCryptoQuant()
	l.checkAccess()
	c := &l.config
	if l.right("UPSTREAM_BACKOFF", "UPSTREAM_BACKOFF_MAX") && c.Upstream.BackoffMax < c.Upstream.Backoff {
		l.fault("UPSTREAM_BACKOFF_MAX", "is shorter than UPSTREAM_BACKOFF")
	}
	if c.Env == Prod {
		l.checkProd()
	}
}

// right tells whether the variables' fields can be relied on.
func (l *loader) right(names ...string) bool {
	return !slices.ContainsFunc(names, func(name string) bool { return l.faulty[name] })
}

func (l *loader) checkCoinGecko() {
	const key = "COINGECKO_API_KEY"
	if !l.right("COINGECKO_PLAN", key) {
		return
	}
	switch plan, keys := l.config.CoinGecko.Plan, len(l.config.CoinGecko.Keys); {
	case plan == Public && keys > 0:
		// A Demo key looks like a paid one, so the plan cannot be guessed; and without a plan the key would never be sent.
		l.fault(key, "is set, but COINGECKO_PLAN is public, which sends no key: set COINGECKO_PLAN to demo or pro")
	case plan != Public && keys == 0:
		l.fault(key, fmt.Sprintf("is needed with COINGECKO_PLAN=%s", plan))
	}
}

func (l *loader) checkCryptoQuant() {
	const key, list = "CRYPTOQUANT_API_KEY", "ONCHAIN_PROVIDERS"
	if l.right(key, list) && l.explicit[list] && slices.Contains(l.config.OnChainProviders, cryptoquant) && !l.config.CryptoQuant.Key.IsSet() {
		l.fault(key, "is needed, because "+list+" names cryptoquant")
	}
}

func (l *loader) checkAccess() {
	c := &l.config
	if l.right("JWT_SECRET", "JWT_SECRET_PREVIOUS") && c.JWT.Previous.IsSet() && !c.JWT.Secret.IsSet() {
		l.fault("JWT_SECRET_PREVIOUS", "is set without JWT_SECRET, which signs")
	}
	if c.AnonymousTier == adminTier {
		l.fault("ANONYMOUS_TIER", "must not be admin: that would let everybody in as an administrator")
	}
}

func (l *loader) checkProd() {
	c := &l.config
	for i, k := range c.APIKeys {
		switch secret := k.Secret.Reveal(); {
		case secret == DevPublicKey || secret == DevAdminKey:
			l.fault("API_KEYS", fmt.Sprintf("key %d is a development key, which everybody knows: prod refuses it", i+1))
		case len(secret) < minAPIKey:
			l.fault("API_KEYS", fmt.Sprintf("key %d has a secret under %d bytes: prod refuses it", i+1, minAPIKey))
		}
	}

	for _, v := range []struct {
		name   string
		secret Secret
	}{{"JWT_SECRET", c.JWT.Secret}, {"JWT_SECRET_PREVIOUS", c.JWT.Previous}} {
		// An empty variable counts as not set, but for this one that would silently turn JWT off where somebody meant
		// it to be on.
		text, given := l.env[v.name]
		emptied := given && text == "" && !l.explicit[v.name] && l.right(v.name)
		if emptied || v.secret.IsSet() && len(v.secret.Reveal()) < minJWTSecret {
			l.fault(v.name, fmt.Sprintf("has under %d bytes: prod refuses it; leave it out to have no JWT", minJWTSecret))
		}
	}

	for _, v := range []struct{ name, baseURL string }{
		{"COINGECKO_BASE_URL", c.CoinGecko.BaseURL},
		{"CRYPTOQUANT_BASE_URL", c.CryptoQuant.BaseURL},
		{"COINMETRICS_BASE_URL", c.Fallbacks[coinmetrics].BaseURL},
		{"COINPAPRIKA_BASE_URL", c.Fallbacks[coinpaprika].BaseURL},
		{"BINANCE_BASE_URL", c.Fallbacks[binance].BaseURL},
	} {
		if loopback(v.baseURL) {
			l.fault(v.name, "is on this machine, where only the simulator answers: prod refuses it")
		}
	}
}

// loopback tells whether a URL leads back to the machine itself.
func loopback(rawURL string) bool {
	u, err := url.Parse(rawURL)
	if err != nil {
		return false
	}
	host := strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && (addr.Unmap().IsLoopback() || addr.Unmap().IsUnspecified())
}
