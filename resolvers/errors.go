package resolvers

import (
	"context"
	"errors"
	"fmt"
	"math"
	"regexp"
	"strings"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/errcode"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/parser"

	"github.com/coingraph/coingraph/auth"
	"github.com/coingraph/coingraph/fault"
	"github.com/coingraph/coingraph/telemetry"
)

// present renders an error for a GraphQL answer: one of the two places where errors become text for clients. The fault
// stays inside, for the transport to find its status.
func (g *GraphQL) present(ctx context.Context, err error) *gqlerror.Error {
	out := &gqlerror.Error{Extensions: make(map[string]any, 3)}
	var own *gqlerror.Error
	if errors.As(err, &own) {
		out.Path, out.Locations = own.Path, own.Locations
	}
	f := faultOf(err, own, g.reveals(ctx))
	if f.Kind == fault.Internal {
		if own != nil && own.Message == "" && own.Err != nil {
			err = own.Err // it says nothing of it itself
		}
		g.log.ErrorContext(ctx, "internal error", "event", "internal", "request_id", telemetry.RequestID(ctx), "error", err)
	}
	if len(out.Path) > 0 && out.Path[0] == variablePath {
		out.Path = nil // a request error: it belongs to no place in an answer
	}
	out.Err, out.Message = f, f.Safe()
	out.Extensions["code"] = f.Kind.Code()
	if len(f.Fields) > 0 {
		out.Extensions["fields"] = f.Fields
	}
	if f.RetryAfter > 0 {
		out.Extensions["retryAfterSeconds"] = RetryAfterSeconds(f.RetryAfter)
	}
	return out
}

// RetryAfterSeconds is a wait in whole seconds, rounded up so that nobody comes back too early.
func RetryAfterSeconds(d time.Duration) int { return int(math.Ceil(d.Seconds())) }

// variablePath is how gqlparser begins the path of an error in a variable.
var variablePath = ast.PathName("variable")

// reveals gives what of a validation message the caller may read: all of it, or, where the schema is for admins, no name
// that the caller did not send.
func (g *GraphQL) reveals(ctx context.Context) func(string) string {
	if g.opts.OpenIntrospection || auth.ActorOf(ctx).Role == auth.Admin || !graphql.HasOperationContext(ctx) {
		return func(message string) string { return message }
	}
	query := graphql.GetOperationContext(ctx).RawQuery
	return func(message string) string {
		return quoted.ReplaceAllStringFunc(message, func(name string) string {
			if strings.Contains(query, strings.Trim(name, `"`)) {
				return name
			}
			return `"…"`
		})
	}
}

// quoted is how gqlparser writes names of the schema.
var quoted = regexp.MustCompile(`"[^"]*"`)

// faultOf translates gqlgen's own errors, which carry a code and no cause; all others say themselves what they are.
func faultOf(err error, own *gqlerror.Error, revealed func(string) string) *fault.Error {
	var f *fault.Error
	if own == nil || errors.As(err, &f) || own.Err != nil {
		return fault.Of(err)
	}
	// No name of the schema that the caller did not send.
	message, _, _ := strings.Cut(own.Message, " Did you mean")
	message = revealed(message)
	switch code, _ := own.Extensions["code"].(string); {
	case code == errcode.ParseFailed:
		return fault.New(fault.ParseFailed, "%s", message)
	case code == errcode.ValidationFailed && len(own.Path) > 1 && own.Path[0] == variablePath:
		name := strings.TrimPrefix(own.Path[1:].String(), ".")
		return &fault.Error{Kind: fault.BadInput, Fields: []fault.Field{{Field: name, Message: message}}}
	case code == errcode.ValidationFailed && own.Rule == valueRule:
		argument, _ := own.Extensions["argument"].(string)
		return &fault.Error{Kind: fault.BadInput, Fields: []fault.Field{{Field: argument, Message: message}}}
	case code == errcode.ValidationFailed:
		return fault.New(fault.ValidationFailed, "%s", message)
	case code == fault.PersistedQueryNotFound.Code():
		return fault.Wrap(fault.PersistedQueryNotFound, nil)
	case code == "" && strings.Contains(message, "APQ"):
		return &fault.Error{Kind: fault.BadInput, Fields: []fault.Field{{Field: "extensions.persistedQuery", Message: message}}}
	case code == "" && strings.HasPrefix(message, "operation "):
		return fault.New(fault.ValidationFailed, "%s", message)
	}
	return fault.Wrap(fault.Internal, fmt.Errorf("gqlgen: %s", own.Message))
}

// valueRule is the validation rule about literals that do not fit their argument.
const valueRule = "ValuesOfCorrectType"

// locate names the argument in errors about literals, which have a position only.
func locate(query string, errs gqlerror.List) {
	var doc *ast.QueryDocument
	for _, e := range errs {
		if e.Rule != valueRule || len(e.Locations) == 0 {
			continue
		}
		if doc == nil {
			var err error
			if doc, err = parser.ParseQuery(&ast.Source{Input: query}); err != nil {
				return
			}
		}
		if name := argumentAt(doc, e.Locations[0]); name != "" {
			e.Extensions["argument"] = name
		}
	}
}

// argumentAt is the name of the argument whose value, or part of whose value, stands at the location.
func argumentAt(doc *ast.QueryDocument, at gqlerror.Location) string {
	var found string
	var value func(name string, v *ast.Value)
	value = func(name string, v *ast.Value) {
		if v.Position != nil && v.Position.Line == at.Line && v.Position.Column == at.Column {
			found = name
		}
		for _, c := range v.Children {
			inner := name
			if c.Name != "" {
				inner += "." + c.Name
			}
			value(inner, c.Value)
		}
	}
	var selections func(ast.SelectionSet)
	selections = func(set ast.SelectionSet) {
		for _, s := range set {
			switch s := s.(type) {
			case *ast.Field:
				for _, a := range s.Arguments {
					value(a.Name, a.Value)
				}
				selections(s.SelectionSet)
			case *ast.InlineFragment:
				selections(s.SelectionSet)
			}
		}
	}
	for _, op := range doc.Operations {
		for _, v := range op.VariableDefinitions {
			if v.DefaultValue != nil {
				value(v.Variable, v.DefaultValue)
			}
		}
		selections(op.SelectionSet)
	}
	for _, f := range doc.Fragments {
		selections(f.SelectionSet)
	}
	return found
}
