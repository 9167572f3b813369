package coingecko

import (
	"net/http"
	"time"
)

// Plan is what was bought at CoinGecko. Keys of the plans look alike, so it has to be said.
type Plan string

// The plans. Every paid plan is [Pro].
const (
	Public Plan = "public" // without a key
	Demo   Plan = "demo"
	Pro    Plan = "pro"
)

const day = 24 * time.Hour

// access is what a plan gives. https://docs.coingecko.com/docs/setting-up-your-api-key has hosts and headers,
// https://www.coingecko.com/en/api/pricing the history.
type access struct {
	baseURL   string
	keyHeader string        // canonical; "": no key is sent
	reach     time.Duration // how far back history goes; 0: to its beginning
}

func accessOf(p Plan) (access, bool) {
	const host, proHost = "https://api.coingecko.com/api/v3", "https://pro-api.coingecko.com/api/v3"
	switch p {
	case Public:
		return access{baseURL: host, reach: 365 * day}, true
	case Demo:
		return access{baseURL: host, keyHeader: http.CanonicalHeaderKey("x-cg-demo-api-key"), reach: 365 * day}, true
	case Pro:
		return access{baseURL: proHost, keyHeader: http.CanonicalHeaderKey("x-cg-pro-api-key")}, true
	default:
		return access{}, false
	}
}
