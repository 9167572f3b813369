package compiled

import (
	"slices"

	"github.com/vektah/gqlparser/v2/ast"

	"github.com/coingraph/coingraph/market"
	"github.com/coingraph/coingraph/relay"
)

// argument is where an argument's value comes from.
type argument struct {
	given    bool
	variable string // "": it is the literal, or the list
	list     []argument
	literal  any // as gqlparser reads it
}

// variables are a request's, as their JSON was read, and the defaults of the operation.
type variables struct {
	given    map[string]any
	defaults map[string]any
}

// value is the argument's value; not ok where only the executor knows what it is.
func (a *argument) value(v variables) (value any, ok bool) {
	switch {
	case a.variable != "":
		value, ok = v.given[a.variable]
		if !ok {
			value, ok = v.defaults[a.variable]
		}
		return value, ok && value != nil
	case a.list != nil:
		items := make([]any, len(a.list))
		for i := range a.list {
			if items[i], ok = a.list[i].value(v); !ok {
				return nil, false
			}
		}
		return items, true
	}
	return a.literal, a.literal != nil
}

// arguments are those of a field by name, with the schema's defaults.
type arguments map[string]*argument

// compileArguments fails for values that are made of variables in a way that argument does not know.
func compileArguments(f *ast.Field) (arguments, bool) {
	args := make(arguments, len(f.Definition.Arguments))
	for _, d := range f.Definition.Arguments {
		a, ok := &argument{}, true
		if given := f.Arguments.ForName(d.Name); given != nil {
			a, ok = compileValue(given.Value)
		} else if d.DefaultValue != nil {
			a, ok = compileValue(d.DefaultValue)
			a.given = false
		}
		if !ok {
			return nil, false
		}
		args[d.Name] = a
	}
	return args, true
}

func compileValue(v *ast.Value) (*argument, bool) {
	switch v.Kind {
	case ast.Variable:
		return &argument{given: true, variable: v.Raw}, true
	case ast.ListValue:
		if !slices.ContainsFunc(v.Children, func(c *ast.ChildValue) bool { return c.Value.Kind == ast.Variable || len(c.Value.Children) > 0 }) {
			break // a literal
		}
		list := make([]argument, len(v.Children))
		for i, c := range v.Children {
			item, ok := compileValue(c.Value)
			if !ok {
				return nil, false
			}
			list[i] = *item
		}
		return &argument{given: true, list: list}, true
	case ast.ObjectValue:
		for _, c := range v.Children {
			if c.Value.Kind == ast.Variable || len(c.Value.Children) > 0 {
				return nil, false
			}
		}
	default:
	}
	literal, err := v.Value(nil)
	return &argument{given: true, literal: literal}, err == nil
}

// has tells whether the argument was written, whatever its value.
func (args arguments) has(name string) bool { return args[name] != nil && args[name].given }

// text is a value that must be a string.
func (args arguments) text(name string, v variables) (string, bool) {
	value, ok := args[name].value(v)
	s, isText := value.(string)
	return s, ok && isText
}

// id is an asset's id that has the form of one.
func (args arguments) id(name string, v variables) (string, bool) {
	s, ok := args.text(name, v)
	return s, ok && market.ValidAssetID(s)
}

// items are the elements of a list, or the single value that stands for a list of one.
func (args arguments) items(name string, v variables) ([]any, bool) {
	value, ok := args[name].value(v)
	if !ok {
		return nil, false
	}
	if items, isList := value.([]any); isList {
		return items, len(items) > 0
	}
	return []any{value}, true
}

// ids are asset ids, as [market.CheckAssets] takes them.
func (args arguments) ids(name string, v variables) ([]string, bool) {
	items, ok := args.items(name, v)
	if !ok || len(items) > market.MaxAssets {
		return nil, false
	}
	ids := make([]string, len(items))
	for i, item := range items {
		s, isText := item.(string)
		if !isText || !market.ValidAssetID(s) {
			return nil, false
		}
		ids[i] = s
	}
	return ids, true
}

// currency is one that may be asked for.
func (args arguments) currency(name string, v variables, service *market.Service) (market.Currency, bool) {
	value, ok := args[name].value(v)
	if !ok {
		return "", false
	}
	return currencyOf(value, service)
}

func currencyOf(value any, service *market.Service) (market.Currency, bool) {
	var c market.Currency
	err := c.UnmarshalGQL(value)
	return c, err == nil && service.Serves(c)
}

func (args arguments) currencies(name string, v variables, service *market.Service) ([]market.Currency, bool) {
	items, ok := args.items(name, v)
	if !ok || len(items) > market.MaxCurrencies {
		return nil, false
	}
	all := make([]market.Currency, len(items))
	for i, item := range items {
		if all[i], ok = currencyOf(item, service); !ok {
			return nil, false
		}
	}
	return all, true
}

// span is how much of a series is asked for.
func (args arguments) span(v variables) (days market.Days, interval market.Interval, ok bool) {
	d, ok := args["days"].value(v)
	if !ok {
		return 0, 0, false
	}
	i, ok := args["interval"].value(v)
	if !ok {
		return 0, 0, false
	}
	errDays, errInterval := days.UnmarshalGQL(d), interval.UnmarshalGQL(i)
	return days, interval, errDays == nil && errInterval == nil && market.CheckChart(days, interval) == nil
}

// freshness is what is written in the document; one in a variable is left to the executor.
func (args arguments) freshness() (*market.FreshnessInput, bool) {
	if !args.has("freshness") {
		return nil, true
	}
	fields, ok := args["freshness"].literal.(map[string]any)
	if !ok {
		return nil, false
	}
	var in market.FreshnessInput
	for name, into := range map[string]**int{"maxAgeSeconds": &in.MaxAgeSeconds, "staleIfErrorSeconds": &in.StaleIfErrorSeconds} {
		if value := fields[name]; value != nil {
			n, err := relay.UnmarshalInt(value)
			if err != nil {
				return nil, false
			}
			*into = &n
		}
	}
	return &in, in.Check() == nil
}
