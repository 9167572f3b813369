package resolvers

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/executor"
	"github.com/99designs/gqlgen/graphql/handler/extension"
	"github.com/99designs/gqlgen/graphql/handler/lru"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/coingraph/coingraph/auth"
	"github.com/coingraph/coingraph/fault"
	"github.com/coingraph/coingraph/graph"
	"github.com/coingraph/coingraph/telemetry"
)

const (
	maxTokens       = 1000 // of a document: validation is quadratic in places
	maxErrors       = 20   // in an answer
	cachedDocuments = 1000 // parsed and validated
	cachedPersisted = 1000 // texts of automatic persisted queries
)

// GraphQL executes operations. It knows nothing of HTTP.
type GraphQL struct {
	resolver *Resolver
	executor *executor.Executor
	opts     GraphQLOptions
	tokens   int // the parser's limit: the largest of any tier
	log      *slog.Logger

	documents documents
	persisted graphql.Cache[string] // texts of automatic persisted queries by their hash
}

// GraphQLOptions are the settings of [NewGraphQL].
type GraphQLOptions struct {
	Limits            map[string]QueryLimits // by tier; a tier that is not there has [DefaultQueryLimits]
	Now               func() time.Time
	OpenIntrospection bool // for everybody; otherwise for admins only
	Log               *slog.Logger
	Metrics           *telemetry.Metrics // nil: none are kept
}

// NewGraphQL assembles the GraphQL server.
func NewGraphQL(r *Resolver, o GraphQLOptions) *GraphQL {
	g := &GraphQL{resolver: r, opts: o, log: o.Log, documents: newDocuments(), persisted: lru.New[string](cachedPersisted)}
	g.executor = executor.New(graph.NewExecutableSchema(graph.Config{
		Resolvers:  r,
		Directives: directives(),
	}))
	g.tokens = maxTokens
	for _, l := range o.Limits {
		g.tokens = max(g.tokens, l.Tokens)
	}
	g.executor.SetParserTokenLimit(g.tokens)
	g.executor.SetDisableSuggestion(true)
	g.executor.SetQueryCache(g.documents.parsed)
	g.executor.SetErrorPresenter(g.present)
	g.executor.SetRecoverFunc(func(ctx context.Context, p any) error {
		g.log.ErrorContext(ctx, "panic in a resolver", "event", "panic", "panic", p, "stack", string(debug.Stack()))
		return fault.Wrap(fault.Internal, fmt.Errorf("panic: %v", p))
	})
	g.executor.Use(extension.AutomaticPersistedQuery{Cache: g.persisted})
	g.executor.Use(introspection{open: o.OpenIntrospection})
	g.executor.Use(arguments{r})
	g.executor.Use(observer{o.Metrics})
	return g
}

// Result is what came of an operation.
type Result struct {
	*graphql.Response
	// Refused is why nothing was executed; nil when something was.
	Refused *fault.Error
	// Operation names the operation in the log: its name, if it has one, and its document's hash.
	Operation string

	// Body is the whole answer, where it was written at once; Response is nil then. It is good until [Result.Sent].
	Body []byte

	buffer *[]byte // that the body is in, if nobody else has it
	cost   map[string]any
	quick  *operation // of an answer that was written at once
	made   Made
	kept   *Answer // that it is; nil: it was made for this
}

// Do executes an operation. A read-only one may be a query only.
func (g *GraphQL) Do(ctx context.Context, params *graphql.RawParams, readOnly bool) Result {
	limits := g.limits(auth.ActorOf(ctx).Tier)
	result, came := g.quick(ctx, params, limits)
	if came == answered {
		return result
	}
	return g.execute(ctx, params, limits, readOnly, came)
}

// execute has gqlgen's executor answer what came from the quick way.
func (g *GraphQL) execute(ctx context.Context, params *graphql.RawParams, limits QueryLimits, readOnly bool, came outcome) Result {
	ctx = graphql.StartOperationTrace(ctx)
	hash := documentHash(params.Query)
	result := Result{Operation: operationName(params.OperationName, hash)}
	if limits.Tokens < g.tokens {
		if err := checkTokens(params.Query, limits.Tokens); err != nil {
			return g.refuse(ctx, result, gqlerror.List{{Err: err}})
		}
	}
	op, errs := g.executor.CreateOperationContext(ctx, params)
	ctx = graphql.WithOperationContext(ctx, op)
	if len(errs) > 0 {
		if err := checkTokens(params.Query, limits.Tokens); err != nil {
			errs = gqlerror.List{{Err: err}} // more to the point than what the parser says of it
		}
		locate(params.Query, errs)
		return g.refuse(ctx, result, errs)
	}
	// By now a document that was named by its hash is here.
	result.Operation = operationName(op.Operation.Name, documentHash(op.RawQuery))
	if came == unseen {
		var quick Result
		if quick, came = g.quick(ctx, params, limits); came == answered {
			return quick
		}
	}
	if readOnly && op.Operation.Operation != ast.Query {
		return g.refuse(ctx, result, gqlerror.List{{Err: fault.New(fault.MethodNotAllowed, "a GET may carry a query only: send this operation with POST")}})
	}

	w := measure(op.Operation, op.Variables, limits, g.opts.Now())
	result.cost = costOf(&w, limits)
	err := w.exceeds(limits)
	if dry, _ := params.Extensions["dryRun"].(bool); dry && err == nil {
		result.Response = &graphql.Response{Data: json.RawMessage("null")}
		return result.withCost()
	}
	if err == nil && came != charged {
		err = g.resolver.charge(ctx, w.units)
	}
	if err != nil {
		return g.refuse(ctx, result, gqlerror.List{{Err: err}})
	}
	respond, ctx := g.executor.DispatchOperation(ctx, op)
	if result.Response = respond(ctx); result.Response == nil {
		// The context ended before anything came of it.
		result.Response = g.executor.DispatchError(ctx, gqlerror.List{{Err: fault.Of(context.Cause(ctx))}})
	}
	result.Errors = result.Errors[:min(len(result.Errors), maxErrors)]
	if notes := op.Stats.GetExtension(deprecations); notes != nil {
		if result.Extensions == nil {
			result.Extensions = make(map[string]any, 2)
		}
		result.Extensions[deprecations] = notes
	}
	return result.withCost()
}

func (g *GraphQL) limits(tier string) QueryLimits {
	if l, ok := g.opts.Limits[tier]; ok {
		return l
	}
	return DefaultQueryLimits(tier)
}

// refuse answers for an operation that is not executed.
func (g *GraphQL) refuse(ctx context.Context, result Result, errs gqlerror.List) Result {
	result.Response = g.executor.DispatchError(ctx, errs[:min(len(errs), maxErrors)])
	result.Refused = fault.Of(result.Errors[0])
	return result.withCost()
}

// costOf is what an answer says of an operation's cost.
func costOf(w *work, limits QueryLimits) map[string]any {
	return map[string]any{"value": w.cost, "limit": limits.Cost, "units": w.unitsByName()}
}

// withCost says in the answer what the operation costs, if it got as far as that.
func (r Result) withCost() Result {
	if r.cost != nil {
		if r.Extensions == nil {
			r.Extensions = make(map[string]any, 1)
		}
		r.Extensions["cost"] = r.cost
	}
	return r
}

func documentHash(query string) string {
	sum := sha256.Sum256([]byte(query))
	return hex.EncodeToString(sum[:6])
}

func operationName(name, hash string) string {
	if len(name) > 64 {
		name = name[:64]
	}
	if name == "" {
		return hash
	}
	return name + " " + hash
}

// directives are the schema's directives, all of them.
func directives() graph.DirectiveRoot { return graph.DirectiveRoot{Auth: requireRole} }

// requireRole is the directive @auth.
func requireRole(ctx context.Context, _ any, next graphql.Resolver, requires auth.Role) (any, error) {
	if err := auth.Require(ctx, requires); err != nil {
		return nil, err
	}
	return next(ctx)
}

// introspection lets admins ask what the schema is, or everybody where that is configured.
type introspection struct{ open bool }

var _ interface {
	graphql.HandlerExtension
	graphql.OperationContextMutator
} = introspection{}

func (introspection) ExtensionName() string                   { return "Introspection" }
func (introspection) Validate(graphql.ExecutableSchema) error { return nil }

func (i introspection) MutateOperationContext(ctx context.Context, op *graphql.OperationContext) *gqlerror.Error {
	op.DisableIntrospection = !i.open && auth.ActorOf(ctx).Role != auth.Admin
	if op.DisableIntrospection && introspects(op.Operation.SelectionSet, make(map[string]bool)) {
		return &gqlerror.Error{Err: fault.New(fault.ValidationFailed, "introspection is for admins")}
	}
	return nil
}

// introspects tells whether root fields of the meta schema are selected.
func introspects(set ast.SelectionSet, seen map[string]bool) bool {
	for _, s := range set {
		switch s := s.(type) {
		case *ast.Field:
			if s.Name == "__schema" || s.Name == "__type" {
				return true
			}
		case *ast.InlineFragment:
			if introspects(s.SelectionSet, seen) {
				return true
			}
		case *ast.FragmentSpread:
			if !seen[s.Name] {
				seen[s.Name] = true
				if introspects(s.Definition.SelectionSet, seen) {
					return true
				}
			}
		}
	}
	return false
}

// Present renders the fault of a request that holds no operation.
func (g *GraphQL) Present(ctx context.Context, f *fault.Error) gqlerror.List {
	return gqlerror.List{g.present(ctx, f)}
}
