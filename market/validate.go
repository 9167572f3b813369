package market

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/coingraph/coingraph/fault"
	"github.com/coingraph/coingraph/relay"
)

// The most that one question may ask for.
const (
	MaxAssets     = 250
	MaxCurrencies = 50
	maxSearch     = 100
	maxFields     = 20 // invalid elements of a list that are named one by one
)

// CheckAssets names what is wrong with a list of asset ids.
func CheckAssets(field string, ids []string) []fault.Field {
	switch {
	case len(ids) == 0:
		return []fault.Field{{Field: field, Message: "must name at least one asset"}}
	case len(ids) > MaxAssets:
		return []fault.Field{{Field: field, Message: fmt.Sprintf("must name at most %d assets", MaxAssets)}}
	}
	var bad []fault.Field
	for i, id := range ids {
		if !ValidAssetID(id) && len(bad) < maxFields {
			bad = append(bad, fault.Field{Field: fmt.Sprintf("%s[%d]", field, i), Message: AssetIDMessage})
		}
	}
	return bad
}

// CheckAsset names what is wrong with an asset id.
func CheckAsset(field, id string) []fault.Field {
	if ValidAssetID(id) {
		return nil
	}
	return []fault.Field{{Field: field, Message: AssetIDMessage}}
}

// CheckCurrencies names what is wrong with a list of currencies.
func (s *Service) CheckCurrencies(field string, currencies []Currency) []fault.Field {
	switch {
	case len(currencies) == 0:
		return []fault.Field{{Field: field, Message: "must name at least one currency"}}
	case len(currencies) > MaxCurrencies:
		return []fault.Field{{Field: field, Message: fmt.Sprintf("must name at most %d currencies", MaxCurrencies)}}
	}
	for _, c := range currencies {
		if bad := s.CheckCurrency(field, c); bad != nil {
			return bad
		}
	}
	return nil
}

// CheckCurrency names what is wrong with a currency, and lists those that can be asked for.
func (s *Service) CheckCurrency(field string, c Currency) []fault.Field {
	if s.whitelist[c] {
		return nil
	}
	return []fault.Field{{Field: field, Message: "must be one of " + s.currencyList}}
}

// CheckMetric names what is wrong with an on-chain metric's name.
func CheckMetric(field string, m Metric) []fault.Field {
	if m.Valid() {
		return nil
	}
	return []fault.Field{{Field: field, Message: "must be an on-chain metric"}}
}

// CheckChart names what is wrong with a series' days and interval.
func CheckChart(days Days, interval Interval) []fault.Field {
	var bad []fault.Field
	if !days.Valid() {
		bad = append(bad, fault.Field{Field: "days", Message: DaysMessage})
	}
	if !interval.Valid() {
		bad = append(bad, fault.Field{Field: "interval", Message: "must be daily or hourly"})
	}
	return bad
}

// Check names what is wrong with a freshness.
func (in *FreshnessInput) Check() []fault.Field {
	if in == nil {
		return nil
	}
	var bad []fault.Field
	for _, f := range []struct {
		name  string
		value *int
	}{{"maxAgeSeconds", in.MaxAgeSeconds}, {"staleIfErrorSeconds", in.StaleIfErrorSeconds}} {
		if f.value != nil && *f.value < 0 {
			bad = append(bad, fault.Field{Field: "freshness." + f.name, Message: "must not be negative"})
		}
	}
	return bad
}

// CheckAssetQuery names what is wrong with a question for assets.
func CheckAssetQuery(ids []string, search *string, first *int, after *string) []fault.Field {
	var bad []fault.Field
	if ids != nil {
		bad = CheckAssets("ids", ids)
	}
	if search != nil && (utf8.RuneCountInString(*search) > maxSearch || !utf8.ValidString(*search) || strings.ContainsRune(*search, 0)) {
		bad = append(bad, fault.Field{Field: "search", Message: fmt.Sprintf("must be a text of at most %d characters", maxSearch)})
	}
	_, badFirst := relay.First(first)
	_, badAfter := relay.After(after)
	return append(append(bad, badFirst...), badAfter...)
}
