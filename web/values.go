package web

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/coingraph/coingraph/audit"
	"github.com/coingraph/coingraph/fault"
	"github.com/coingraph/coingraph/market"
	"github.com/coingraph/coingraph/web/openapi"
)

// The sets of values that parameters take. Where the domain has a check of its own, the same that GraphQL's arguments go
// through, it is that check.

func assetValues() values {
	return values{
		schema: assetSchema(),
		check:  func(field string, a argument) []fault.Field { return market.CheckAsset(field, a.text) },
	}
}

func assetListValues() values {
	return values{
		schema: listSchema(assetSchema(), market.MaxAssets),
		list:   market.MaxAssets + 1, // one more than allowed, so that the check still says what is wrong
		check:  func(field string, a argument) []fault.Field { return market.CheckAssets(field, a.list) },
	}
}

func assetSchema() *openapi.Schema {
	return &openapi.Schema{Type: openapi.Types{"string"}, MinLength: 1, MaxLength: 128, Pattern: `^[a-z0-9_\[\]-][a-z0-9_.\[\] -]*$`}
}

func listSchema(items *openapi.Schema, most int) *openapi.Schema {
	return &openapi.Schema{Type: openapi.Types{"array"}, Items: items, MinItems: 1, MaxItems: most}
}

// currencyValues are the currencies of the whitelist.
func (h *Handler) currencyValues() values {
	service := h.opts.Resolver.Market
	return values{
		schema: h.currencySchema(),
		check: func(field string, a argument) []fault.Field {
			c, _ := market.ParseCurrency(a.text)
			return service.CheckCurrency(field, c)
		},
	}
}

func (h *Handler) currencyListValues() values {
	service := h.opts.Resolver.Market
	return values{
		schema: listSchema(h.currencySchema(), market.MaxCurrencies),
		list:   market.MaxCurrencies + 1,
		check: func(field string, a argument) []fault.Field {
			return service.CheckCurrencies(field, currenciesOf(a.list))
		},
	}
}

func (h *Handler) currencySchema() *openapi.Schema {
	codes := h.opts.Resolver.Market.Currencies()
	schema := &openapi.Schema{Type: openapi.Types{"string"}, Enum: make([]any, len(codes))}
	for i, c := range codes {
		schema.Enum[i] = string(c)
	}
	return schema
}

// currenciesOf reads currencies in either case; the whitelist refuses what is none.
func currenciesOf(codes []string) []market.Currency {
	currencies := make([]market.Currency, len(codes))
	for i, code := range codes {
		currencies[i], _ = market.ParseCurrency(code)
	}
	return currencies
}

func daysValues() values {
	return values{schema: daysSchema(), check: func(field string, a argument) []fault.Field {
		if market.ParseDays(a.text).Valid() {
			return nil
		}
		return []fault.Field{{Field: field, Message: market.DaysMessage}}
	}}
}

func daysSchema() *openapi.Schema {
	return &openapi.Schema{OneOf: []*openapi.Schema{
		{Type: openapi.Types{"integer"}, Minimum: new(1.0), Maximum: new(float64(market.MaxDays))},
		{Type: openapi.Types{"string"}, Const: "max"},
	}}
}

// wordValues are some words, spelt exactly so.
func wordValues(words ...string) values {
	schema := &openapi.Schema{Type: openapi.Types{"string"}}
	for _, w := range words {
		schema.Enum = append(schema.Enum, w)
	}
	last := len(words) - 1
	message := "must be " + strings.Join(words[:last], ", ") + " or " + words[last]
	if last == 0 {
		message = "must be " + words[0]
	}
	return values{schema: schema, check: func(field string, a argument) []fault.Field {
		if slices.Contains(words, a.text) {
			return nil
		}
		return []fault.Field{{Field: field, Message: message}}
	}}
}

func intervalValues() values { return wordValues(market.Daily.String(), market.Hourly.String()) }

// levelValues are the levels of the log, in either case.
func levelValues() values {
	words := wordValues(string(audit.Debug), string(audit.Info), string(audit.Warn), string(audit.Error))
	exactly := words.check
	words.check = func(field string, a argument) []fault.Field {
		a.text = strings.ToUpper(a.text)
		return exactly(field, a)
	}
	return words
}

// integerValues are the whole numbers from least to most, in decimal digits; the message says what else is refused.
func integerValues(least, most int, message string) values {
	return values{
		schema: &openapi.Schema{Type: openapi.Types{"integer"}, Minimum: new(float64(least)), Maximum: new(float64(most))},
		check: func(field string, a argument) []fault.Field {
			if n, err := strconv.Atoi(a.text); err == nil && n >= least && n <= most {
				return nil
			}
			return []fault.Field{{Field: field, Message: message}}
		},
	}
}

func instantValues() values {
	return values{
		schema: &openapi.Schema{Type: openapi.Types{"string"}, Format: "date-time"},
		check: func(field string, a argument) []fault.Field {
			if _, err := time.Parse(time.RFC3339, a.text); err == nil {
				return nil
			}
			return []fault.Field{{Field: field, Message: "must be an instant, RFC 3339: 2026-01-31T00:00:00Z"}}
		},
	}
}

// filterTextValues are the texts of a log filter. [audit.Filter.Check] holds them against the pattern.
func filterTextValues(pattern string) values {
	return values{schema: &openapi.Schema{Type: openapi.Types{"string"}, Pattern: pattern}}
}

// linkValues are the parameters of a download link, which its signature is for.
func linkValues() values { return values{schema: &openapi.Schema{Type: openapi.Types{"string"}}} }
