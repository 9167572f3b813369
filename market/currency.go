package market

import (
	"errors"
	"io"
	"slices"
	"strings"
)

// Currency is a vs currency in lower case, as CoinGecko spells it: "usd".
type Currency string

// allCurrencies are CoinGecko's 63 vs currencies of September 2026 (its /simple/supported_vs_currencies); the enum
// Currency in schema.graphqls lists the same, which a test checks.
var allCurrencies = strings.Fields(`
	btc eth ltc bch bnb eos xrp xlm link dot yfi sol bits sats
	usd aed ars aud bdt bhd bmd brl cad chf clp cny czk dkk eur gbp gel hkd huf idr ils inr jpy krw kwd lkr
	mmk mxn myr ngn nok nzd php pkr pln rub sar sek sgd thb try twd uah vef vnd zar
	xdr xag xau`)

// AllCurrencies is a fresh list of every currency that can be asked for.
func AllCurrencies() []Currency {
	out := make([]Currency, len(allCurrencies))
	for i, c := range allCurrencies {
		out[i] = Currency(c)
	}
	return out
}

// ParseCurrency reads a currency's code in either case; the domain has it in lower case.
func ParseCurrency(s string) (Currency, bool) {
	s = strings.ToLower(s)
	return Currency(s), slices.Contains(allCurrencies, s)
}

// MarshalGQL writes the GraphQL enum value, in upper case.
func (c Currency) MarshalGQL(w io.Writer) {
	_, _ = io.WriteString(w, `"`+strings.ToUpper(string(c))+`"`)
}

// UnmarshalGQL reads the GraphQL enum value. The schema's enum has already refused all others.
func (c *Currency) UnmarshalGQL(v any) error {
	s, _ := v.(string)
	parsed, ok := enumCurrencies[s]
	if !ok {
		return errCurrency
	}
	*c = parsed
	return nil
}

var errCurrency = errors.New("not a currency")

// enumCurrencies are the currencies by their GraphQL enum values.
var enumCurrencies = func() map[string]Currency {
	byEnum := make(map[string]Currency, len(allCurrencies))
	for _, c := range AllCurrencies() {
		byEnum[strings.ToUpper(string(c))] = c
	}
	return byEnum
}()
