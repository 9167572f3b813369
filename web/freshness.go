package web

import (
	"math"
	"strconv"

	"github.com/coingraph/coingraph/market"
)

// What GraphQL's argument freshness says, for REST.
var (
	maxAgeParameter = parameter{
		name: "max_age", values: secondsValues(),
		description: "Serve a stored value up to so many seconds old without asking a provider. Values below the server's own TTL count as that TTL, except for admins.",
	}
	staleIfErrorParameter = parameter{
		name: "stale_if_error", values: secondsValues(),
		description: "If no provider answers, serve a stored value that is up to so many seconds older; `stale` says so then. Without it, a failure is an error.",
	}
)

func secondsValues() values {
	return integerValues(0, math.MaxInt32, "must be a whole number of seconds, 0 to 2147483647")
}

// freshnessOf is the age of data that the caller consents to; nil: the rule for everybody.
func freshnessOf(p *parameters) *market.FreshnessInput {
	maxAge, staleIfError := p.text("max_age"), p.text("stale_if_error")
	if maxAge == "" && staleIfError == "" {
		return nil
	}
	seconds := func(text string) *int {
		n, err := strconv.Atoi(text)
		if err != nil {
			return nil // absent: what is no number was refused
		}
		return &n
	}
	return &market.FreshnessInput{MaxAgeSeconds: seconds(maxAge), StaleIfErrorSeconds: seconds(staleIfError)}
}
