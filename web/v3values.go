package web

import (
	"fmt"
	"slices"
	"strings"

	"github.com/coingraph/coingraph/fault"
	"github.com/coingraph/coingraph/market"
	"github.com/coingraph/coingraph/resolvers"
	"github.com/coingraph/coingraph/web/gecko"
	"github.com/coingraph/coingraph/web/openapi"
)

// isMissing is what a required parameter is that is not there.
const isMissing = "is missing"

// given refuses an absent value, and asks the check about any other.
func given(v values) values {
	check := v.check
	v.check = func(field string, a argument) []fault.Field {
		switch {
		case a.text == "":
			return []fault.Field{{Field: field, Message: isMissing}}
		case check == nil:
			return nil
		}
		return check(field, a)
	}
	return v
}

func bad(field, message string) []fault.Field {
	return []fault.Field{{Field: field, Message: message}}
}

// geckoID is a path's asset. What is wrong with it is a wrong path, which the handler says.
var geckoID = parameter{
	name: "id", inPath: true, required: true, values: values{schema: assetSchema()}, example: "bitcoin",
	description: "CoinGecko's asset id, of `/coins/list`.",
}

// assetOf is the asset that the path names. A malformed id is no asset that is unknown, but a path that is.
func assetOf(p *parameters) (string, error) {
	id := p.text("id")
	if !market.ValidAssetID(id) {
		return "", errIncorrectPath
	}
	return id, nil
}

// currencyParameter is the one currency of an endpoint, in either case.
func (h *Handler) geckoCurrency() parameter {
	return parameter{name: "vs_currency", required: true, values: given(h.currencyValues()), example: "usd", description: "The currency to quote in."}
}

func vsCurrency(p *parameters) market.Currency {
	c, _ := market.ParseCurrency(p.text("vs_currency")) // checked
	return c
}

// flagParameter is true for "true", and false for all else, as CoinGecko reads it.
func flagParameter(name, description string) parameter {
	return parameter{name: name, values: values{schema: &openapi.Schema{Type: openapi.Types{"boolean"}}}, example: "true", description: description}
}

func flag(p *parameters, name string) bool { return gecko.Flag(p.text(name)) }

const maxWord = 128 // bytes of a name: more than any of CoinGecko's has

// wordListValues are ids, names or symbols. Those that are unknown are left out, so their form is not looked at.
func wordListValues(most int) values {
	return values{
		schema: &openapi.Schema{Type: openapi.Types{"array"}, Items: &openapi.Schema{Type: openapi.Types{"string"}, MaxLength: maxWord}, MaxItems: most},
		list:   most + 1,
		check: func(field string, a argument) []fault.Field {
			if len(a.list) > most {
				return bad(field, fmt.Sprintf("must name at most %d", most))
			}
			if slices.ContainsFunc(a.list, func(w string) bool { return len(w) > maxWord || strings.ContainsFunc(w, unprintable) }) {
				return bad(field, fmt.Sprintf("must be words of at most %d bytes", maxWord))
			}
			return nil
		},
	}
}

func unprintable(r rune) bool { return r < ' ' || r == 0x7f || r == '\uFFFD' }

// words are the elements of a list, without the blanks around them, each once.
func words(p *parameters, name string) []string {
	list := p.list(name)
	if len(list) == 0 {
		return nil
	}
	out := make([]string, 0, len(list))
	for _, w := range list {
		if w = strings.TrimSpace(w); w != "" && !slices.Contains(out, w) {
			out = append(out, w)
		}
	}
	return out
}

// selection are the parameters that name assets, of which the first that is there counts.
func selection() []parameter {
	list := wordListValues(resolvers.MaxWords)
	return []parameter{
		{name: "ids", values: list, example: "bitcoin,ethereum", description: "Asset ids, separated by commas. Those that are unknown are left out."},
		{name: "names", values: list, description: "Names instead of ids, such as `Bitcoin`."},
		{name: "symbols", values: list, description: "Symbols instead of ids, such as `btc`; of assets that share one, the largest by market capitalisation is meant."},
		{name: "include_tokens", values: wordValues("top"), description: "Which of the assets that share a symbol. CoinGecko's `all` is not served."},
	}
}

// selected is what the parameters of selection name.
func selected(p *parameters) (market.Naming, []string) {
	for by, name := range []string{market.ByID: "ids", market.ByName: "names", market.BySymbol: "symbols"} {
		if list := words(p, name); len(list) > 0 {
			return market.Naming(by), list
		}
	}
	return market.ByID, nil
}

var precisionParameter = parameter{
	name: "precision", example: "full", description: "How many decimals prices have: `full` or 0 to 18.",
	values: values{
		schema: &openapi.Schema{OneOf: []*openapi.Schema{
			{Type: openapi.Types{"string"}, Const: "full"},
			{Type: openapi.Types{"integer"}, Minimum: new(0.0), Maximum: new(float64(gecko.MaxDecimals))},
		}},
		check: func(field string, a argument) []fault.Field {
			if _, ok := gecko.ParsePrecision(a.text); !ok {
				return bad(field, "must be full, or a whole number from 0 to 18")
			}
			return nil
		},
	},
}

// precision is the precision asked for, or the fallback.
func precision(p *parameters, fallback gecko.Precision) gecko.Precision {
	if n, ok := gecko.ParsePrecision(p.text("precision")); ok {
		return n
	}
	return fallback
}

const spanMessage = "must be a number of days above 0, such as 7 or 0.5, or max"

func spanValues() values {
	return given(values{
		schema: &openapi.Schema{OneOf: []*openapi.Schema{
			{Type: openapi.Types{"number"}, ExclusiveMinimum: new(0.0), Maximum: new(float64(gecko.MaxSpan))},
			{Type: openapi.Types{"string"}, Const: "max"},
		}},
		check: func(field string, a argument) []fault.Field {
			if _, _, ok := gecko.Span(a.text); !ok {
				return bad(field, spanMessage)
			}
			return nil
		},
	})
}

const momentMessage = "must be Unix seconds, or an ISO date with or without a time: 2026-01-31, 2026-01-31T12:00"

func momentValues() values {
	return given(values{
		schema: &openapi.Schema{OneOf: []*openapi.Schema{
			{Type: openapi.Types{"integer"}}, {Type: openapi.Types{"string"}, Format: "date"}, {Type: openapi.Types{"string"}, Pattern: `^\d{4}-\d\d-\d\dT\d\d:\d\d`},
		}},
		check: func(field string, a argument) []fault.Field {
			if _, ok := gecko.Moment(a.text); !ok {
				return bad(field, momentMessage)
			}
			return nil
		},
	})
}

// pageValues are positive whole numbers; what is above the most counts as that.
func pageValues(most int) values {
	return values{
		schema: &openapi.Schema{Type: openapi.Types{"integer"}, Minimum: new(1.0)},
		check: func(field string, a argument) []fault.Field {
			if _, ok := gecko.Page(a.text, most); !ok {
				return bad(field, "must be a whole number from 1 on")
			}
			return nil
		},
	}
}
