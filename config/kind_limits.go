package config

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
)

var (
	rate           = kind[Rate]{"a number and a duration, such as 300/1m", parseRate}
	rateLimits     = kind[[]RateLimit]{"tier/endpoint=number separated by commas, the endpoint * or " + oneOfWords(endpoints[:]), parseRateLimits}
	queryLimits    = kind[[]RateLimit]{"tier/limit=number separated by commas, the limit " + oneOfWords(queryLimitNames[:]), parseQueryLimits}
	upstreamLimits = kind[map[string][]Rate]{"provider=number/duration separated by commas, several with + between, such as coingecko=30/1m+10000/720h", parseUpstreamLimits}
	apiKeys        = kind[[]APIKey]{"name:tier:secret separated by commas", parseAPIKeys}
)

// endpoints are what rate limits count.
var endpoints = [...]string{"simple_price", "market_chart", "on_chain_metric", "log_export"}

// queryLimitNames are what a GraphQL operation is measured by.
var queryLimitNames = [...]string{"tokens", "depth", "aliases", "directives", "selections", "cost"}

var providers = [...]string{coingecko, cryptoquant, coinmetrics, coinpaprika, binance}

func parseRate(text string) (Rate, error) {
	number, per, found := strings.Cut(text, "/")
	if !found {
		return Rate{}, errors.New("has no /")
	}
	n, err := parseWhole(number, 1, math.MaxInt32)
	if err != nil {
		return Rate{}, errors.New("has a number that is not a whole one above 0")
	}
	d, err := parseWindow(per)
	if err != nil {
		return Rate{}, errors.New("has a duration that is not one of whole seconds above 0")
	}
	return Rate{n, d}, nil
}

func parseRateLimits(text string) ([]RateLimit, error) {
	return parseTierLimits(text, "an endpoint", append(endpoints[:], Every))
}

func parseQueryLimits(text string) ([]RateLimit, error) {
	return parseTierLimits(text, "a limit", queryLimitNames[:])
}

func parseTierLimits(text, what string, names []string) ([]RateLimit, error) {
	type rule struct{ tier, name string }
	seen := map[rule]bool{}
	return parseList(text, func(item string) (RateLimit, error) {
		left, number, found := strings.Cut(item, "=")
		tier, name, both := strings.Cut(left, "/")
		n, err := parseWhole(number, 1, math.MaxInt32)
		switch {
		case !found || !both:
			return RateLimit{}, errors.New("has another form")
		case !tierForm.MatchString(tier):
			return RateLimit{}, errors.New("has a tier that is none")
		case !slices.Contains(names, name):
			return RateLimit{}, errors.New("has " + what + " that is none")
		case err != nil:
			return RateLimit{}, errors.New("has a number that is not a whole one above 0")
		case seen[rule{tier, name}]:
			return RateLimit{}, errors.New("has a tier and " + strings.TrimPrefix(strings.TrimPrefix(what, "an "), "a ") + " that were there already")
		}
		seen[rule{tier, name}] = true
		return RateLimit{tier, name, n}, nil
	})
}

func parseUpstreamLimits(text string) (map[string][]Rate, error) {
	limits := map[string][]Rate{}
	for i, item := range strings.Split(text, ",") {
		provider, quota, found := strings.Cut(strings.TrimSpace(item), "=")
		switch {
		case !found:
			return nil, fmt.Errorf("item %d has no =", i+1)
		case !slices.Contains(providers[:], provider):
			return nil, fmt.Errorf("item %d has a provider that is none of %s", i+1, oneOfWords(providers[:]))
		case limits[provider] != nil:
			return nil, fmt.Errorf("item %d has a provider that was there already", i+1)
		}
		for _, part := range strings.Split(quota, "+") {
			r, err := parseRate(part)
			if err != nil {
				return nil, fmt.Errorf("item %d %w", i+1, err)
			}
			if slices.ContainsFunc(limits[provider], func(o Rate) bool { return o.Per == r.Per }) {
				return nil, fmt.Errorf("item %d has two numbers for one duration", i+1)
			}
			limits[provider] = append(limits[provider], r)
		}
	}
	return limits, nil
}

// quota is a provider's limits in the syntax of UPSTREAM_LIMITS.
func quota(provider string, limits []Rate) string {
	parts := make([]string, len(limits))
	for i, r := range limits {
		per := r.Per.String()
		for _, zero := range []string{"m0s", "h0m"} {
			if strings.HasSuffix(per, zero) {
				per = per[:len(per)-2]
			}
		}
		parts[i] = fmt.Sprintf("%d/%s", r.Max, per)
	}
	return provider + "=" + strings.Join(parts, "+")
}

// parseAPIKeys reads keys. A key travels in a header, so its secret is visible ASCII; colons are part of it.
func parseAPIKeys(text string) ([]APIKey, error) {
	items := strings.Split(text, ",")
	keys := make([]APIKey, 0, len(items))
	names, secrets := map[string]bool{}, map[string]bool{}
	for i, item := range items {
		parts := strings.SplitN(strings.TrimSpace(item), ":", 3)
		if len(parts) != 3 {
			return nil, fmt.Errorf("key %d has not three parts", i+1)
		}
		name, tier := parts[0], parts[1]
		secret, err := parseWord(parts[2])
		switch {
		case !keyNameForm.MatchString(name):
			return nil, fmt.Errorf("key %d has a name of other characters than letters, digits and . _ -", i+1)
		case !tierForm.MatchString(tier):
			return nil, fmt.Errorf("key %d has a tier of other characters than lower-case letters, digits and _ -", i+1)
		case err != nil:
			return nil, fmt.Errorf("key %d has a secret that %w", i+1, err)
		case names[name]:
			return nil, fmt.Errorf("key %d has a name that was there already", i+1)
		case secrets[secret]:
			return nil, fmt.Errorf("key %d has a secret that was there already", i+1)
		}
		names[name], secrets[secret] = true, true
		keys = append(keys, APIKey{name, tier, NewSecret(secret)})
	}
	return keys, nil
}
