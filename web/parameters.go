package web

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/go-chi/chi/v5"

	"github.com/coingraph/coingraph/fault"
	"github.com/coingraph/coingraph/resolvers"
)

const mustBeOnce = "must be given once"

// parameters are the parameters of a request, and what is wrong with them.
type parameters struct {
	query     url.Values
	bad       []fault.Field
	op        *operation // what declares them, and its arguments in their order
	arguments []argument
	asked     resolvers.Asked // a key for what is kept
}

func parse(r *http.Request) (*parameters, error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, fault.Invalid(fault.Field{Field: "query", Message: "the query string is not well formed"})
	}
	return &parameters{query: query}, nil
}

// one is a parameter of the query that is given at most once; "" if it is absent or given more often.
func (p *parameters) one(name string) string {
	values := p.query[name]
	switch {
	case len(values) == 0:
		return ""
	case len(values) > 1:
		p.refuse(name, mustBeOnce)
		return ""
	}
	return values[0]
}

func (p *parameters) refuse(field, message string) {
	p.bad = append(p.bad, fault.Field{Field: field, Message: message})
}

// fields adds to what is wrong with single parameters what a check of several found.
func (p *parameters) fields(err error) error {
	if len(p.bad) == 0 {
		return err
	}
	bad := p.bad
	if f := fault.Of(err); f != nil && f.Kind == fault.BadInput {
		for _, b := range f.Fields {
			if !slices.ContainsFunc(bad, func(have fault.Field) bool { return have.Field == b.Field }) {
				bad = append(bad, b)
			}
		}
	}
	return fault.Invalid(bad...)
}

// pathParameter is a part of the path, unescaped; "" if it is badly escaped, which no check takes for a value.
func pathParameter(r *http.Request, name string) string {
	value := chi.URLParam(r, name)
	if r.URL.RawPath == "" { // chi matched the path that net/http has unescaped
		return value
	}
	value, err := url.PathUnescape(value)
	if err != nil {
		return ""
	}
	return value
}

// splitList splits at commas into at most so many parts, of which the last may hold the rest.
func splitList(s string, most int) []string {
	if s == "" {
		return nil
	}
	return strings.SplitN(s, ",", most)
}
