package web

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/coingraph/coingraph/fault"
	"github.com/coingraph/coingraph/resolvers"
	"github.com/coingraph/coingraph/web/openapi"
)

// graphQLOperations are GraphQL over HTTP as two REST routes. Their handler reads the request itself, since GraphQL over HTTP has
// rules of its own for what is wrong with it.
func (h *Handler) graphQLOperations() []*operation {
	serve := func(w http.ResponseWriter, r *http.Request, _ *parameters) error {
		h.graphQL(w, r)
		return nil
	}
	answers := []answer{{
		description: "The operation was executed. `errors` says what failed of it; under `application/json` also what kept it from being executed.",
		headers:     rated,
		content: []content{
			{responseJSON, openapi.Ref("GraphQLResponse"), exampleGraphQLResponse},
			{plainJSON, openapi.Ref("GraphQLResponse"), exampleGraphQLResponse},
		},
	}}
	faults := []fault.Kind{
		fault.ParseFailed, fault.ValidationFailed, fault.PersistedQueryNotFound, fault.TooComplex, fault.NotAcceptable,
	}
	post := append(faults[:len(faults):len(faults)], fault.BodyTooLarge, fault.UnsupportedMediaType)
	return []*operation{
		{
			method: http.MethodPost, path: graphQLPath, id: "graphql", tag: tagGraphQL, access: h.keyed(), ownReading: true,
			summary: "Run a GraphQL operation",
			description: "GraphQL over HTTP. The schema describes itself: [the playground](/playground) shows it. An operation is measured and charged as a " +
				"whole before it runs; `extensions.cost` tells its units and values, and with `{\"dryRun\": true}` in `extensions` nothing else is done. " +
				"Automatic persisted queries are served.",
			body: &openapi.RequestBody{Required: true, Content: openapi.Map[*openapi.MediaType]{{Name: plainJSON, Value: &openapi.MediaType{
				Schema: openapi.Ref("GraphQLRequest"), Example: exampleGraphQLRequest,
			}}}},
			answers: answers, faults: post, form: &graphQLErrors, serve: serve,
		},
		{
			method: http.MethodGet, path: graphQLPath, id: "graphqlQuery", tag: tagGraphQL, access: h.keyed(), ownReading: true,
			summary:     "Run a GraphQL query",
			description: "The same by GET, for queries only.",
			parameters: []parameter{
				{name: "query", values: textValue(), example: exampleQuery, description: "The document; may be left out for a persisted query."},
				{name: "operationName", values: textValue(), example: "OnePrice", description: "Which operation of the document."},
				{name: "variables", values: textValue(), example: `{"ids":["bitcoin"]}`, description: "A JSON object."},
				{name: "extensions", values: textValue(), description: "A JSON object."},
			},
			answers: answers, faults: append(faults[:len(faults):len(faults)], fault.MethodNotAllowed), form: &graphQLErrors, serve: serve,
		},
	}
}

// textValue is any text: what reads it says what is wrong with it.
func textValue() values { return values{schema: typed("", "string")} }

const exampleQuery = "query OnePrice($ids: [ID!]!) { simplePrice(assets: $ids) { price } }"

var (
	exampleGraphQLRequest = map[string]any{
		"query": exampleQuery, "operationName": "OnePrice", "variables": map[string]any{"ids": []string{"bitcoin"}},
	}
	exampleGraphQLResponse = json.RawMessage(`{"data":{"simplePrice":[{"price":136459.46064396048}]},"extensions":{"cost":{"limit":100000,"units":{"simple_price":1},"value":1}}}`)
)

// graphQLErrors are the errors of requests that were not executed. GraphQL's presenter writes them.
var graphQLErrors = errorForm{
	media: responseJSON, others: []string{plainJSON}, schema: openapi.Ref("GraphQLResponse"),
	body: func(f *fault.Error, _ string, _ time.Time) any {
		extensions := map[string]any{"code": f.Kind.Code()}
		if len(f.Fields) > 0 {
			extensions["fields"] = f.Fields
		}
		if f.RetryAfter > 0 {
			extensions["retryAfterSeconds"] = resolvers.RetryAfterSeconds(f.RetryAfter)
		}
		return map[string]any{"errors": []any{map[string]any{"message": f.Safe(), "extensions": extensions}}}
	},
}

var graphQLSchemas = openapi.Map[*openapi.Schema]{
	{Name: "GraphQLRequest", Value: partial("One operation. Batches are not served.",
		property("query", typed("The document; may be left out for a persisted query.", "string", "null")),
		property("operationName", typed("Which operation of the document.", "string", "null")),
		property("variables", typed("Their values by name.", "object", "null")),
		property("extensions", typed("`persistedQuery`, `dryRun`.", "object", "null")),
	)},
	{Name: "GraphQLResponse", Value: partial("There is no `data` where nothing was executed.",
		property("errors", listOf("What failed.", openapi.Ref("GraphQLError"))),
		property("data", typed("As the operation asks.", "object", "null")),
		property("extensions", typed("`cost`: what the operation was charged.", "object")),
	)},
	{Name: "GraphQLError", Value: &openapi.Schema{
		Type: openapi.Types{"object"}, Required: []string{"message", "extensions"},
		Properties: []member{
			property("message", typed("For people.", "string")),
			property("path", listOf("Where in the answer.", typed("", "string", "integer"))),
			property("locations", listOf("Where in the document.", typed("", "object"))),
			property("extensions", &openapi.Schema{
				Type: openapi.Types{"object"}, Required: []string{"code"},
				Properties: []member{
					property("code", typed("For programs.", "string")),
					property("fields", listOf("All invalid parameters.", openapi.Ref("Field"))),
					property("retryAfterSeconds", typed("Seconds to wait.", "integer")),
				},
			}),
		},
	}},
}
