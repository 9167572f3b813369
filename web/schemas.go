package web

import "github.com/coingraph/coingraph/web/openapi"

// typed is a schema of some JSON types.
func typed(description string, types ...string) *openapi.Schema {
	return &openapi.Schema{Type: types, Description: description}
}

func instant(description string, types ...string) *openapi.Schema {
	s := typed(description, append([]string{"string"}, types...)...)
	s.Format = "date-time"
	return s
}

func listOf(description string, items *openapi.Schema) *openapi.Schema {
	return &openapi.Schema{Type: openapi.Types{"array"}, Description: description, Items: items}
}

// rowsSchema is a text of rows.
func rowsSchema(description string) *openapi.Schema { return typed(description, "string") }

type member = openapi.Member[*openapi.Schema]

// property is one member of an object.
func property(name string, schema *openapi.Schema) member { return member{Name: name, Value: schema} }

// object is a schema of an object that has all of these members and no others.
func object(description string, properties ...member) *openapi.Schema {
	s := partial(description, properties...)
	for _, p := range properties {
		s.Required = append(s.Required, p.Name)
	}
	return s
}

// partial is a schema of an object that has some of these members and no others.
func partial(description string, properties ...member) *openapi.Schema {
	return &openapi.Schema{Type: openapi.Types{"object"}, Description: description, Properties: properties, AdditionalProperties: false}
}

// keyedBy is a schema of an object whose keys are data.
func keyedBy(description string, value *openapi.Schema) *openapi.Schema {
	return &openapi.Schema{Type: openapi.Types{"object"}, Description: description, AdditionalProperties: value}
}

var sharedSchemas = openapi.Map[*openapi.Schema]{
	{Name: "Prices", Value: keyedBy("By asset id, in the order asked.", keyedBy("By currency, in lower case.", openapi.Ref("Price")))},
	{Name: "Price", Value: object("An asset's current price in one currency.",
		property("price", typed("Equal to what the provider sent.", "number")),
		property("market_cap", typed("In the currency; null where the provider does not know it.", "number", "null")),
		property("volume_24h", typed("What was traded in the last 24 hours, in the currency.", "number", "null")),
		property("change_24h", typed("The change of the price in the last 24 hours, in percent.", "number", "null")),
		property("last_updated_at", instant("When the provider observed the price.")),
		property("fetched_at", instant("When the price was fetched from the provider.")),
		property("source", typed("The provider.", "string")),
		property("stale", typed("Older than the server's TTL; never here, since only GraphQL's `freshness` allows it.", "boolean")),
	)},
	{Name: "Chart", Value: object("A series on the grid of its interval. All columns have the same length, index by index.",
		property("asset", typed("The asset's id.", "string")),
		property("currency", typed("In lower case.", "string")),
		property("interval", &openapi.Schema{Type: openapi.Types{"string"}, Enum: []any{"daily", "hourly"}}),
		property("days", daysSchema()),
		property("timestamps", listOf("Unix milliseconds, ascending.", typed("", "integer"))),
		property("prices", listOf("Equal to what the provider sent.", typed("", "number"))),
		property("market_caps", listOf("Null where the provider does not know it.", typed("", "number", "null"))),
		property("volumes", listOf("What was traded in the 24 hours before each instant: rolling sums, which do not add up.", typed("", "number", "null"))),
		property("sources", listOf("The providers of the points.", typed("", "string"))),
		property("fetched_at", instant("When the newest of the points was fetched.")),
		property("stale", typed("Points that are due are lacking; never here, since only GraphQL's `freshness` allows it.", "boolean")),
		property("coverage", openapi.Ref("Coverage")),
	)},
	{Name: "Coverage", Value: object("What of the asked range the answer has.",
		property("complete", typed("No point that was asked for lacks.", "boolean")),
		property("from", instant("The first point; null when there is none.", "null")),
		property("to", instant("The last point; null when there is none.", "null")),
		property("holes", listOf("The ranges without points.", openapi.Ref("Hole"))),
	)},
	{Name: "Hole", Value: object("A range without points.",
		property("from", instant("The first instant that lacks.")),
		property("to", instant("The next that does not.")),
		property("reason", &openapi.Schema{
			Type: openapi.Types{"string"}, Enum: []any{"NOT_LISTED", "BEYOND_PLAN", "NOT_OFFERED", "UPSTREAM_HOLE", "FAILED"},
			Description: "The asset is younger; the provider's plan does not reach this far back; the provider does not have this at all; it was asked and has nothing; it could not be asked.",
		}),
	)},
	{Name: "Health", Value: object("", property("status", &openapi.Schema{Type: openapi.Types{"string"}, Const: "ok"}))},
	{Name: "Readiness", Value: readinessSchema()},
	{Name: "Problem", Value: problemSchema()},
	{Name: "Field", Value: object("One invalid parameter.",
		property("field", typed("Its name; of an element of a list with its index: `assets[1]`.", "string")),
		property("message", typed("What it must be. Never the value that was sent.", "string")),
	)},
}

func readinessSchema() *openapi.Schema {
	s := partial("",
		property("status", &openapi.Schema{Type: openapi.Types{"string"}, Enum: []any{"ready", "not ready", "stopping"}}),
		property("checks", keyedBy("By dependency.", &openapi.Schema{Type: openapi.Types{"string"}, Enum: []any{"ok", "away"}})),
		property("reasons", keyedBy("Why, by dependency that is away.", typed("", "string"))),
	)
	s.Required = []string{"status", "checks"}
	return s
}

func problemSchema() *openapi.Schema {
	s := partial("An error: RFC 9457.",
		property("type", typed("", "string")),
		property("title", typed("The status in words.", "string")),
		property("status", typed("The HTTP status.", "integer")),
		property("detail", typed("For people.", "string")),
		property("code", typed("For programs.", "string")),
		property("requestId", typed("The answer's `X-Request-Id`, under which the log has the cause.", "string")),
		property("errors", listOf("All invalid parameters.", openapi.Ref("Field"))),
	)
	s.Required = []string{"type", "title", "status", "detail", "code", "requestId"}
	return s
}

var sharedHeaders = openapi.Map[*openapi.Header]{
	{Name: "X-Request-Id", Value: &openapi.Header{Description: "Names the request in the log.", Schema: typed("", "string"), Example: exampleRequestID}},
	{Name: "RateLimit-Limit", Value: &openapi.Header{Description: "Units in a window, of the endpoint with the least left.", Schema: typed("", "integer"), Example: 600}},
	{Name: "RateLimit-Remaining", Value: &openapi.Header{Description: "Units left in this window.", Schema: typed("", "integer"), Example: 599}},
	{Name: "RateLimit-Reset", Value: &openapi.Header{Description: "Seconds until the window ends.", Schema: typed("", "integer"), Example: 17}},
	{Name: "Retry-After", Value: &openapi.Header{Description: "Seconds to wait.", Schema: typed("", "integer"), Example: 17}},
	{Name: "Age", Value: &openapi.Header{Description: "Seconds since the provider was asked.", Schema: typed("", "integer"), Example: 3}},
	{Name: "ETag", Value: &openapi.Header{Description: "For `If-None-Match`.", Schema: typed("", "string"), Example: `W/"yJ3hZz0lq0m6mSbJ"`}},
	{Name: "Cache-Control", Value: &openapi.Header{Description: "`max-age` is what is left of the answer's time.", Schema: typed("", "string"), Example: "private, max-age=12"}},
}
