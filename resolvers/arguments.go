package resolvers

import (
	"context"
	"slices"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/coingraph/coingraph/audit"
	"github.com/coingraph/coingraph/fault"
	"github.com/coingraph/coingraph/jobs"
	"github.com/coingraph/coingraph/market"
	"github.com/coingraph/coingraph/relay"
)

// arguments refuses an operation with invalid arguments before anything is executed, and names all of them. It is the
// second half of input coercion: the schema's scalars let through what only the domain can judge.
type arguments struct{ resolver *Resolver }

var _ interface {
	graphql.HandlerExtension
	graphql.OperationContextMutator
} = arguments{}

func (arguments) ExtensionName() string                   { return "Arguments" }
func (arguments) Validate(graphql.ExecutableSchema) error { return nil }

func (a arguments) MutateOperationContext(_ context.Context, op *graphql.OperationContext) *gqlerror.Error {
	w := walker{resolver: a.resolver, variables: op.Variables, seen: make(map[string]bool)}
	w.selections(op.Operation.SelectionSet)
	if err := fault.Invalid(w.bad...); err != nil {
		return &gqlerror.Error{Err: err, Message: err.Error()}
	}
	if notes := a.resolver.deprecations(w.assets); notes != nil {
		op.Stats.SetExtension(deprecations, notes)
	}
	return nil
}

// deprecations is the name under which an answer says which of the assets' ids are old.
const deprecations = "deprecations"

// deprecation says under which id an asset is to be asked for from now on.
type deprecation struct {
	Asset     string `json:"asset"`
	RenamedTo string `json:"renamedTo"`
}

func (r *Resolver) deprecations(assets []string) []deprecation {
	var notes []deprecation
	for _, id := range assets {
		if now, old := r.Market.RenamedTo(id); old && !slices.Contains(notes, deprecation{id, now}) {
			notes = append(notes, deprecation{id, now})
		}
	}
	return notes
}

// assetsOf are the ids of assets that a field is asked about.
func assetsOf(args map[string]any) []string {
	var ids []string
	for _, name := range []string{"asset", "assets", "id", "ids"} {
		if v := args[name]; v != nil {
			ids = append(ids, list(v, id)...)
		}
	}
	if columns, ok := args["columns"].([]any); ok {
		for _, c := range columns {
			if column, ok := c.(map[string]any); ok {
				ids = append(ids, id(column["asset"]))
			}
		}
	}
	return ids
}

// walker visits each field of an operation once, and each fragment once however often it is spread.
type walker struct {
	resolver  *Resolver
	variables map[string]any
	seen      map[string]bool
	bad       []fault.Field
	assets    []string
}

func (w *walker) selections(set ast.SelectionSet) {
	for _, s := range set {
		switch s := s.(type) {
		case *ast.Field:
			if len(s.Definition.Arguments) > 0 {
				w.field(s)
			}
			w.selections(s.SelectionSet)
		case *ast.InlineFragment:
			w.selections(s.SelectionSet)
		case *ast.FragmentSpread:
			if !w.seen[s.Name] {
				w.seen[s.Name] = true
				w.selections(s.Definition.SelectionSet)
			}
		}
	}
}

func (w *walker) field(f *ast.Field) {
	args := f.ArgumentMap(w.variables)
	r := w.resolver
	if f.ObjectDefinition.Name == "Query" {
		w.assets = append(w.assets, assetsOf(args)...)
	}
	var bad []fault.Field
	switch f.ObjectDefinition.Name + "." + f.Name {
	case "Query.simplePrice":
		freshness, badFreshness := freshnessArg(args["freshness"])
		bad = append(badFreshness, r.checkPrices(list(args["assets"], id), list(args["currencies"], currency), freshness)...)
	case "Query.marketChart":
		freshness, badFreshness := freshnessArg(args["freshness"])
		bad = append(badFreshness, r.checkChart(chartArgs(id(args["asset"]), args), freshness)...)
	case "Asset.price":
		bad = r.Market.CheckCurrency("currency", currency(args["currency"]))
	case "Asset.chart":
		req := chartArgs("", args)
		bad = append(r.Market.CheckCurrency("currency", req.Currency), market.CheckChart(req.Days, req.Interval)...)
	case "Query.onChainMetric":
		bad = checkMetric(metricArgs(id(args["asset"]), args))
	case "Asset.onChain":
		bad = market.CheckChart(spanArgs(args))
	case "Query.grid":
		bad = r.Market.CheckGrid(gridArgs(args))
	case "Query.asset":
		bad = market.CheckAsset("id", id(args["id"]))
	case "Query.assets":
		var ids []string
		if args["ids"] != nil {
			ids = list(args["ids"], id)
		}
		first, badFirst := integer("first", args["first"])
		bad = append(badFirst, market.CheckAssetQuery(ids, text(args["search"]), first, text(args["after"]))...)
	case "Query.quarantine":
		first, badFirst := integer("first", args["first"])
		bad = append(badFirst, market.CheckQuarantine(first, text(args["after"]))...)
	case "Query.logExport":
		filter, badFilter := filterArg(args["filter"])
		first, badFirst := integer("first", args["first"])
		bad = append(append(badFilter, badFirst...), checkLogs(filter, first, text(args["after"]))...)
	case "Query.jobs":
		first, badFirst := integer("first", args["first"])
		bad = append(badFirst, jobs.CheckPage(first, text(args["after"]))...)
	case "Query.gaps":
		bad = r.Jobs.Check(jobArgs(args))
	case "Mutation.refresh":
		bad = jobs.CheckKey(text(args["idempotencyKey"]))
	case "Mutation.backfill":
		bad = append(r.Jobs.Check(jobArgs(args)), jobs.CheckKey(text(args["idempotencyKey"]))...)
	case "Mutation.createApiKey":
		_, bad = instant("expiresAt", args["expiresAt"])
	}
	for _, b := range bad {
		if f.Alias != f.Name {
			b.Field = f.Alias + "." + b.Field // which of several, where the caller told them apart
		}
		w.bad = append(w.bad, b)
	}
}

// The readers below take a coerced argument for what its type says; what does not fit becomes a value that the checks
// refuse.

func list[T any](v any, read func(any) T) []T {
	items, ok := v.([]any)
	if !ok {
		items = []any{v} // a single value stands for a list of one
	}
	out := make([]T, len(items))
	for i, item := range items {
		out[i] = read(item)
	}
	return out
}

func id(v any) string {
	s, err := graphql.UnmarshalID(v)
	if err != nil {
		return ""
	}
	return s
}

func currency(v any) market.Currency {
	var c market.Currency
	if err := c.UnmarshalGQL(v); err != nil {
		return ""
	}
	return c
}

func chartArgs(asset string, args map[string]any) market.ChartRequest {
	req := market.ChartRequest{SeriesKey: market.SeriesKey{Asset: asset, Currency: currency(args["currency"])}}
	req.Days, req.Interval = spanArgs(args)
	return req
}

func metricArgs(asset string, args map[string]any) market.MetricRequest {
	req := market.MetricRequest{SeriesKey: market.SeriesKey{Asset: asset}}
	_ = req.Metric.UnmarshalGQL(args["metric"])
	req.Days, req.Interval = spanArgs(args)
	return req
}

// spanArgs are how much of a series is asked for.
func spanArgs(args map[string]any) (days market.Days, interval market.Interval) {
	_ = days.UnmarshalGQL(args["days"])
	if err := interval.UnmarshalGQL(args["interval"]); err != nil {
		interval = 0
	}
	return days, interval
}

func jobArgs(args map[string]any) jobs.Args {
	a := jobs.Args{Assets: list(args["assets"], id), Currencies: list(args["currencies"], currency)}
	a.Days, a.Interval = spanArgs(args)
	return a
}

func text(v any) *string {
	if s, ok := v.(string); ok {
		return &s
	}
	return nil
}

func integer(name string, v any) (*int, []fault.Field) {
	if v == nil {
		return nil, nil
	}
	i, err := relay.UnmarshalInt(v)
	if err != nil {
		return nil, []fault.Field{{Field: name, Message: err.Error()}}
	}
	return &i, nil
}

func freshnessArg(v any) (*market.FreshnessInput, []fault.Field) {
	fields, ok := v.(map[string]any)
	if !ok {
		return nil, nil
	}
	var in market.FreshnessInput
	var bad, more []fault.Field
	in.MaxAgeSeconds, bad = integer("freshness.maxAgeSeconds", fields["maxAgeSeconds"])
	in.StaleIfErrorSeconds, more = integer("freshness.staleIfErrorSeconds", fields["staleIfErrorSeconds"])
	return &in, append(bad, more...)
}

func filterArg(v any) (*audit.Filter, []fault.Field) {
	fields, _ := v.(map[string]any)
	var f audit.Filter
	var bad []fault.Field
	for _, t := range []struct {
		name string
		into *time.Time
	}{{"from", &f.From}, {"to", &f.To}} {
		at, badInstant := instant("filter."+t.name, fields[t.name])
		bad = append(bad, badInstant...)
		*t.into = at
	}
	status, badStatus := integer("filter.status", fields["status"])
	if status != nil {
		f.Status = *status
	}
	for name, into := range map[string]*string{"event": &f.Event, "key": &f.Key, "provider": &f.Provider, "requestId": &f.RequestID} {
		if s := text(fields[name]); s != nil {
			*into = *s
		}
	}
	return &f, append(bad, badStatus...)
}

func instant(name string, v any) (time.Time, []fault.Field) {
	if v == nil {
		return time.Time{}, nil
	}
	at, err := graphql.UnmarshalTime(v)
	if err != nil {
		return time.Time{}, []fault.Field{{Field: name, Message: "must be an instant, RFC 3339: 2026-01-31T00:00:00Z"}}
	}
	return at, nil
}
