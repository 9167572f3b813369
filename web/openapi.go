package web

//go:generate go test . -run TestPostman -update

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/coingraph/coingraph/fault"
	"github.com/coingraph/coingraph/web/openapi"
)

// The tags that operations are grouped by.
const (
	tagPrices    = "Prices"
	tagGraphQL   = "GraphQL"
	tagOperation = "Operation"
)

// The security schemes.
const (
	schemeKey = "ApiKey"
	schemeJWT = "JWT"
)

var apiTags = []openapi.Tag{
	{Name: tagPrices, Description: "Prices and charts, thin over the same resolvers as GraphQL."},
	{Name: tagGraphQL, Description: "Exactly the fields you ask for. [The playground](/playground) has the schema and examples."},
	geckoTag,
	{Name: tagOperation, Description: "For whoever runs the server."},
}

var securitySchemes = openapi.Map[*openapi.SecurityScheme]{
	{Name: schemeKey, Value: &openapi.SecurityScheme{Type: "apiKey", In: "header", Name: "X-API-Key", Description: "An API key. In development: `dev-public-key`, or `dev-admin-key` for admins."}},
	{Name: schemeJWT, Value: &openapi.SecurityScheme{Type: "http", Scheme: "bearer", BearerFormat: "JWT", Description: "A JWT of the configured issuer; `coingraph token` mints one."}},
}

const apiDescription = `A gateway to crypto market data. Numbers come out equal to what the provider sent; times are in UTC.

On this server: [charts](/) · [playground for GraphQL](/playground) · [try these routes](/docs) · [read about them](/redoc) · [this description](/openapi.json)

**Keys.** Send an API key in ` + "`X-API-Key`" + `, or a JWT as ` + "`Authorization: Bearer`" + `. An invalid one is refused even where a valid one stands beside it.

**Errors** are ` + "`application/problem+json`" + ` (RFC 9457) with a ` + "`code`" + ` and, for invalid parameters, all of them in ` + "`errors`" + `, without the values that were sent.

**Limits** count work, not requests: ` + "`RateLimit-*`" + ` tells what is left of the endpoint with the least, ` + "`Retry-After`" + ` when to come back after a 429.

**Caching.** Answers with data carry an ` + "`ETag`" + ` and what is left of their time in ` + "`Cache-Control`" + `; ` + "`If-None-Match`" + ` gets 304.`

// document describes the operations.
func document(operations []*operation) *openapi.Document {
	doc := &openapi.Document{
		OpenAPI: openapi.Version,
		Info: openapi.Info{
			Title: "coingraph", Summary: "Self-hosted crypto market data", Description: apiDescription, Version: "1",
			License: &openapi.License{Name: "Apache-2.0", Identifier: "Apache-2.0"},
		},
		Servers: []openapi.Server{{URL: "/", Description: "This server"}},
		Tags:    apiTags,
		Components: openapi.Components{
			Schemas: slices.Concat(sharedSchemas, graphQLSchemas, geckoSchemas), Headers: slices.Concat(sharedHeaders, geckoSharedHeaders),
			SecuritySchemes: slices.Concat(securitySchemes, geckoSchemes),
		},
	}
	for _, op := range operations {
		item, ok := doc.Paths.Get(op.path)
		if !ok {
			item = new(openapi.PathItem)
			doc.Paths.Set(op.path, item)
		}
		switch op.method {
		case http.MethodGet:
			item.Get = op.describe()
		case http.MethodPost:
			item.Post = op.describe()
		default:
			panic("no operation of coingraph's has the method " + op.method)
		}
	}
	return doc
}

// Document is the OpenAPI 3.1 document of all REST routes, as JSON.
func (h *Handler) Document() []byte { return h.document }

func writeDocument(operations []*operation) []byte {
	body, err := json.MarshalIndent(document(operations), "", " ")
	if err != nil { // cannot be: the document is made of what JSON has
		panic(err)
	}
	return body
}

func serveDocument(body []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", plainJSON)
		servePublic(w, r, http.StatusOK, body)
	}
}

func (op *operation) describe() *openapi.Operation {
	out := &openapi.Operation{
		OperationID: op.id, Summary: op.summary, Description: op.description, Tags: []string{op.tag},
		Security: op.access.security(), RequestBody: op.body,
	}
	for i := range op.parameters {
		out.Parameters = append(out.Parameters, op.parameters[i].describe())
	}
	for _, a := range op.answers {
		status := a.status
		if status == 0 {
			status = http.StatusOK
		}
		out.Responses.Set(strconv.Itoa(status), a.describe())
	}
	if slices.ContainsFunc(op.answers, func(a answer) bool { return slices.Contains(a.headers, "ETag") }) {
		out.Responses.Set("304", &openapi.Response{Description: "What the client has is still so."})
	}
	op.describeFaults(&out.Responses)
	return out
}

func (a access) security() []openapi.SecurityRequirement {
	requirements := []openapi.SecurityRequirement{} // none at all: open
	for _, scheme := range a.schemes {
		requirements = append(requirements, openapi.SecurityRequirement{scheme: {}})
	}
	if a.keyless {
		requirements = append(requirements, openapi.SecurityRequirement{})
	}
	return requirements
}

func (declared *parameter) describe() openapi.Parameter {
	out := openapi.Parameter{
		Name: declared.name, In: "query", Description: declared.description, Required: declared.required, Schema: declared.values.schema,
	}
	if declared.inPath {
		out.In, out.Required = "path", true
	}
	if declared.values.list > 0 {
		out.Style, out.Explode = "form", new(false)
	}
	if declared.fallback != "" {
		schema := *declared.values.schema
		schema.Default = declared.value(declared.fallback)
		out.Schema = &schema
	}
	if declared.example != "" {
		out.Example = declared.value(declared.example)
	}
	return out
}

// value is a text as JSON has it that the schema describes.
func (declared *parameter) value(text string) any {
	if most := declared.values.list; most > 0 {
		return splitList(text, most)
	}
	types := declared.values.schema.Type
	for _, alternative := range declared.values.schema.OneOf {
		types = append(types, alternative.Type...)
	}
	for _, t := range types {
		switch t {
		case "integer", "number", "boolean":
			if json.Valid([]byte(text)) {
				return json.RawMessage(text)
			}
		}
	}
	return text
}

func (a *answer) describe() *openapi.Response {
	out := &openapi.Response{Description: a.description}
	for _, name := range append([]string{"X-Request-Id"}, a.headers...) {
		out.Headers.Set(name, &openapi.Header{Ref: "#/components/headers/" + name})
	}
	for _, c := range a.content {
		out.Content.Set(c.media, &openapi.MediaType{Schema: c.schema, Example: c.example})
	}
	return out
}

// problems are the errors of all routes that do not have a form of their own.
var problems = errorForm{
	media: problemJSON, schema: openapi.Ref("Problem"),
	body: func(f *fault.Error, requestID string, _ time.Time) any { return problemOf(f, requestID) },
}

// describeFaults adds an answer for each status that the operation fails with, with an example for each code.
func (op *operation) describeFaults(responses *openapi.Map[*openapi.Response]) {
	form := op.form
	if form == nil {
		form = &problems
	}
	kinds := slices.Concat(op.access.faults, op.faults)
	if len(op.parameters) > 0 || op.body != nil { // then one can be wrong
		kinds = append([]fault.Kind{fault.BadInput}, kinds...)
	}
	slices.SortStableFunc(kinds, func(a, b fault.Kind) int { return form.statusOf(a) - form.statusOf(b) })
	for _, kind := range kinds {
		f := op.exampleFault(kind)
		code := form.statusOf(kind)
		status := strconv.Itoa(code)
		response, ok := responses.Get(status)
		if !ok {
			response = &openapi.Response{Description: http.StatusText(code)}
			response.Headers.Set("X-Request-Id", &openapi.Header{Ref: "#/components/headers/X-Request-Id"})
			responses.Set(status, response)
		}
		for _, name := range append([]string{form.media}, form.others...) {
			media, ok := response.Content.Get(name)
			if !ok {
				media = &openapi.MediaType{Schema: form.schema}
				response.Content.Set(name, media)
			}
			media.Examples.Set(kind.Code(), &openapi.Example{Summary: f.Safe(), Value: form.body(f, exampleRequestID, exampleTime)})
		}
		if f.RetryAfter > 0 {
			response.Headers.Set("Retry-After", &openapi.Header{Ref: "#/components/headers/Retry-After"})
		}
	}
}

// exampleFault is a fault of the kind as the operation might meet it: a bad input is what the check of its own
// parameters says of none at all.
func (op *operation) exampleFault(kind fault.Kind) *fault.Error {
	f := &fault.Error{Kind: kind}
	switch kind {
	case fault.BadInput:
		for i := range op.parameters {
			if declared := &op.parameters[i]; declared.values.check != nil && len(f.Fields) < 2 {
				f.Fields = append(f.Fields, declared.values.check(declared.name, argument{})...)
			}
		}
	case fault.RateLimited, fault.UpstreamRateLimited, fault.QuotaExhausted:
		f.RetryAfter = exampleWait
	case fault.NotFound:
		f.Message = `there is no asset "no-such-asset"`
	}
	return f
}
