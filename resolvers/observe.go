package resolvers

import (
	"context"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"

	"github.com/coingraph/coingraph/fault"
	"github.com/coingraph/coingraph/telemetry"
)

// observer measures and traces root fields.
type observer struct{ metrics *telemetry.Metrics }

var _ interface {
	graphql.HandlerExtension
	graphql.RootFieldInterceptor
} = observer{}

func (observer) ExtensionName() string                   { return "Observer" }
func (observer) Validate(graphql.ExecutableSchema) error { return nil }

// InterceptRootField resolves the field and takes note of it.
func (o observer) InterceptRootField(ctx context.Context, next graphql.RootResolver) graphql.Marshaler {
	root := graphql.GetRootFieldContext(ctx)
	name := "Query." + root.Field.Name
	if op := graphql.GetOperationContext(ctx).Operation; op != nil && op.Operation == ast.Mutation {
		name = "Mutation." + root.Field.Name
	}
	ctx, span := telemetry.StartSpan(ctx, name, "graphql.field", name)
	start := time.Now()
	result := next(ctx)
	err := firstError(ctx, root.Field.Alias)
	code := ""
	if err != nil {
		code = fault.Of(err).Kind.Code()
	}
	o.metrics.Field(name, code, time.Since(start))
	span.End(err)
	return result
}

// firstError is the first error below a root field; nil: there is none.
func firstError(ctx context.Context, alias string) error {
	for _, e := range graphql.GetErrors(ctx) {
		if len(e.Path) > 0 && e.Path[0] == ast.PathName(alias) {
			return e
		}
	}
	return nil
}
