package resolvers

import (
	"context"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/handler/lru"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/lexer"

	"github.com/coingraph/coingraph/limit"
	"github.com/coingraph/coingraph/loaders"
	"github.com/coingraph/coingraph/market"
	"github.com/coingraph/coingraph/resolvers/compiled"
	"github.com/coingraph/coingraph/telemetry"
)

// document is what is known of a document that was parsed and validated before.
type document struct {
	operation *compiled.Operation // nil: the executor's
	fields    []string            // its root fields
	label     string              // names it in the log
	tokens    int
}

// documents finds them by their text.
type documents struct {
	parsed   graphql.Cache[*ast.QueryDocument] // the executor's, which puts in what is valid
	compiled *lru.LRU[*document]
}

func newDocuments() documents {
	return documents{lru.New[*ast.QueryDocument](cachedDocuments), lru.New[*document](cachedDocuments)}
}

// find is the document of the text, if it has one operation, which has a compiled form; nil: it is the executor's. Not seen
// is one that is new, or not valid.
func (d documents) find(ctx context.Context, query, operation string) (doc *document, seen bool) {
	found, ok := d.compiled.Get(ctx, query)
	if !ok {
		parsed, ok := d.parsed.Get(ctx, query)
		if !ok {
			return nil, false
		}
		found = &document{}
		if len(parsed.Operations) == 1 {
			found.operation = compiled.Compile(parsed.Operations[0])
		}
		if o := found.operation; o != nil {
			found.fields, found.label, found.tokens = o.Fields(), operationName(o.Name(), documentHash(query)), tokensOf(query)
		}
		d.compiled.Add(ctx, query, found)
	}
	if found.operation == nil || operation != "" && operation != found.operation.Name() {
		return nil, true
	}
	return found, true
}

// tokensOf counts the tokens of a document that parses.
func tokensOf(query string) int {
	lex, n := lexer.New(&ast.Source{Input: query}), 0
	for {
		token, err := lex.ReadToken()
		if err != nil || token.Kind == lexer.EOF {
			return n
		}
		n++
	}
}

// outcome is what came of an operation on the quick way.
type outcome uint8

const (
	answered outcome = iota // there is a result
	left                    // it is the executor's
	unseen                  // it is the executor's to parse; then it may be tried again
	charged                 // it is the executor's, its units are taken, and what was looked up lies ready in the request's loaders
)

// quick answers an operation that has a compiled form.
func (g *GraphQL) quick(ctx context.Context, params *graphql.RawParams, limits QueryLimits) (result Result, came outcome) {
	query, ok := g.textOf(ctx, params)
	if !ok {
		return result, left
	}
	doc, seen := g.documents.find(ctx, query, params.OperationName)
	switch {
	case !seen:
		return result, unseen
	case doc == nil:
		return result, left
	}
	service := g.resolver.Market
	hand := service.AtHand()
	q := doc.operation.Bind(service, params.Variables, hand.Now())
	if q == nil || !hand.Ready() || !limits.allow(doc, q) || g.renamed(q) {
		return result, left
	}
	result.Operation = doc.label
	look := lookUp{resolver: g.resolver, question: q, hand: hand, fresh: g.resolver.freshness(ctx, q.Freshness)}
	look.begin(ctx)
	if err := g.resolver.charge(ctx, q.Units); err != nil {
		result.cost = costOf(&work{units: q.Units, cost: q.Cost}, limits)
		return g.refuse(ctx, result, gqlerror.List{{Err: err}}), answered
	}
	observed := g.observeFields(ctx, doc.fields)
	if !look.end(ctx) {
		return result, charged // whose fields are observed there
	}
	result.buffer = buffers.Get().(*[]byte)
	result.Body = q.Append(append(slices.Grow((*result.buffer)[:0], look.size()), `{"data":`...), &look.found)
	result.Body = appendCost(result.Body, q, limits)
	hand.Use(ctx)
	observed()
	result.quick = &operation{label: doc.label, fields: doc.fields, cost: q.Cost, limits: limits}
	if look.current {
		result.quick.expires = hand.Expires()
		if len(look.pairs) == 0 {
			result.made = Made{hand, q.Units}
		}
	}
	return result, answered
}

// textOf is the document's text, which a client may name by its hash.
func (g *GraphQL) textOf(ctx context.Context, params *graphql.RawParams) (string, bool) {
	switch {
	case len(params.Extensions) == 0:
		return params.Query, true
	case len(params.Extensions) > 1 || params.Query != "":
		return "", false
	}
	persisted, _ := params.Extensions["persistedQuery"].(map[string]any)
	hash, _ := persisted["sha256Hash"].(string)
	if version, err := integer("version", persisted["version"]); err != nil || version == nil || *version != 1 {
		return "", false
	}
	return g.persisted.Get(ctx, hash)
}

// allow tells whether the operation is within the limits; what it exceeds is the executor's to say.
func (l QueryLimits) allow(doc *document, q *compiled.Question) bool {
	within := func(most, have int) bool { return most <= 0 || have <= most }
	o := doc.operation
	return within(l.Tokens, doc.tokens) && within(l.Depth, o.Depth) && within(l.Aliases, o.Aliases) && within(l.Selections, o.Selections) && within(l.Cost, q.Cost)
}

// renamed tells whether an asset is asked for by an old id, which the answer has to say.
func (g *GraphQL) renamed(q *compiled.Question) bool {
	old := func(id string) bool { _, old := g.resolver.Market.RenamedTo(id); return old }
	return slices.ContainsFunc(q.Assets, old) ||
		slices.ContainsFunc(q.Pairs, func(p market.Pair) bool { return old(p.Asset) }) ||
		slices.ContainsFunc(q.Charts, func(r market.ChartRequest) bool { return old(r.Asset) }) ||
		slices.ContainsFunc(q.Metrics, func(r market.MetricRequest) bool { return old(r.Asset) })
}

// observeFields begins to measure and trace root fields, and gives what ends it.
func (g *GraphQL) observeFields(ctx context.Context, names []string) (done func()) {
	start := time.Now()
	spans := make([]telemetry.Span, len(names))
	for i, name := range names {
		_, spans[i] = telemetry.StartSpan(ctx, name, "graphql.field", name)
	}
	return func() {
		took := time.Since(start)
		for i, name := range names {
			g.opts.Metrics.Field(name, "", took)
			spans[i].End(nil)
		}
	}
}

// lookUp finds what a question asks for.
type lookUp struct {
	resolver *Resolver
	question *compiled.Question
	hand     *market.Hand
	fresh    market.Freshness
	found    compiled.Found
	current  bool // by the rule for everybody: the answer is good until the first of its values expires

	pairs   []market.Pair // those that are not at hand
	lacking []int         // where they are among the question's; nil: they are all of them
	prices  func() []market.Answer[*market.Price]
	charts  func() []market.Answer[*market.Chart]
	metrics func() []market.Answer[*market.MetricSeries]
}

// begin takes the prices that are at hand, and begins to look up what is not. It counts for nothing before it is ended.
func (l *lookUp) begin(ctx context.Context) {
	q, service := l.question, l.resolver.Market
	l.found.Prices = make([]*market.Price, len(q.Pairs))
	if l.fresh.MaxAge == 0 {
		l.lacking = l.hand.Take(q.Pairs, l.found.Prices)
	}
	if l.fresh.MaxAge > 0 || len(l.lacking) == len(q.Pairs) {
		l.pairs, l.lacking = q.Pairs, nil
	} else if len(l.lacking) > 0 {
		l.pairs = make([]market.Pair, len(l.lacking))
		for i, at := range l.lacking {
			l.pairs[i] = q.Pairs[at]
		}
	}
	l.current = q.Freshness == nil
	if len(l.pairs) > 0 {
		l.prices = service.BeginPrices(ctx, l.pairs, l.fresh)
	}
	if len(q.Charts) > 0 {
		l.charts = service.BeginCharts(ctx, q.Charts, market.Freshness{})
	}
	if len(q.Metrics) > 0 {
		l.metrics = service.BeginMetrics(ctx, q.Metrics, market.Freshness{})
	}
}

// end waits for what was begun: for prices, charts and metrics side by side. It is false where something could not be
// found; then all answers lie ready in the request's loaders.
func (l *lookUp) end(ctx context.Context) bool {
	q := l.question
	for _, id := range q.Assets {
		asset, err := l.resolver.Market.Asset(ctx, id)
		if err != nil {
			return false
		}
		l.found.Assets = append(l.found.Assets, asset)
	}
	prices, charts, metrics := true, true, true
	tasks := make([]func(), 0, 3)
	if l.prices != nil {
		tasks = append(tasks, func() { prices = l.endPrices(ctx) })
	}
	if l.charts != nil {
		tasks = append(tasks, func() {
			answers := l.charts()
			if l.found.Charts, charts = values(answers); !charts {
				loaders.Of(ctx).KeepCharts(q.Charts, answers)
			}
		})
	}
	if l.metrics != nil {
		tasks = append(tasks, func() {
			answers := l.metrics()
			if l.found.Metrics, metrics = values(answers); !metrics {
				loaders.Of(ctx).KeepMetrics(q.Metrics, answers)
			}
		})
	}
	together(tasks)
	if !prices || !charts || !metrics {
		return false
	}
	for _, c := range l.found.Charts {
		l.current = l.current && !c.Stale
		l.hand.Until(c.FreshUntil)
	}
	for _, m := range l.found.Metrics {
		l.current = l.current && !m.Stale
		l.hand.Until(m.FreshUntil)
	}
	l.hand.Series(q.Charts, q.Metrics)
	return true
}

func (l *lookUp) endPrices(ctx context.Context) bool {
	answers, ok := l.prices(), true
	for i, a := range answers {
		if l.lacking != nil {
			i = l.lacking[i]
		}
		l.found.Prices[i] = a.Value
		if ok = ok && a.Err == nil; ok {
			l.hand.Until(a.Value.FreshUntil)
		}
	}
	if !ok {
		loaders.Of(ctx).KeepPrices(l.pairs, l.fresh, answers)
	}
	return ok
}

// together runs tasks side by side, the last one here: mostly it is the only one.
func together(tasks []func()) {
	var group sync.WaitGroup
	defer group.Wait()
	for i, task := range tasks {
		if i == len(tasks)-1 {
			task()
			return
		}
		group.Go(task)
	}
}

// values are the answers' values; not ok if one of them is an error.
func values[T any](answers []market.Answer[*T]) ([]*T, bool) {
	all := make([]*T, len(answers))
	for i, a := range answers {
		if a.Err != nil {
			return nil, false
		}
		all[i] = a.Value
	}
	return all, true
}

// buffers are those of bodies that were sent.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

// maxBuffer is the longest that is used again.
const maxBuffer = 4 << 20

// Sent lets go of the result's body: it must not be used after this.
func (r Result) Sent() {
	if r.buffer != nil && cap(r.Body) <= maxBuffer {
		*r.buffer = r.Body
		buffers.Put(r.buffer)
	}
}

// size is about how long the answer will be.
func (l *lookUp) size() int {
	const perValue, rest = 20, 512
	return l.question.Cost*perValue + rest
}

// appendCost appends what the operation costs, as encoding/json writes Result.cost.
func appendCost(b []byte, q *compiled.Question, limits QueryLimits) []byte {
	b = append(b, `,"extensions":{"cost":{"limit":`...)
	b = strconv.AppendInt(b, int64(limits.Cost), 10)
	b = append(b, `,"units":{`...)
	first := true
	for _, e := range endpointsByName {
		if q.Units[e] == 0 {
			continue
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		b = append(append(append(b, '"'), e.String()...), `":`...)
		b = strconv.AppendInt(b, int64(q.Units[e]), 10)
	}
	b = append(b, `},"value":`...)
	b = strconv.AppendInt(b, int64(q.Cost), 10)
	return append(b, "}}}"...)
}

// endpointsByName are the meters, ascending by name.
var endpointsByName = []limit.Endpoint{limit.LogExport, limit.MarketChart, limit.OnChainMetric, limit.SimplePrice}
