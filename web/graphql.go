package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/99designs/gqlgen/graphql"

	"github.com/coingraph/coingraph/fault"
	"github.com/coingraph/coingraph/resolvers"
	"github.com/coingraph/coingraph/web/cork"
)

// GraphQL over HTTP, https://graphql.github.io/graphql-over-http/draft/: gqlgen's own transports echo bodies in errors,
// answer 200 to a body that is too large, and take the last of {"query":…,"QUERY":…}.
//
// No other site can use a browser's rights here (CSRF): the only credentials are headers, which a browser adds to no
// request by itself and a foreign page may not add without leave by CORS; a POST is JSON, which a form cannot send; and a
// GET may carry a query only.
const (
	graphQLPath  = "/graphql"
	responseJSON = "application/graphql-response+json"
	plainJSON    = "application/json"

	maxVariables = 1000 // in a request: more than any document that is served can declare
)

func (h *Handler) graphQL(w http.ResponseWriter, r *http.Request) {
	media, err := negotiate(r.Header.Values("Accept"))
	if err != nil {
		h.fail(w, r, err)
		return
	}
	post, text := r.Method == http.MethodPost, []byte(r.URL.RawQuery)
	if post {
		if text, err = readBody(r); err != nil {
			h.fail(w, r, err)
			return
		}
	}
	asked := h.opts.GraphQL.Asked(r.Context(), r.Method, text)
	result, variables, again := h.opts.GraphQL.Again(r.Context(), asked)
	if !again {
		read := readGet
		if post {
			read = func(*http.Request) (*graphql.RawParams, error) { return readOperation(text) }
		}
		params, err := read(r)
		if err != nil {
			h.fail(w, r, err)
			return
		}
		params.Headers = r.Header
		result, variables = h.opts.GraphQL.Do(r.Context(), params, !post), shapeOf(params.Variables)
		h.opts.GraphQL.Keep(asked, result, variables)
	}
	l := lineOf(r)
	l.operation, l.variables = result.Operation, variables
	if result.Body != nil {
		h.writeAnswer(w, r, media, result)
		result.Sent()
		return
	}
	status := http.StatusOK
	if f := result.Refused; f != nil {
		note(r, f)
		faultHeaders(w, f)
		status = refusedStatus(f, media)
		if f.Kind == fault.MethodNotAllowed {
			w.Header().Set("Allow", http.MethodPost)
		}
	} else if len(result.Errors) > 0 {
		note(r, fault.Of(result.Errors[0]))
	}
	h.rateHeaders(w, r)
	writeResult(w, media, status, result.Response)
}

// refusedStatus is the status of an answer to a request that was not executed. Under application/json, which clients take
// for "the GraphQL server has answered", faults of the document are 200.
func refusedStatus(f *fault.Error, media string) int {
	if media == plainJSON {
		switch f.Kind {
		case fault.ParseFailed, fault.ValidationFailed, fault.PersistedQueryNotFound, fault.BadInput:
			return http.StatusOK
		}
	}
	return f.Kind.Status()
}

// refuse answers a request that holds no operation, or whose operation is not looked at: it is an error under both media
// types.
func (h *Handler) refuse(w http.ResponseWriter, r *http.Request, f *fault.Error) {
	media, err := negotiate(r.Header.Values("Accept"))
	if err != nil {
		media = plainJSON
	}
	note(r, f)
	faultHeaders(w, f)
	h.rateHeaders(w, r)
	writeResult(w, media, f.Kind.Status(), &graphql.Response{Errors: h.opts.GraphQL.Present(r.Context(), f)})
}

// writeResult writes {"errors"…,"data"…,"extensions"…}; there is no data entry where nothing was executed.
func writeResult(w http.ResponseWriter, media string, status int, resp *graphql.Response) {
	var body bytes.Buffer
	body.Grow(len(resp.Data) + 64)
	body.WriteByte('{')
	entry := func(name string, value []byte) {
		if body.Len() > 1 {
			body.WriteByte(',')
		}
		body.WriteString(`"` + name + `":`)
		body.Write(value)
	}
	if len(resp.Errors) > 0 {
		encoded, err := json.Marshal(resp.Errors)
		if err != nil { // cannot be: our presenter made them of strings and integers
			panic(err)
		}
		entry("errors", encoded)
	}
	if resp.Data != nil {
		entry("data", resp.Data)
	}
	if len(resp.Extensions) > 0 {
		if encoded, err := json.Marshal(resp.Extensions); err == nil {
			entry("extensions", encoded)
		}
	}
	body.WriteByte('}')
	header := w.Header()
	if header.Get("Cache-Control") == "" {
		header.Set("Cache-Control", "private, no-store")
	}
	header.Set("Vary", graphQLVary)
	header.Set("Content-Type", contentTypes[media])
	header.Set("Content-Length", strconv.Itoa(body.Len()))
	w.WriteHeader(status)
	_, _ = w.Write(body.Bytes())
}

// writeAnswer writes an answer that is finished. One to a GET may be kept until the first of its values is due for renewal, by
// the caller alone, as any answer with data: a POST's may not (https://www.rfc-editor.org/rfc/rfc9110#section-9.3.3).
func (h *Handler) writeAnswer(w http.ResponseWriter, r *http.Request, media string, result resolvers.Result) {
	header, body := w.Header(), result.Body
	var encoding []string
	if accepted := r.Header["Accept-Encoding"]; len(accepted) > 0 && acceptsGzip(accepted) {
		if compressed := result.Compressed(); compressed != nil {
			body, encoding = compressed, gzipped
		}
	}
	if until := result.FreshUntil(); r.Method != http.MethodPost && !until.IsZero() {
		_ = h.data(w, r, rendering{
			media: contentTypes[media], body: body, freshUntil: until, vary: byFormat + ", Accept-Encoding", etag: result.Tag(entityTag), encoding: encoding,
		})
		return
	}
	h.rateHeaders(w, r)
	if encoding != nil {
		header["Content-Encoding"] = encoding
	}
	header["Cache-Control"], header["Vary"], header["Content-Type"] = noStore, varyGraphQL, contentTypeValues[media]
	header["Content-Length"] = []string{strconv.Itoa(len(body))}
	w.WriteHeader(http.StatusOK)
	_ = cork.Write(r.Context(), w, body)
}

// contentTypes are the media types as headers.
var contentTypes = map[string]string{plainJSON: plainJSON + "; charset=utf-8", responseJSON: responseJSON + "; charset=utf-8"}

// Headers that do not change, as a map of headers has them.
var (
	gzipped           = []string{"gzip"}
	noStore           = []string{"private, no-store"}
	varyGraphQL       = []string{graphQLVary}
	contentTypeValues = map[string][]string{plainJSON: {contentTypes[plainJSON]}, responseJSON: {contentTypes[responseJSON]}}
)

const graphQLVary = "X-API-Key, Authorization, Accept, Accept-Encoding"

// negotiate chooses the media type of the answer; */* and nothing at all are application/json.
func negotiate(accept []string) (string, error) {
	media, ok := preferred(accept, plainJSON, responseJSON)
	if !ok {
		return "", fault.New(fault.NotAcceptable, "this endpoint speaks %s and %s", responseJSON, plainJSON)
	}
	return media, nil
}

func invalid(field, message string) error {
	return fault.Invalid(fault.Field{Field: field, Message: message})
}

// readBody reads the body of a POST, which must be JSON.
func readBody(r *http.Request) ([]byte, error) {
	// Joined: two headers are no media type, rather than whichever of them a proxy did not look at.
	contentType := strings.Join(r.Header.Values("Content-Type"), ",")
	media, params, err := contentType, map[string]string(nil), error(nil)
	if contentType != plainJSON {
		media, params, err = mime.ParseMediaType(contentType)
	}
	if err != nil || media != plainJSON {
		return nil, fault.New(fault.UnsupportedMediaType, "the body must be %s", plainJSON)
	}
	if charset, ok := params["charset"]; ok && !strings.EqualFold(charset, "utf-8") {
		return nil, fault.New(fault.UnsupportedMediaType, "the body must be in utf-8")
	}
	if encoding := strings.Join(r.Header.Values("Content-Encoding"), ","); encoding != "" && encoding != "identity" {
		return nil, fault.New(fault.UnsupportedMediaType, "the body must not be compressed")
	}
	body := make([]byte, 0, max(512, min(r.ContentLength+1, 64<<10))) // one more: that is how the end is found
	buffer := bytes.NewBuffer(body)
	_, err = buffer.ReadFrom(r.Body)
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, fault.New(fault.BodyTooLarge, "the body may have %d bytes", tooLarge.Limit)
	case err != nil:
		return nil, &fault.Error{Kind: fault.BadInput, Message: "the body could not be read", Cause: err}
	}
	return buffer.Bytes(), nil
}

func readOperation(body []byte) (*graphql.RawParams, error) {
	if trimmed := bytes.TrimLeft(body, " \t\r\n"); len(trimmed) > 0 && trimmed[0] == '[' {
		return nil, invalid(wholeBody, "must be one operation: batches are not served")
	}
	fields, err := readObject(wholeBody, body)
	if err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		switch name {
		case "query", "operationName", "variables", "extensions":
		default: // misspelt, or another protocol's, like documentId
			return nil, invalid(shown(name), "must not be given: there are query, operationName, variables and extensions")
		}
	}
	return rawParams(fields)
}

func readGet(r *http.Request) (*graphql.RawParams, error) {
	p, err := parse(r)
	if err != nil {
		return nil, err
	}
	fields := make(map[string]any, 4)
	for _, name := range []string{"query", "operationName"} {
		switch value := p.one(name); {
		case !utf8.ValidString(value):
			p.refuse(name, "must be in UTF-8")
		case value != "":
			fields[name] = value
		}
	}
	for _, name := range []string{"variables", "extensions"} {
		value := p.one(name)
		if value == "" || value == "null" {
			continue
		}
		object, err := readObject(name, []byte(value))
		if f := fault.Of(err); f != nil {
			p.bad = append(p.bad, f.Fields...)
		}
		fields[name] = object
	}
	if err := p.fields(nil); err != nil {
		return nil, err
	}
	return rawParams(fields)
}

// rawParams checks the types of the fields. Null is like absent.
func rawParams(fields map[string]any) (*graphql.RawParams, error) {
	params := new(graphql.RawParams)
	var bad []fault.Field
	text := func(name string) string {
		value, ok := fields[name].(string)
		if !ok && fields[name] != nil {
			bad = append(bad, fault.Field{Field: name, Message: "must be a string"})
		}
		return value
	}
	object := func(name string) map[string]any {
		value, ok := fields[name].(map[string]any)
		if !ok && fields[name] != nil {
			bad = append(bad, fault.Field{Field: name, Message: mustBeObject})
		}
		return value
	}
	params.Query, params.OperationName = text("query"), text("operationName")
	params.Variables, params.Extensions = object("variables"), object("extensions")
	if len(params.Variables) > maxVariables {
		bad = append(bad, fault.Field{Field: "variables", Message: fmt.Sprintf("must be at most %d", maxVariables)})
	}
	if params.Query == "" && params.Extensions["persistedQuery"] == nil && len(bad) == 0 {
		bad = append(bad, fault.Field{Field: "query", Message: "must be a GraphQL document"})
	}
	return params, fault.Invalid(bad...)
}
