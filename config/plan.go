package config

import "time"

// baseURL is where CoinGecko serves the plan: https://docs.coingecko.com/docs/setting-up-your-api-key
func (p Plan) baseURL() string {
	if p == Pro {
		return "https://pro-api.coingecko.com/api/v3"
	}
	return "https://api.coingecko.com/api/v3"
}

// limits is the quota to keep where none is configured. CoinGecko changes its limits without notice
// (https://docs.coingecko.com/docs/errors-and-rate-limits), so these are the lowest that were seen: keyless callers are
// let through 5 to 15 times a minute, Demo has 30 calls a minute on its older pages and 10,000 a month, and the
// smallest paid plan, Basic, 250 a minute and 100,000 a month.
func (p Plan) limits() []Rate {
	const minute, month = time.Minute, 30 * 24 * time.Hour
	switch p {
	case Pro:
		return []Rate{{250, minute}, {100_000, month}}
	case Demo:
		return []Rate{{30, minute}, {10_000, month}}
	default:
		return []Rate{{10, minute}}
	}
}

// freeLimits are the quotas to keep with providers whose free access has a documented limit:
// https://docs.coinmetrics.io/cm-api-spec/rate-limits and https://docs.coinpaprika.com/api-reference. What another
// provider allows is told by its plan or by nobody, and has no default.
func freeLimits() map[string][]Rate {
	return map[string][]Rate{
		coinmetrics: {{10, 6 * time.Second}},
		coinpaprika: {{20_000, 30 * 24 * time.Hour}},
	}
}
